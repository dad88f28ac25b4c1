"""What a principal may do, by role."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from remit.errors import RightsExceeded
from remit.resources import sketch


class Right(StrEnum):
    """One thing that a person may be allowed to do."""

    SUBMIT = "submit missions"
    APPLY = "apply resources"
    HALT = "halt"
    APPROVE = "answer approvals"
    READ_LEDGER = "read the ledger"
    ERASE = "erase memory, and hold it back from erasure"
    TOKENS = "issue agents' tokens for others"


#: Role to its rights, weakest role first; `owner` holds them all.
ROLES: Mapping[str, frozenset[Right]] = {
    "auditor": frozenset({Right.READ_LEDGER}),
    "approver": frozenset({Right.APPROVE}),
    "operator": frozenset({Right.SUBMIT, Right.APPLY, Right.HALT}),
    "owner": frozenset(Right),
}


class Holder(Protocol):
    """Whoever has roles; `Principal` is one."""

    @property
    def id(self) -> str: ...
    @property
    def roles(self) -> frozenset[str]: ...
    @property
    def active(self) -> bool: ...


def rights_of(holder: Holder) -> frozenset[Right]:
    """Every right that the roles give; none where the principal is not active."""
    if not holder.active:
        return frozenset()
    return frozenset(right for role in holder.roles for right in ROLES.get(role, frozenset()))


def require(holder: Holder, right: Right) -> None:
    """Return where `holder` has the right.

    Raises:
        RightsExceeded: it has not; the detail names the right, the hint the roles that give it.
    """
    if right in rights_of(holder):
        return
    if not holder.active:
        raise RightsExceeded(
            f"Principal {holder.id!r} is not active, so it may not {right}.",
            hint=f"Set `active: true` in `kind: Principal`, `name: {holder.id}`, and apply it, or ask someone else.",
            rule="principal_inactive",
            remedy=sketch("Principal", holder.id, {"active": True}, "Only where this person may act again."),
        )
    giving = " or ".join(role for role, rights in ROLES.items() if right in rights)
    raise RightsExceeded(
        f"Principal {holder.id!r} ({', '.join(sorted(holder.roles)) or 'no role'}) may not {right}.",
        hint=f"Ask someone with the role {giving}, or add it to `kind: Principal`, `name: {holder.id}`, and apply.",
        remedy=sketch(
            "Principal", holder.id, {"roles": [giving.split(" or ")[0]]}, "Beside the roles that stand there."
        ),
    )
