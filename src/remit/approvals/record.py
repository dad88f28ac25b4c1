"""An approval as it stands in the list of what waits for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from remit.identity import Principal, Right, rights_of

#: `escalate_to` came later: older records do not hold it.
_LISTS = ("rules", "approvers", "answers", "escalate_to")


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """One question to people: names and codes only; the case itself is sealed."""

    id: str
    mission: str
    step: str
    #: approval or effect_uncertain.
    about: str
    rules: tuple[str, ...]
    approvers: tuple[str, ...]
    answers: tuple[str, ...]
    asked_at_us: int
    expires_at_us: int
    #: Keyed name of the sealed case in the mission's space.
    case: str
    #: Empty while open; then the verdict and by whom, or `expired`, `cancelled`, `closed` with the reason.
    verdict: str = ""
    answered_by: str = ""
    answered_at_us: int = 0
    #: Why nobody needs to answer any more; empty while open, and where a person answered.
    reason: str = ""
    #: When others are asked as well, and who; 0 for never.
    escalate_at_us: int = 0
    escalate_to: tuple[str, ...] = ()
    #: How many reminders were due so far, and when there last was one; 0 for none.
    reminders: int = 0
    reminded_at_us: int = 0
    #: When others were asked as well; 0 where they were not.
    escalated_at_us: int = 0

    def closed(self, verdict: str, reason: str, at_us: int, *, by: str = "") -> "ApprovalRecord":
        """The record of a question that nobody will answer any more."""
        return replace(self, verdict=verdict, answered_by=by, answered_at_us=at_us, reason=reason)

    def moved(self, by_us: int) -> "ApprovalRecord":
        """The same question, with its end and all before it this much later."""
        escalate_at_us = self.escalate_at_us + by_us if self.escalate_at_us else 0
        return replace(self, expires_at_us=self.expires_at_us + by_us, escalate_at_us=escalate_at_us)

    def reminded(self, due: int, at_us: int) -> "ApprovalRecord":
        """The same question, of which those who are asked were reminded."""
        return replace(self, reminders=self.reminders + due, reminded_at_us=at_us)

    def escalated(self, to: tuple[str, ...], at_us: int) -> "ApprovalRecord":
        """The same question, put to others as well."""
        approvers = (*self.approvers, *(one for one in to if one not in self.approvers))
        return replace(self, approvers=approvers, escalated_at_us=at_us, escalate_at_us=0)

    def may_be_answered_by(self, by: Principal) -> bool:
        """True where this person is among those who are asked, and has the right to answer."""
        if Right.APPROVE not in rights_of(by):
            return False
        names = {named.removeprefix("role:").removeprefix("principal:") for named in self.approvers}
        return by.id in names or bool(names & by.roles) or "owner" in by.roles

    def to_json(self) -> dict[str, Any]:
        """The record as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "ApprovalRecord":
        """Read a stored record."""
        lists = {name: tuple(fields[name]) for name in _LISTS if name in fields}
        return cls(**{**fields, **lists})
