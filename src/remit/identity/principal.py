"""Who acts: a person, or an account that stands for one."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, field_validator

from remit.identity.grants import ToolPattern
from remit.identity.rights import ROLES
from remit.ids import PrincipalId

_DEFAULT_TOOLS = ("*",)


@dataclass(frozen=True, slots=True)
class Principal:
    """A person with rights; no mission does more than the person it acts for may do."""

    id: PrincipalId
    name: str
    #: operator, approver, auditor or owner.
    roles: frozenset[str]
    #: Patterns of the tools that agents may use for this person.
    tools: tuple[str, ...] = _DEFAULT_TOOLS
    #: False when the person has left: every right is gone at once.
    active: bool = True
    #: The account of the operating system that acts as this principal in an embedded home.
    os_user: str | None = None

    @property
    def actor(self) -> str:
        """How the ledger names this principal."""
        return f"principal:{self.id}"


class PrincipalDocument(BaseModel):
    """`kind: Principal` as it stands in a file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: StrictStr = Field(
        description="The identifier that the ledger shows, such as `anna`.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,126}$",
    )
    full_name: StrictStr = Field("", description="The person's name as others know it.", max_length=200)
    roles: tuple[StrictStr, ...] = Field(description="What the person may do: operator, approver, auditor, owner.")
    tools: tuple[ToolPattern, ...] = Field(
        _DEFAULT_TOOLS, description="Patterns of the tools that agents may use for this person; all where not written."
    )
    active: StrictBool = Field(True, description="False takes every right away at once.")
    os_user: StrictStr | None = Field(
        None,
        description="The operating system's account that acts as this principal in an embedded home.",
        min_length=1,
    )

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        for role in roles:
            if role not in ROLES:
                raise ValueError(f"{role!r} is no role; roles are {', '.join(ROLES)}")
        return roles

    def principal(self) -> Principal:
        """The document as the rest of Remit sees it."""
        return Principal(
            id=PrincipalId(self.name),
            name=self.full_name or self.name,
            roles=frozenset(self.roles),
            tools=self.tools,
            active=self.active,
            os_user=self.os_user,
        )
