"""The embedded driver: one process, one event loop, no server.

It holds the home's lease under an epoch. A driver that was replaced finds every decision, claim and intent refused.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from remit.budgets import mission_balance, tenant_balance
from remit.errors import DriverReplaced, FactExists, RemitError, StoreUnreachable
from remit.gateway import micros_of
from remit.ids import MissionId
from remit.ledger import Store
from remit.missions import ActiveMission, Advancer, Performer, Rest

_LOG = logging.getLogger("remit.driver")
#: How often the driver looks whether another process wrote, and whether time made something due.
SWEEP_SECONDS = 0.25


@dataclass(slots=True)
class EmbeddedDriver:
    """Drives the missions of one home."""

    store: Store
    performer: Performer
    #: Reads registry, policies and halts again after another process changed them.
    reload: Callable[[], Awaitable[None]]
    holder: str
    #: How many steps of one mission run at once.
    parallel: int = 16
    changed: Callable[[ActiveMission], None] = lambda _mission: None
    _advancer: Advancer | None = None
    _active: dict[MissionId, ActiveMission] = field(default_factory=dict)
    #: What is driven now.
    _tasks: dict[MissionId, asyncio.Task[Rest]] = field(default_factory=dict)
    #: Drives that ended in an error, since the last look.
    _failed: list[tuple[MissionId, BaseException]] = field(default_factory=list)
    #: When time alone makes something due, soonest first; a mission's newest instant is the one that counts.
    _wakes: list[tuple[int, MissionId]] = field(default_factory=list)
    _wake_of: dict[MissionId, int] = field(default_factory=dict)
    _again: set[MissionId] = field(default_factory=set)
    #: Looks for changes while single missions are driven; `run` looks for itself.
    _lookout: asyncio.Task[None] | None = None
    _sweeping: bool = False

    async def take_over(self) -> int:
        """Take the home's lease; every driver before this one is refused from now on.

        What this process knew of missions and resources may be old: another one may have driven since.
        """
        epoch = await self.store.take(self.holder)
        for known in (self._active, self._wakes, self._wake_of, self._again, self._failed):
            known.clear()
        # What people changed between the opening of the home and this moment holds from the first call on.
        await self.reload()
        self._advancer = Advancer(self.performer, epoch, self.store, self.parallel, self.changed)
        return epoch

    @property
    def idle(self) -> bool:
        """True where nothing is driven now."""
        return not self._tasks

    @property
    def advancer(self) -> Advancer:
        """The advancer under this driver's epoch."""
        assert self._advancer is not None, "take_over comes first"
        return self._advancer

    async def drive(self, mission: MissionId) -> Rest:
        """Drive one mission until it waits for people, stands still or has ended.

        Raises:
            DriverReplaced: another driver took over.
            StoreUnreachable, StoreCorrupted: the record cannot be written or read.
        """
        task = self._tasks.get(mission)
        if task is None or task.done():
            task = self._begin(mission)
        else:
            self._look_again(mission)
        if not self._sweeping:
            await self._seen_by_a_lookout(task)
        return await asyncio.shield(task)

    async def hold(self, mission: MissionId) -> ActiveMission:
        """The mission as this process works on it, for an agent outside that works in it too.

        Raises:
            NotFound, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be loaded.
        """
        return await self._load(mission)

    async def _drive(self, mission: MissionId) -> Rest:
        while True:
            self._again.discard(mission)
            active = await self._load(mission)
            rest = await self.advancer.advance(active)
            self._wake(mission, rest)
            if rest.ended:
                self._active.pop(mission, None)
            if mission not in self._again or rest.ended:
                return rest

    async def run(self, stop: asyncio.Event) -> None:
        """Drive all missions until `stop` is set.

        Raises:
            DriverReplaced, StoreUnreachable: as `drive`.
        """
        self._sweeping = True
        try:
            await self._sweep_until(stop)
        finally:
            self._sweeping = False
        await self.stop()

    async def _sweep_until(self, stop: asyncio.Event) -> None:
        pending = await self._left_to_do()
        while not stop.is_set():
            for mission in sorted(pending):
                self._spawn(MissionId(mission))
            self._raise_fatal()
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pending = await self._sweep()

    async def _left_to_do(self) -> set[str]:
        """Missions that have not ended, and those that ended while a crash left money held for them."""
        listed = dict(await self.store.records("mission"))
        left = {mission for mission, told in listed.items() if not _ended(told)}
        if await self._held(tenant_balance(self.performer.door.tenant)):
            left |= {mission for mission in listed if await self._held(mission_balance(mission))}
        return left

    async def _held(self, balance: str) -> int:
        found = await self.store.balance(balance)
        return found.held if found is not None else 0

    def nudge(self, mission: MissionId) -> None:
        """Something happened to this mission: look at it now."""
        self._spawn(mission)

    async def stop(self) -> None:
        """Give up what is under way; it goes on from its tape under the next driver."""
        if self._lookout is not None:
            self._lookout.cancel()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _seen_by_a_lookout(self, task: asyncio.Task[Rest]) -> None:
        """Wait for the end of `task` while somebody looks for what other processes change: a halt above all."""
        lookout = self._lookout
        if lookout is None or lookout.done():
            lookout = self._lookout = asyncio.create_task(self._look_out())
        await asyncio.wait((task, lookout), return_when=asyncio.FIRST_COMPLETED)
        if lookout.done() and not lookout.cancelled() and (blind := lookout.exception()) is not None:
            await self.stop()  # nothing goes on under controls that can no longer be read
            raise blind
        if not self._under_way():
            lookout.cancel()
            self._lookout = None

    async def _look_out(self) -> None:
        while missions := self._under_way():
            await asyncio.sleep(SWEEP_SECONDS)
            if await self.store.changed():
                await self.reload()
                for mission in missions:
                    self._look_again(mission)

    def _under_way(self) -> list[MissionId]:
        return [mission for mission, task in self._tasks.items() if not task.done()]

    def _look_again(self, mission: MissionId) -> None:
        self._again.add(mission)  # it may be about to rest without having seen what is new
        if mission in self._active:
            self._active[mission].nudged.set()

    def _spawn(self, mission: MissionId) -> None:
        task = self._tasks.get(mission)
        if task is not None and not task.done():
            self._look_again(mission)
            return
        if not any(_fatal(error) for _, error in self._failed):
            self._begin(mission)

    def _begin(self, mission: MissionId) -> asyncio.Task[Rest]:
        task = self._tasks[mission] = asyncio.create_task(self._drive(mission))

        def over(done: asyncio.Task[Rest]) -> None:
            if self._tasks.get(mission) is done:
                del self._tasks[mission]
            if not done.cancelled() and (error := done.exception()) is not None:
                self._failed.append((mission, error))

        task.add_done_callback(over)
        return task

    def _raise_fatal(self) -> None:
        """Raise what must stop the driver, and tell once of each mission that stands still."""
        for mission, error in self._failed:
            if _fatal(error) or not isinstance(error, RemitError):
                raise error
            _LOG.error("mission %s stands still: %s", mission, error.code)
        self._failed.clear()

    def _wake(self, mission: MissionId, rest: Rest) -> None:
        if rest.wake_at_us is None or rest.ended:
            self._wake_of.pop(mission, None)
        elif self._wake_of.get(mission) != rest.wake_at_us:
            self._wake_of[mission] = rest.wake_at_us
            heappush(self._wakes, (rest.wake_at_us, mission))

    def _awake(self) -> set[str]:
        """What time alone has made due; the cost does not grow with the missions that wait."""
        now_us = micros_of(self.performer.clock.now())
        due: set[str] = set()
        while self._wakes and self._wakes[0][0] < now_us:
            wake_at_us, mission = heappop(self._wakes)
            if self._wake_of.get(mission) == wake_at_us:
                del self._wake_of[mission]
                due.add(mission)
        return due

    async def _sweep(self) -> set[str]:
        """What another process or time alone has made due."""
        due = self._awake()
        if await self.store.changed():
            await self.reload()
            due |= {mission for mission, listed in await self.store.records("mission") if not _ended(listed)}
        return due

    async def _load(self, mission: MissionId) -> ActiveMission:
        active = self._active.get(mission)
        if active is None:
            door = self.performer.door
            active = await ActiveMission.load(mission, self.store, door.vault)
            await self._recover(active)
            self._active[mission] = active
        else:
            await active.catch_up(self.store)
        return active

    async def _recover(self, active: ActiveMission) -> None:
        """Settle what a crash left open; the driver before this one may still be recording outcomes meanwhile."""
        while True:
            try:
                await self.performer.door.recover(self.advancer.epoch, active.log)
            except FactExists:
                await active.catch_up_calls(self.store)
            else:
                return


def _fatal(error: BaseException | None) -> bool:
    return isinstance(error, (DriverReplaced, StoreUnreachable))


def _ended(listed: object) -> bool:
    return isinstance(listed, dict) and listed.get("status") in {"completed", "failed", "cancelled"}
