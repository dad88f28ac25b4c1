"""How many requests a second are taken: the generic cell rate algorithm, with a second's worth at once."""

from dataclasses import dataclass, field

from remit.errors import RateLimited


@dataclass(slots=True)
class Pace:
    """The rates of some names, in one process."""

    #: When each one's next would be on time, in seconds since 1970-01-01 UTC.
    _due: dict[str, float] = field(default_factory=dict)

    def check(self, name: str, per_second: int, now: float, *, among: int = 1) -> None:
        """Count one more, where the rate is divided among so many processes.

        Raises:
            RateLimited: the name has had its number for now.
        """
        interval = among / per_second
        # A clock that was set back must not keep anybody out for longer than the second that is given at once.
        at_once = max(1.0, interval)
        due = min(max(self._due.get(name, 0.0), now), now + at_once)
        if due - now > at_once - interval + 1e-9:
            raise RateLimited(f"{name} has had its events for now.", retry_after_seconds=1.0, rule="rate")
        self._due[name] = due + interval
