"""How many requests a second are taken: the generic cell rate algorithm, with a second's worth at once."""

from dataclasses import dataclass, field

from remit.errors import RateLimited


@dataclass(slots=True)
class Pace:
    """The rates of some names, in one process."""

    #: When each one's next would be on time, in seconds since 1970-01-01 UTC.
    _due: dict[str, float] = field(default_factory=dict)

    def check(self, name: str, per_second: int, now: float) -> None:
        """Count one more.

        Raises:
            RateLimited: the name has had its number for now.
        """
        interval = 1 / per_second
        # A clock that was set back must not keep anybody out for longer than the second that is given at once.
        due = min(max(self._due.get(name, 0.0), now), now + 1)
        if due - now > 1 - interval + 1e-9:
            raise RateLimited(f"{name} has had its events for now.", retry_after_seconds=1.0, rule="rate")
        self._due[name] = due + interval
