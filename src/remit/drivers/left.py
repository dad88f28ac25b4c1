"""Which missions of a home should be under way, from the record alone: a wake-up that was lost is found here."""

from dataclasses import dataclass, field
from typing import Any

from remit.ids import MissionId
from remit.ledger import Store
from remit.missions import stream_of

_STREAMS = "mission/"
_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class _Seen:
    """What is known of a mission that may have something to do."""

    #: The last of its entries that was seen.
    head: int = 0
    #: Where it rested: up to which entry it was driven, and when time alone makes something due.
    rested: int = 0
    due_us: int | None = None
    #: A halt holds it; that the halt was lifted stands nowhere in its stream.
    halted: bool = False

    def rests(self, now_us: int) -> bool:
        return self.rested >= self.head and not self.halted and (self.due_us is None or self.due_us > now_us)


@dataclass(slots=True)
class LeftToDo:
    """Reads the whole list of missions once, and later only what was written since."""

    store: Store
    #: Up to which entry the ledger was read; None before the first look.
    _idx: int | None = None
    _open: dict[MissionId, _Seen] = field(default_factory=dict)
    #: How many missions were left at the last look.
    count: int = 0

    async def look(self, now_us: int) -> list[MissionId]:
        """Missions that should be under way now.

        Raises:
            StoreUnreachable: the record cannot be read.
        """
        if self._idx is None:
            await self._begin()
        await self._follow()
        left = []
        for mission, seen in list(self._open.items()):
            if seen.rests(now_us):
                continue
            # It may have rested since, which writes no entry.
            ended = self._note(seen, await self.store.record("mission", mission))
            if not seen.rests(now_us):
                left.append(mission)
            elif ended:
                del self._open[mission]
        self.count = len(left)
        return left

    def forget(self) -> None:
        """Begin anew with the next look: another process looked meanwhile."""
        self._idx, self.count = None, 0
        self._open.clear()

    async def _begin(self) -> None:
        # Before the list is read, so that nothing is missed between the two.
        place = await self.store.place()
        for name, listed in await self.store.records("mission"):
            if not isinstance(listed, dict) or listed.get("status") in _ENDED:
                continue
            seen = self._open[MissionId(name)] = _Seen()
            self._note(seen, listed)
            after = await self.store.read(stream_of(MissionId(name)), after=seen.rested, limit=1)
            seen.head = after[0].seq if after else seen.rested
        self._idx = place

    async def _follow(self) -> None:
        assert self._idx is not None, "the list was read first"
        place = await self.store.place()
        for stream, head in await self.store.heads(_STREAMS, after_idx=self._idx):
            seen = self._open.setdefault(MissionId(stream.removeprefix(_STREAMS)), _Seen())
            seen.head = max(seen.head, head)
        self._idx = place

    @staticmethod
    def _note(seen: _Seen, listed: Any) -> bool:
        """Keep what the list of missions says of one; True where it has ended."""
        known = listed if isinstance(listed, dict) else {}
        ended = known.get("status") in _ENDED
        seen.rested = int(known.get("version", 0))
        seen.due_us = None if ended else known.get("wake_at_us")
        seen.halted = known.get("status") == "halted"
        return ended
