"""Budget on lease: what a sidecar may spend without asking is held here, so that all together never pass the limit."""

from dataclasses import dataclass, replace

from remit.budgets import tenant_balance
from remit.control_plane.core import Core
from remit.control_plane.sidecars import ACCOUNTS, ENROLLED, Enrolled
from remit.errors import BudgetExhausted, FactExists, NoBudget, SidecarUnknown
from remit.ledger import Commit, Draft, MoveBalance, PutRecord, Write
from remit.sidecars import Account, Told

#: Changes of one account by several processes at once that are tried before the sidecar is told to come again.
_TRIES_MAX = 20


@dataclass(frozen=True, slots=True)
class SidecarAccounts:
    """Leases of one home's sidecars."""

    core: Core

    async def settle(self, one: Enrolled, told: Told) -> Account:
        """Take note of what was spent and given back, and grant of what is asked as much as there is room for.

        A sidecar that does not know of its last grant is told of it again, and granted nothing on top.

        Raises:
            LeaseRefused: what it says does not fit its account.
            SidecarUnknown: it was removed.
        """
        tries = 0
        while True:
            standing = Account.from_json(await self.core.store.record(ACCOUNTS, one.id))
            heard = standing.heard(told)
            extra = await self._room(one, heard, standing, told.ask) if told.granted == standing.granted else 0
            after = replace(heard, granted=heard.granted + extra, changes=standing.changes + 1)
            if replace(after, changes=standing.changes) == standing:
                return standing
            if await self.core.store.record(ENROLLED, one.id) is None:
                raise SidecarUnknown
            try:
                await self._write(one, standing, after)
            except FactExists:
                tries += 1
                if tries == _TRIES_MAX:
                    raise
                continue  # removed, or settled by another process meanwhile
            except BudgetExhausted:
                told = replace(told, ask=told.ask // 2)  # others took of the room meanwhile
                continue
            return after

    async def _room(self, one: Enrolled, heard: Account, standing: Account, ask: int) -> int:
        balance = await self.core.store.balance(tenant_balance(self.core.door.tenant))
        if ask <= 0:
            return 0
        if balance is None:
            raise NoBudget(f"There is no budget {tenant_balance(self.core.door.tenant)}.")
        room = balance.limit - balance.used - balance.held + (heard.returned - standing.returned)
        if one.budget_usd_micros is not None:
            room = min(room, one.budget_usd_micros - (heard.granted - heard.returned))
        return max(0, min(ask, room))

    async def _write(self, one: Enrolled, before: Account, after: Account) -> None:
        used = after.used - before.used
        writes: list[Write] = [PutRecord(ACCOUNTS, one.id, after.to_json())]
        if used or after.outstanding != before.outstanding:
            held = after.outstanding - before.outstanding
            writes.append(MoveBalance(tenant_balance(self.core.door.tenant), used=used, held=held))
        payload = {"sidecar": one.id, "granted": after.granted, "used": after.used, "returned": after.returned}
        draft = Draft(
            one.stream, "sidecar.leased", payload, f"sidecar:{one.id}", self.core.now_us,
            fact=f"account/{one.id}/{after.changes}",
        )  # fmt: skip
        await self.core.store.commit(Commit((draft,), tuple(writes)))
