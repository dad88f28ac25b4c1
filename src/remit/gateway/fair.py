"""A gate with so many places, and a queue before it that is fair by weight: no one's crowd keeps another waiting."""

import asyncio
import heapq
from collections import defaultdict
from dataclasses import dataclass, field

from remit.errors import Overloaded


@dataclass(slots=True)
class FairGate:
    """Start-time fair queueing: each who waits stands at a virtual time that grows with what they have had."""

    name: str
    places: int
    #: How many may wait; more are refused at once.
    queue_max: int
    taken: int = 0
    #: Mean seconds that a place was kept of late, for the time after which to come again.
    _kept_seconds: float = 0.1
    _now: float = 0.0
    _finished: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _waiting: list[tuple[float, int, float, asyncio.Future[None]]] = field(default_factory=list)
    _arrivals: int = 0

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._waiting)

    async def enter(self, flow: str, weight: int = 1) -> None:
        """Take a place, after those whose turn is before; `leave` must follow.

        Raises:
            Overloaded: the queue is full; it says when to come again.
        """
        if self.taken < self.places and not self._waiting:
            self.taken += 1
            return
        if len(self._waiting) >= self.queue_max:
            seconds = max(1.0, self._kept_seconds * len(self._waiting) / max(self.places, 1))
            raise Overloaded(
                f"{self.name} takes {self.places} calls at once, and {len(self._waiting)} wait already.",
                retry_after_seconds=seconds,
                rule="queue_full",
            )
        start = max(self._now, self._finished[flow])
        self._finished[flow] = start + 1 / weight
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        heapq.heappush(self._waiting, (self._finished[flow], self._arrivals, start, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()  # the place came in the very moment that its taker went
            else:
                self._waiting = [entry for entry in self._waiting if entry[3] is not turn]
                heapq.heapify(self._waiting)
            raise

    def leave(self, kept_seconds: float) -> None:
        """Give the place back, after so many seconds."""
        self._kept_seconds += (kept_seconds - self._kept_seconds) / 8
        self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting:
            _, _, start, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._now = max(self._now, start)
                turn.set_result(None)
                return
        self.taken -= 1
        if not self.taken:
            # Nobody is here: whoever comes next begins even with everybody else.
            self._finished.clear()
            self._now = 0.0
