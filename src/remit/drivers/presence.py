"""Which processes of a home live: each tells in the record that it does, and hears in it of the others.

No clock is compared with another one's: whoever's beats stop to change, as seen from here, has died. A process that is
seen for the first time lives, until it was watched for long enough.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from remit.errors import RemitError
from remit.ledger import Commit, PutRecord, Store

_LOG = logging.getLogger("remit.driver")
#: Table of the store: by process, how often it has told that it lives.
PRESENT = "present"
BEAT_SECONDS = 2.0
#: Whose beat is the same for so long has died.
LIFE_SECONDS = 10.0
#: How old what is known of the others may be.
LOOK_SECONDS = 1.0
#: What was not used for so long is not shared any more.
_USED_SECONDS = 30.0
#: Beats of the dead are taken away after so long.
_KEPT_SECONDS = 600.0


@dataclass(slots=True)
class _Seen:
    """What was last read of a process, and when that was new here."""

    told: Any
    since: float


def _loops_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Presence:
    """One process among those of its home."""

    store: Store
    #: Of this process alone, and of no process before it.
    name: str
    now: Callable[[], float] = _loops_time
    _beats: int = 0
    #: What of all that processes share this one uses, and when it last did.
    _uses: dict[str, float] = field(default_factory=dict)
    _beating: asyncio.Task[None] | None = None
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _looked_at: float | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def begin(self) -> None:
        """Tell that this process lives, from now on.

        Raises:
            StoreUnreachable: it cannot be told; nothing is to be done in its name.
        """
        if self._beating is None or self._beating.done():
            await self._beat()
            self._beating = asyncio.create_task(self._go_on())

    async def end(self) -> None:
        """Tell that this process has ended; what it left is anybody's."""
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        self._beating = None
        with suppress(RemitError):  # then it shows in that nothing is told any more
            await self.store.commit(Commit((), (PutRecord(PRESENT, self.name, None),)))

    async def lives(self, name: str) -> bool:
        """True where this process lives, or was not watched for long enough to know that it died.

        Raises:
            StoreUnreachable: it cannot be known.
        """
        return name == self.name or name in await self.others()

    async def others(self) -> set[str]:
        """The processes that live, without this one.

        Raises:
            StoreUnreachable: they cannot be known.
        """
        async with self._looking:
            if self._looked_at is None or self.now() - self._looked_at >= LOOK_SECONDS:
                await self._look()
        return {name for name, seen in self._seen.items() if self._lives(seen) and name != self.name}

    async def use(self, names: Collection[str]) -> None:
        """Tell the others that this process uses these, before it does.

        Raises:
            StoreUnreachable: it cannot be told.
        """
        now, new = self.now(), [name for name in names if name not in self._uses]
        self._uses.update(dict.fromkeys(names, now))
        if new:
            try:
                await self.begin()
                await self._beat()
                async with self._looking:
                    await self._look()
            except BaseException:
                for name in new:
                    self._uses.pop(name, None)
                raise

    def sharing(self, name: str) -> int:
        """How many processes use this, as far as is known; at least one."""
        return 1 + sum(
            name in seen.told.get("uses", ())
            for other, seen in self._seen.items()
            if other != self.name and self._lives(seen)
        )

    async def _look(self) -> None:
        found, now = await self.store.records(PRESENT), self.now()
        before, self._seen = self._seen, {}
        for name, told in found:
            seen = before.get(name)
            self._seen[name] = seen if seen is not None and seen.told == told else _Seen(told, now)
        self._looked_at = now

    def _lives(self, seen: _Seen) -> bool:
        return self.now() - seen.since < LIFE_SECONDS

    async def _beat(self) -> None:
        self._beats += 1
        told = {"beat": self._beats, "uses": sorted(self._uses)}
        await self.store.commit(Commit((), (PutRecord(PRESENT, self.name, told),)))

    async def _go_on(self) -> None:
        beaten = self.now()
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, BEAT_SECONDS))
            try:
                if self.now() - beaten >= BEAT_SECONDS:
                    beaten = self.now()
                    used = self._uses
                    self._uses = {name: at for name, at in used.items() if beaten - at < _USED_SECONDS}
                    await self._beat()
                await self._bury()
            except RemitError as error:
                _LOG.warning("it was not told that this process lives: %s", error.code)

    async def _bury(self) -> None:
        await self.others()
        gone = [name for name, seen in self._seen.items() if self.now() - seen.since > _KEPT_SECONDS]
        if gone:
            await self.store.commit(Commit((), tuple(PutRecord(PRESENT, name, None) for name in gone)))
