"""How old the newest confirmed bundle is, and no call beyond a stated age.

The age counts from the moment at which the sidecar *asked*: the answer carries that question's nonce, so it cannot have
been made before, and the clocks of the two machines need not agree.
"""

from dataclasses import dataclass
from typing import Protocol

from remit.errors import PolicyStale


class Steady(Protocol):
    """Seconds that never go backwards, within one process."""

    def monotonic(self) -> float:
        """Seconds since some instant."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant by both clocks of this machine."""

    #: Microseconds since 1970-01-01 UTC: counts on while the machine sleeps and over a restart; may be set back.
    at_us: int
    #: Steady seconds; None where the moment was in another process.
    steady: float | None

    def age(self, now: "Moment") -> float:
        """Seconds from here to `now`, the longer by the two clocks; infinite where the wall clock alone went back."""
        by_wall = (now.at_us - self.at_us) / 1_000_000
        if self.steady is not None and now.steady is not None:
            return max(by_wall, now.steady - self.steady)
        return by_wall if by_wall >= 0 else float("inf")


@dataclass(slots=True)
class Freshness:
    """What is known of the bundle's age in this process."""

    limit_seconds: float
    #: When the newest confirmed bundle was asked for.
    asked: Moment | None = None
    #: Why the newest one that came was not taken, or the control plane is not heard; told together with the age.
    trouble: str = ""
    #: The control plane knows this sidecar no more: nothing goes on, whatever the age.
    withdrawn: bool = False

    def confirmed(self, asked: Moment) -> None:
        """A bundle that was asked for at this moment is in force."""
        self.asked, self.trouble, self.withdrawn = asked, "", False

    def check(self, now: Moment) -> None:
        """Return where the bundle in force is new enough.

        Raises:
            PolicyStale: it is not; names age and limit.
        """
        told = f" {self.trouble}" if self.trouble else ""
        if self.withdrawn:
            raise PolicyStale(f"The control plane does not know this sidecar any more.{told}", rule="sidecar_unknown")
        if self.asked is None:
            raise PolicyStale(f"No policy was ever confirmed here.{told}")
        age = self.asked.age(now)
        if age > self.limit_seconds:
            since = "at a time that this machine's clock has not reached" if age == float("inf") else f"{age:.0f} s ago"
            raise PolicyStale(f"It was confirmed {since}, and the limit is {self.limit_seconds:g} s.{told}")
