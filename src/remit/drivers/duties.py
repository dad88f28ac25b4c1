"""What one process of a home does for all of them: telling a subscription, reading a stream, looking at the clock.

Each duty stands under a lease of its own, so that whoever had it before can write nothing more for it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from remit.drivers.presence import Presence
from remit.errors import DriverReplaced
from remit.ledger import Commit, PutRecord, Store

#: Table of the store: by duty, which process has it, and since which epoch of the duty's lease.
DUTIES = "duty"


def duty_lease(name: str) -> str:
    """The lease of whoever has this duty."""
    return f"duty/{name}"


@dataclass(slots=True)
class Duties:
    """One process's duties."""

    store: Store
    presence: Presence
    holder: str
    _mine: dict[str, int] = field(default_factory=dict)

    async def of(self, wanted: Collection[str]) -> dict[str, int]:
        """Those of these duties that this process has now, with the epoch of each one's lease.

        It takes what nobody has, and what somebody had who has died; what is not wanted any more, it leaves.

        Raises:
            StoreUnreachable: it cannot be known.
        """
        await self.presence.begin()
        standing = dict(await self.store.records(DUTIES)) if wanted or self._mine else {}
        alive = await self.presence.others() if standing else set()
        mine: dict[str, int] = {}
        for name in wanted:
            told = standing.get(name)
            if told is not None and told["by"] == self.presence.name and told["epoch"] == self._mine.get(name):
                mine[name] = told["epoch"]
            elif (told is None or told["by"] not in alive) and (epoch := await self._taken(name)):
                mine[name] = epoch
        for name in self._mine.keys() - set(wanted):
            await self._put(name, None, self._mine[name])
        self._mine = mine
        return dict(mine)

    async def _taken(self, name: str) -> int:
        """The epoch under which this process has the duty now; 0 where another one was quicker."""
        epoch = await self.store.take(self.holder, duty_lease(name))
        told = {"by": self.presence.name, "epoch": epoch}
        return epoch if await self._put(name, told, epoch) else 0

    async def _put(self, name: str, told: dict[str, object] | None, epoch: int) -> bool:
        try:
            await self.store.commit(Commit((), (PutRecord(DUTIES, name, told),), epoch=epoch, lease=duty_lease(name)))
        except DriverReplaced:
            return False
        return True
