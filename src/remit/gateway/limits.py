"""Admission: how many calls a source takes at once, and a rest for one that does not answer."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from remit.clock import Clock
from remit.errors import ToolUnreachable

CONCURRENT_MAX = 32
FAILURES_MAX = 5
REST_SECONDS = 30


@dataclass(slots=True)
class _Source:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_MAX))
    failures: int = 0
    rests_until: float = 0.0


class Admission:
    """Per source: bounded concurrency, and a circuit breaker over consecutive failures to answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sources: defaultdict[str, _Source] = defaultdict(_Source)

    def admit(self, source: str) -> asyncio.Semaphore:
        """A place at the source, to be held (`async with`) while its call is made.

        Raises:
            ToolUnreachable: the source has just failed to answer several times, and rests.
        """
        held = self._sources[source]
        left = held.rests_until - self._clock.now().timestamp()
        if 0 < left <= REST_SECONDS:  # more, and the clock was set back meanwhile: no rest was ever that long
            raise ToolUnreachable(
                f"{source} did not answer {held.failures} times; it is left alone for {left:.0f} s.", rule="breaker"
            )
        return held.places

    def answered(self, source: str) -> None:
        """The source answered, if only with an error of its own."""
        self._sources[source].failures = 0

    def unreachable(self, source: str) -> None:
        """The source did not answer."""
        held = self._sources[source]
        held.failures += 1
        if held.failures >= FAILURES_MAX:
            held.rests_until = self._clock.now().timestamp() + REST_SECONDS
