"""An approval as it stands in the list of what waits for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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
    #: Empty while open; then the verdict and by whom.
    verdict: str = ""
    answered_by: str = ""
    answered_at_us: int = 0

    def to_json(self) -> dict[str, Any]:
        """The record as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "ApprovalRecord":
        """Read a stored record."""
        lists = {name: tuple(fields[name]) for name in ("rules", "approvers", "answers")}
        return cls(**{**fields, **lists})
