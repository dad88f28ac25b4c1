"""Places at once that all processes of a home share: counted in the record, and free again when their holder has died.

What each process holds stands beside the count, under a lease of that process: whoever frees the places of one that
seems dead takes the lease, so that nothing is freed twice.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field

from remit.drivers.presence import Presence
from remit.errors import BudgetExhausted, DriverReplaced, StoreUnreachable
from remit.ledger import Commit, MoveBalance, OpenBalance, PutRecord, Store, Write

_LOG = logging.getLogger("remit.driver")
#: Table of the store: by process, how many places it holds of each name.
PLACES = "places"
#: How often it is looked for processes that died with places, and a place is given back that could not be.
_LOOK_SECONDS, _AGAIN_SECONDS = 1.0, 1.0


def places_balance(name: str) -> str:
    """The balance that counts the places of this name; its unit is one place."""
    return f"places/{name}"


def _lease_of(process: str) -> str:
    return f"places/{process}"


@dataclass(slots=True)
class Places:
    """One process's places."""

    store: Store
    presence: Presence
    holder: str
    _epoch: int = 0
    _held: Counter[str] = field(default_factory=Counter)
    #: One change of what this process holds at a time: each writes down all of it.
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)
    _looked_at: float | None = None

    async def enter(self, name: str, places: int) -> bool:
        """Take one of so many places; False where all are taken. `leave` must follow.

        Raises:
            StoreUnreachable: it cannot be known.
        """
        async with self._changing:
            for _ in range(2):
                await self._begin()
                held = self._held + Counter((name,))
                moves = (OpenBalance(places_balance(name), places), MoveBalance(places_balance(name), held=1))
                try:
                    await self._write(held, *moves)
                except BudgetExhausted:
                    break
                except DriverReplaced:
                    self._begin_anew()
                else:
                    return True
        await self._free_what_the_dead_hold()
        return False

    def leave(self, name: str) -> None:
        """Give a place back, soon."""
        task = asyncio.ensure_future(self._leave(name))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def end(self) -> None:
        """Give back what was left, as far as it can be; what cannot is free once it shows that this process ended."""
        if self._leaving:
            await asyncio.wait(set(self._leaving), timeout=_AGAIN_SECONDS)
        for task in self._leaving:
            task.cancel()

    # --- inside

    async def _leave(self, name: str) -> None:
        while True:
            try:
                async with self._changing:
                    if self._held[name]:
                        await self._write(self._held - Counter((name,)), MoveBalance(places_balance(name), held=-1))
            except DriverReplaced:
                self._begin_anew()  # another process took this one for dead, and gave it back
            except StoreUnreachable as error:
                _LOG.warning("a place of %s was not given back yet: %s", name, error.code)
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            return

    async def _write(self, held: Counter[str], *writes: Write) -> None:
        own = self.presence.name
        kept = PutRecord(PLACES, own, dict(held) or None)
        await self.store.commit(Commit((), (*writes, kept), epoch=self._epoch, lease=_lease_of(own)))
        self._held = held

    async def _begin(self) -> None:
        if not self._epoch:
            await self.presence.begin()
            self._epoch = await self.store.take(self.holder, _lease_of(self.presence.name))

    def _begin_anew(self) -> None:
        self._epoch, self._held = 0, Counter()

    async def _free_what_the_dead_hold(self) -> None:
        now = self.presence.now()
        if self._looked_at is not None and now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        for process, _ in await self.store.records(PLACES):
            if not await self.presence.lives(process):
                await self._free(process)

    async def _free(self, process: str) -> None:
        epoch = await self.store.take(self.holder, _lease_of(process))
        # Read under the lease: whoever freed it before has removed it.
        held = await self.store.record(PLACES, process)
        if held is None:
            return
        moves = tuple(MoveBalance(places_balance(name), held=-count) for name, count in held.items())
        commit = Commit((), (*moves, PutRecord(PLACES, process, None)), epoch=epoch, lease=_lease_of(process))
        try:
            await self.store.commit(commit)
        except DriverReplaced:
            return  # another one frees it
