"""What happens, as it happens: events of one mission or of all that a person sees, and what models say meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from remit.control_plane.core import Core, iso
from remit.control_plane.seen import require_seen
from remit.errors import NotFound, Overloaded, RightsExceeded
from remit.identity import Principal
from remit.ids import MissionId
from remit.ledger import Entry
from remit.missions import stream_of

#: How often the record is looked at: another process may have written.
LOOK_SECONDS = 0.1
#: How long nothing may happen before the watcher is told that it is still connected, and asked again whether it may.
ALIVE_SECONDS = 15.0
WATCHERS_MAX = 256
_PAGE = 200
_MISSION = "mission/"


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a watcher is told."""

    kind: Literal["event", "words", "alive", "end"]
    #: Where to go on from after this; only of events.
    place: int = 0
    value: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Count:
    watchers: int = 0
    #: True once this process is about to end.
    ending: bool = False


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """Follows missions of one home, whichever process drives them. What waits for a watcher is bounded: it is read from
    the record when the watcher is ready for it.
    """

    core: Core
    _count: _Count = field(default_factory=_Count)

    async def of_mission(
        self, mission: str, who: Callable[[], Principal], *, after: int = 0, words: bool = True
    ) -> AsyncIterator[Told]:
        """Everything in the mission after this place in its stream, until it has ended; with what its models say.

        The words are those of models that this process asks. Who keeps up too slowly with them is told so at the end.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
            Overloaded: too many watch already.
        """
        await require_seen(self.core, mission, who())
        stream, news = stream_of(MissionId(mission)), asyncio.Event()
        with self._counted(), self.core.door.live.listening(MissionId(mission), news.set) as listener:
            idle = 0.0
            yield Told("alive")
            while True:
                entries = await self.core.store.read(stream, after=after, limit=_PAGE)
                for entry in entries:
                    after = entry.seq
                    yield Told("event", after, told(entry))
                    if entry.closes:
                        yield Told("end", value={"reason": "the mission has ended"})
                        return
                for piece in listener.drain() if words else ():
                    yield Told("words", value={"step": piece.step, "tool": piece.tool, "text": piece.text})
                if listener.overrun and words:
                    yield Told("end", value={"reason": "too slow: go on from the last event that you have"})
                    return
                idle = 0.0 if entries else idle + LOOK_SECONDS
                if idle >= ALIVE_SECONDS:
                    idle = 0.0
                    if not await self._still_sees(mission, who):
                        yield Told("end", value={"reason": "you do not see this mission any more"})
                        return
                    yield Told("alive")
                if self._count.ending:
                    yield Told("end", value={"reason": "the server ends: come again"})
                    return
                if not entries:
                    await _wait(news)

    async def of_all(self, who: Callable[[], Principal], *, after: int | None = None) -> AsyncIterator[Told]:
        """Everything in all missions that this person sees, after this place in the record; from now on without one.

        Raises:
            Overloaded: too many watch already.
        """
        idle, news = 0.0, asyncio.Event()
        place = await self.newest() if after is None else after
        with self._counted():
            seen: dict[str, bool] = {}
            yield Told("alive")
            while True:
                entries = await self.core.store.read_prefix(_MISSION, after_idx=place, limit=_PAGE)
                for entry in entries:
                    place = entry.idx
                    mission = entry.stream.removeprefix(_MISSION)
                    if mission not in seen:
                        seen[mission] = await self._still_sees(mission, who)
                    if seen[mission]:
                        yield Told("event", place, {"mission": mission, **told(entry)})
                idle = 0.0 if entries else idle + LOOK_SECONDS
                if idle >= ALIVE_SECONDS or len(seen) > _PAGE:
                    idle = 0.0
                    seen.clear()  # rights may have changed, and a question may have come up
                    yield Told("alive")
                if self._count.ending:
                    yield Told("end", value={"reason": "the server ends: come again"})
                    return
                if not entries:
                    await _wait(news)

    def end(self) -> None:
        """Let every watcher go: this process is about to end, and they may come again."""
        self._count.ending = True

    async def newest(self) -> int:
        """The place of the newest entry of the whole record, or of one a little before it."""
        sealed = await self.core.store.record("seal-state", "range")
        place = int(sealed["size"]) if sealed else 0
        while page := await self.core.store.read_prefix("", after_idx=place, limit=1000):
            place = page[-1].idx
        return place

    async def _still_sees(self, mission: str, who: Callable[[], Principal]) -> bool:
        try:
            await require_seen(self.core, mission, who())
        except (NotFound, RightsExceeded):
            return False
        return True

    def _counted(self) -> "_Counted":
        if self._count.watchers >= WATCHERS_MAX:
            raise Overloaded(f"{WATCHERS_MAX} watch already.", retry_after_seconds=5.0)
        return _Counted(self._count)


class _Counted:
    def __init__(self, count: _Count) -> None:
        self._count = count

    def __enter__(self) -> None:
        self._count.watchers += 1

    def __exit__(self, *_: object) -> None:
        self._count.watchers -= 1


def told(entry: Entry) -> dict[str, Any]:
    """An entry of a mission's stream, for those who see the mission."""
    return {
        "seq": entry.seq,
        "entry": entry.ref,
        "at": iso(entry.at_us),
        "kind": entry.kind,
        "actor": entry.actor,
        **{key: value for key, value in entry.payload.items() if isinstance(value, (str, int, list))},
    }


async def _wait(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await news.wait()
    except TimeoutError:
        return
    finally:
        news.clear()
