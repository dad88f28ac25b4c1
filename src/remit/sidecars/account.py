"""The money that one sidecar holds on lease.

Every number only grows, so a message that is lost or sent twice is harmless.

`granted - used - returned` is held on the control plane's tenant balance for as long as the sidecar may spend it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.errors import LeaseRefused


@dataclass(frozen=True, slots=True)
class Told:
    """What a sidecar says of its account, in US dollar micro-units since it was enrolled."""

    #: What it knows to be granted; less than what was, where an answer was lost.
    granted: int
    used: int
    returned: int
    #: What it would have on top.
    ask: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """What was granted, spent and given back since the enrolment, in US dollar micro-units."""

    granted: int = 0
    used: int = 0
    returned: int = 0
    #: Counts the changes, so that two processes never make the same one.
    changes: int = 0

    @property
    def outstanding(self) -> int:
        """What the sidecar may still spend: held for it."""
        return self.granted - self.used - self.returned

    def heard(self, told: Told) -> "Account":
        """The account with what the sidecar says; what is older than what is known changes nothing.

        Raises:
            LeaseRefused: it claims more than it was granted, or spent less than it had before.
        """
        if told.used < self.used or told.returned < self.returned:
            raise LeaseRefused(
                "The sidecar has spent or given back less than it had before: its home is an older copy."
            )
        if told.granted > self.granted or told.used + told.returned > self.granted:
            raise LeaseRefused("The sidecar has spent or given back more than it was granted.")
        return replace(self, used=told.used, returned=told.returned)

    def to_json(self) -> dict[str, int]:
        """The account as it stands in the store."""
        return {
            "granted": self.granted,
            "used": self.used,
            "returned": self.returned,
            "changes": self.changes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "Account":
        """Read `to_json` back; an account that was never written is empty."""
        return cls() if value is None else cls(**value)
