"""What was told on streams, kept for a while: a caller whose connection broke goes on where it was.

Streamable HTTP of 2025-11-25, "Resumability and Redelivery": each event of a stream has an id, and whoever comes back
with the last one in `Last-Event-ID` is told what came after it, on that stream alone.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from remit.api.mcp.wire import frame

#: Of one stream; what is older cannot be told again.
_EVENTS_MAX, _BYTES_MAX = 256, 1 << 20
#: Of one caller, and of all together.
_STREAMS_MAX, _TOTAL_BYTES_MAX = 16, 64 << 20


class Replay:
    """The events of one stream, numbered from one; without an owner they have no ids, and nobody comes back."""

    def __init__(self, shelf: "Shelf", owner: str, name: str) -> None:
        #: None once it was forgotten: nobody can come back to it.
        self._shelf: Shelf | None = shelf
        self.owner = owner
        self.name = name
        self._kept: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        #: Of the newest event; zero before the first.
        self.last = 0
        #: Nothing more will come.
        self.ended = False
        self._grown = asyncio.Event()

    def add(self, message: Mapping[str, Any]) -> bytes:
        """Keep a message, and give it as an event with its id."""
        self.last += 1
        data = frame(message, name=f"{self.name}-{self.last}" if self.owner else "")
        self._kept.append((self.last, data))
        self._count(len(data))
        while len(self._kept) > 1 and (len(self._kept) > _EVENTS_MAX or self._bytes > _BYTES_MAX):
            self._count(-len(self._kept.popleft()[1]))
        if self._shelf is not None:
            self._shelf.trim()
        self._turn()
        return data

    def prime(self, number: int) -> bytes:
        """An event that holds nothing but a place to go on from: after the event of this number."""
        return f"id: {self.name}-{number}\ndata: \n\n".encode()

    def end(self) -> None:
        self.ended = True
        self._turn()

    def holds(self, number: int) -> bool:
        """Whether all that came after this event can still be told."""
        oldest = self._kept[0][0] if self._kept else self.last + 1
        return oldest - 1 <= number <= self.last

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """What came after this event, as far as it is kept."""
        return [event for event in self._kept if event[0] > number]

    async def more(self, number: int, seconds: float) -> bool:
        """Wait until something came after this event, or the stream ended; False where neither did in this time."""
        if self.last > number or self.ended:
            return True
        grown = self._grown
        try:
            async with asyncio.timeout(seconds):
                await grown.wait()
        except TimeoutError:
            return False
        return True

    def clear(self) -> None:
        """Keep nothing; what is told from now on is kept again."""
        self._kept.clear()
        self._count(-self._bytes)

    def forgotten(self) -> None:
        """Be no part of what is kept of all callers."""
        self.clear()
        self._shelf = None

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._shelf is not None:
            self._shelf.bytes += size

    def _turn(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


class Shelf:
    """The streams of all callers of this process."""

    def __init__(self) -> None:
        #: The oldest first.
        self._streams: OrderedDict[str, Replay] = OrderedDict()
        self._owned: dict[str, list[Replay]] = {}
        self._opened = 0
        self.bytes = 0

    def open(self, owner: str) -> Replay:
        """A new stream of this caller; beyond the most that are kept, its oldest is forgotten."""
        self._opened += 1
        replay = self._streams[str(self._opened)] = Replay(self, owner, str(self._opened))
        owned = self._owned.setdefault(owner, [])
        owned.append(replay)
        if len(owned) > _STREAMS_MAX:
            self._forget(next((one for one in owned if one.ended), owned[0]))
        return replay

    def find(self, owner: str, event: str) -> tuple[Replay, int] | None:
        """The caller's stream that an event's id names, and the event's number; None where it does not go on there."""
        name, _, number = event.partition("-")
        replay = self._streams.get(name)
        if replay is None or replay.owner != owner or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        return (replay, int(number)) if replay.holds(int(number)) else None

    def drop(self, owner: str) -> None:
        """Forget a caller."""
        for replay in self._owned.pop(owner, []):
            replay.end()
            replay.forgotten()
            self._streams.pop(replay.name, None)

    def trim(self) -> None:
        """Keep to the bound of all together: what was told on the oldest streams goes first."""
        for replay in self._streams.values():
            if self.bytes <= _TOTAL_BYTES_MAX:
                return
            replay.clear()

    def _forget(self, replay: Replay) -> None:
        replay.forgotten()
        self._owned[replay.owner].remove(replay)
        self._streams.pop(replay.name, None)
