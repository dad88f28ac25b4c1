"""The store of a sidecar's home: where its lease does not cover a call, it asks for more before it says no."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from remit.adapters.sqlite.store import SqliteStore
from remit.errors import BudgetExhausted
from remit.ids import DEFAULT_TENANT
from remit.ledger import Commit, Entry

#: Others may take what was just granted; after so many times the answer is no.
_ASKS_MAX = 3


async def _nothing(_needed: int) -> bool:
    return False


class LeasedStore(SqliteStore):
    """As every store; the limit of one balance can be raised by asking."""

    def __init__(self, path: Path, leased: str, tenant: str = DEFAULT_TENANT) -> None:
        """Open.

        Args:
            path: the file.
            leased: the balance whose limit is a lease.
            tenant: whose record it is.
        """
        super().__init__(path, tenant)
        self._leased = leased
        #: Sees to it that the leased balance's limit is at least so much; False where that cannot be had.
        self.more: Callable[[int], Awaitable[bool]] = _nothing
        #: Place of the newest entry that this process has written.
        self.last_idx = 0

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Join the next group; return when it is durable."""
        asks = 0
        while True:
            try:
                entries = await super().commit(commit)
            except BudgetExhausted as no:
                asks += 1
                if asks > _ASKS_MAX or no.balance != self._leased or not await self.more(no.needed):
                    raise
            else:
                if entries:
                    self.last_idx = max(self.last_idx, entries[-1].idx)
                return entries
