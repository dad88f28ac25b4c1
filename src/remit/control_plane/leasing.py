"""A sidecar's side of its lease: asks for more before a call is refused, and gives back what lies idle."""

import asyncio
import logging
from dataclasses import dataclass, field

from remit.budgets import tenant_balance
from remit.control_plane.beside import Beside
from remit.errors import BudgetExhausted, RemitError
from remit.ledger import Balance, Commit, OpenBalance, PutRecord
from remit.sidecars import TABLE, Told

_LOG = logging.getLogger("remit.sidecar")


@dataclass(slots=True)
class Leasing:
    """What one sidecar holds on lease; its tenant's balance here is bounded by it."""

    beside: Beside
    granted: int = 0
    returned: int = 0
    #: What the control plane was last told that was spent.
    _told_used: int = 0
    _at_once: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def restore(self) -> None:
        """Go on from what was granted before this process began."""
        store = self.beside.core.store
        kept = await store.record(TABLE, "account") or {"granted": 0, "returned": 0}
        self.granted, self.returned = kept["granted"], kept["returned"]
        await store.commit(Commit((), (OpenBalance(self._name, self.granted - self.returned),)))

    async def more(self, needed: int) -> bool:
        """See to it that the limit is at least `needed`; False where the control plane does not grant it."""
        async with self._at_once:
            limit = (await self._balance()).limit
            if limit < needed:
                try:
                    await self._exchange(needed - limit + self._slice)
                except RemitError as no:
                    _LOG.warning("no more budget: %s", no)
                    return False
                limit = (await self._balance()).limit
            return limit >= needed

    async def tend(self) -> None:
        """Tell what was spent, ask before the slice is used up, and give back what is more than two of them.

        Raises:
            ControlUnreachable, SidecarUnknown, LeaseRefused: as the control plane says.
        """
        async with self._at_once:
            standing = await self._balance()
            free = standing.limit - standing.used - standing.held
            low = self.granted > 0 and free < self._slice // 2
            if free > 2 * self._slice:
                await self._lower(free - self._slice)
            elif not low and standing.used == self._told_used:
                return
            await self._exchange(self._slice if low else 0)

    async def give_back(self) -> None:
        """Give back all that is free: this process ends.

        Raises:
            ControlUnreachable, SidecarUnknown, LeaseRefused: it is told at the next start instead.
        """
        async with self._at_once:
            standing = await self._balance()
            await self._lower(standing.limit - standing.used - standing.held)
            if self.granted:
                await self._exchange(0)

    # --- inside

    @property
    def _name(self) -> str:
        return tenant_balance(self.beside.core.door.tenant)

    @property
    def _slice(self) -> int:
        return int(self.beside.bundle.get("slice_usd_micros", 0))

    async def _balance(self) -> Balance:
        found = await self.beside.core.store.balance(self._name)
        assert found is not None, "restore comes first"
        return found

    async def _lower(self, amount: int) -> None:
        """Give up a part of the limit, durably, before anybody is told that it may be spent elsewhere."""
        if amount <= 0:
            return
        try:
            await self._set(self.granted, self.returned + amount)
        except BudgetExhausted:
            return  # a call has taken it meanwhile

    async def _exchange(self, ask: int) -> None:
        used = (await self._balance()).used
        account = await self.beside.link.account(Told(self.granted, used, self.returned, ask))
        self._told_used = used
        if account.granted > self.granted:
            await self._set(account.granted, self.returned)

    async def _set(self, granted: int, returned: int) -> None:
        kept = PutRecord(TABLE, "account", {"granted": granted, "returned": returned})
        await self.beside.core.store.commit(Commit((), (kept, OpenBalance(self._name, granted - returned))))
        self.granted, self.returned = granted, returned
