"""Turns that are fair by weight: a queue, and a gate with so many places. No one's crowd keeps another waiting."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from remit.errors import Overloaded

T = TypeVar("T")


class _Place(NamedTuple):
    """Where somebody stands: virtual times grow with what their flow has had."""

    finish: float
    arrival: int
    start: float


@dataclass(slots=True)
class FairQueue(Generic[T]):
    """Start-time fair queueing of flows; within a flow, whoever came first is first."""

    _now: float = 0.0
    _finished: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _lines: dict[str, deque[tuple[_Place, T]]] = field(default_factory=dict)
    _arrivals: int = 0
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    def push(self, flow: str, weight: float, item: T) -> None:
        """Let `item` stand in line for its flow."""
        start = max(self._now, self._finished[flow])
        self._finished[flow] = finish = start + 1 / weight
        self._arrivals += 1
        self._lines.setdefault(flow, deque()).append((_Place(finish, self._arrivals, start), item))
        self._count += 1

    def pop(self, may: Callable[[str], bool] = lambda _flow: True) -> T | None:
        """Whose turn it is, of the flows that may have one; None where there is none."""
        ahead = [(line[0][0], flow) for flow, line in self._lines.items() if may(flow)]
        if not ahead:
            return None
        place, flow = min(ahead)
        _, item = self._lines[flow].popleft()
        self._leave(flow)
        self._now = max(self._now, place.start)
        return item

    def drop(self, item: T) -> None:
        """Let somebody go who waits no longer."""
        for flow, line in self._lines.items():
            for at, (_, waiting) in enumerate(line):
                if waiting == item:
                    del line[at]
                    self._leave(flow)
                    return

    def forget(self) -> None:
        """Nobody is here: whoever comes next begins even with everybody else."""
        self._finished.clear()
        self._now = 0.0

    def _leave(self, flow: str) -> None:
        self._count -= 1
        if not self._lines[flow]:
            del self._lines[flow]


@dataclass(slots=True)
class FairGate:
    """So many places, and a fair queue before them."""

    name: str
    places: int
    #: How many may wait; more are refused at once.
    queue_max: int
    taken: int = 0
    #: Mean seconds that a place was kept of late, for the time after which to come again.
    _kept_seconds: float = 0.1
    _queue: FairQueue[asyncio.Future[None]] = field(default_factory=FairQueue)

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._queue)

    async def enter(self, flow: str, weight: int = 1) -> None:
        """Take a place, after those whose turn is before; `leave` must follow.

        Raises:
            Overloaded: the queue is full; it says when to come again.
        """
        if self.taken < self.places and not self.waiting:
            self.taken += 1
            return
        if self.waiting >= self.queue_max:
            seconds = max(1.0, self._kept_seconds * self.waiting / max(self.places, 1))
            raise Overloaded(
                f"{self.name} takes {self.places} calls at once, and {self.waiting} wait already.",
                retry_after_seconds=seconds,
                rule="queue_full",
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(flow, weight, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()  # the place came in the very moment that its taker went
            else:
                self._queue.drop(turn)
            raise

    def leave(self, kept_seconds: float) -> None:
        """Give the place back, after so many seconds."""
        self._kept_seconds += (kept_seconds - self._kept_seconds) / 8
        self._hand_on()

    def _hand_on(self) -> None:
        while (turn := self._queue.pop()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1
        if not self.taken:
            self._queue.forget()
