"""Repeats wake-ups that were lost. One process of a home does it at a time; if it dies, another one begins."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from remit.clock import Clock
from remit.drivers.left import LeftToDo
from remit.drivers.lines import Lines
from remit.errors import RemitError
from remit.gateway import micros_of
from remit.ids import MissionId
from remit.ledger import Commit, PutRecord, Store

_LOG = logging.getLogger("remit.driver")
#: Which process sweeps, and until when the others leave it to it.
_SWEEPER = ("home", "sweeper")
SWEEPS_SECONDS = 15.0
#: A mission for which the scheduler was asked is left alone for so long.
ASKED_SECONDS = 10.0
#: How many missions the scheduler is asked for at once.
_AT_ONCE = 32


@dataclass(slots=True)
class Sweep:
    """Looks for missions that should be under way, and has each of them carried."""

    store: Store
    clock: Clock
    holder: str
    #: Has one mission carried where nobody does.
    ensure: Callable[[MissionId], Coroutine[None, None, None]]
    left: LeftToDo
    lines: Lines
    #: When the scheduler was last asked for a mission, by the loop's clock.
    _asked: dict[MissionId, float] = field(default_factory=dict)

    async def turn(self) -> None:
        """Look once, where it is this process's turn.

        Raises:
            StoreUnreachable: the record cannot be read.
        """
        now_us = micros_of(self.clock.now())
        if not await self._is_mine(now_us):
            self.left.forget()
            self._asked.clear()
            return
        now = asyncio.get_running_loop().time()
        left = dict.fromkeys([*await self.left.look(now_us), *await self.lines.forgotten()])
        self._asked = {one: at for one, at in self._asked.items() if now - at < ASKED_SECONDS}
        wanted = [mission for mission in left if mission not in self._asked]
        places = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._ask(mission, now, places) for mission in wanted))

    async def _ask(self, mission: MissionId, now: float, places: asyncio.Semaphore) -> None:
        async with places:
            try:
                await self.ensure(mission)
            except RemitError as error:
                _LOG.warning("mission %s was not woken: %s", mission, error.code)
            else:
                self._asked[mission] = now

    async def _is_mine(self, now_us: int) -> bool:
        """A courtesy, no proof: two that sweep ask the scheduler twice, and that is all."""
        kept = await self.store.record(*_SWEEPER) or {}
        remaining = (int(kept.get("until_us", 0)) - now_us) / 1_000_000
        mine = kept.get("holder") == self.holder
        # A clock that was far ahead must not keep the others from it.
        if not mine and 0 < remaining <= SWEEPS_SECONDS:
            return False
        if not mine or not SWEEPS_SECONDS / 2 < remaining <= SWEEPS_SECONDS:
            until_us = now_us + int(SWEEPS_SECONDS * 1_000_000)
            await self.store.commit(Commit((), (PutRecord(*_SWEEPER, {"holder": self.holder, "until_us": until_us}),)))
        return True
