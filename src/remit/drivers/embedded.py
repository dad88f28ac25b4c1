"""The embedded driver: one process, one event loop, no server.

It holds the home's lease under an epoch. A driver that was replaced finds every decision, claim and intent refused.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any

from remit.budgets import mission_balance
from remit.drivers.driver import concurrent_of, load
from remit.drivers.turns import Flow, Queued, Turns
from remit.errors import DriverReplaced, RemitError, StoreUnreachable
from remit.gateway import micros_of
from remit.ids import MissionId
from remit.ledger import Store
from remit.missions import ActiveMission, Advancer, Performer, Rest

_LOG = logging.getLogger("remit.driver")
#: How often the driver looks whether another process wrote, and whether time made something due.
SWEEP_SECONDS = 0.25
#: Folded missions that are kept while they rest.
_IDLE_MAX = 256
#: What is listed of missions that only people or time move.
_RESTING = frozenset({"waiting", "paused"})


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
    #: Whose mission is driven next.
    turns: Turns = field(default_factory=Turns)
    #: Missions that somebody wants driven and that do not stand in the queue yet, in the order of asking.
    _wanted: dict[MissionId, None] = field(default_factory=dict)
    _dispatching: asyncio.Task[None] | None = None
    #: Missions that rest under a halt, or could not be driven: looked at again when resources or halts change.
    _standing: set[MissionId] = field(default_factory=set)
    #: The place in the record up to which was looked for what others wrote.
    _seen: int = 0
    #: Looks for changes while single missions are driven; `run` looks for itself.
    _lookout: asyncio.Task[None] | None = None
    _sweeping: bool = False
    #: What is driven once its turn has come, for whoever waits for it.
    _begun: dict[MissionId, asyncio.Future[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let the workflows' bounds hold, as they are in force at each moment."""
        self.turns.concurrent = partial(concurrent_of, self.performer)

    async def take_over(self) -> int:
        """Take the home's lease; every driver before this one is refused from now on.

        What this process knew of missions and resources may be old: another one may have driven since.
        """
        epoch = await self.store.take(self.holder)
        for known in (self._active, self._wakes, self._wake_of, self._again, self._failed):
            known.clear()
        for more in (self._wanted, self._standing):
            more.clear()
        self.turns = Turns(self.turns.places, self.turns.concurrent)
        self._seen = await self.store.place()
        # What people changed between the opening of the home and this moment holds from the first call on.
        await self.reload()
        self._advancer = Advancer(self.performer, epoch, self.store, self.parallel, self.changed, self.nudge)
        return epoch

    @property
    def idle(self) -> bool:
        """True where nothing is driven now."""
        return not self._tasks and not self._wanted and not len(self.turns)

    def epoch_of(self, mission: MissionId) -> int:  # noqa: ARG002 -- one lease for all missions
        """The epoch under which this driver drives."""
        return self.advancer.epoch

    def let_go_of(self, mission: MissionId) -> None:
        """It is forgotten once it rests."""

    @property
    def company(self) -> None:
        """No other process takes calls."""

    @property
    def duties(self) -> None:
        """It does all."""

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
            # Somebody waits for it: it goes before the queue, and counts like the others.
            flow = Flow.of(await self.store.record("mission", mission))
            task = self._tasks.get(mission)
            while (task is None or task.done()) and self.turns.full(flow.workflow):
                self._stand_in_line(mission, flow)
                await asyncio.shield(self._turn_of(mission))
                task = self._tasks.get(mission)
            if task is None or task.done():
                task = self._begin(mission, flow)
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
        #: What its steps began and this drive looked at: whatever stood still there may go on now.
        begun: set[MissionId] = set()
        while True:
            self._again.discard(mission)
            active = await self._load(mission)
            rest = await self.advancer.advance(active)
            self._wake(mission, rest)
            if rest.ended:
                self._active.pop(mission, None)
            family = self._tell_family(active, rest, begun)
            if family and not rest.ended:
                # What its steps began goes on meanwhile; it is heard here when it ends.
                nudge = asyncio.ensure_future(active.nudged.wait())
                try:
                    await asyncio.wait({*family, nudge}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    nudge.cancel()
                continue
            if mission not in self._again or rest.ended:
                return rest

    def _tell_family(self, active: ActiveMission, rest: Rest, begun: set[MissionId]) -> list[asyncio.Future[Any]]:
        """Begin what the mission's steps began, and tell the one above of its end; what is under way below it."""
        submitted = active.state.submitted
        if rest.ended and submitted is not None and submitted.parent_step:
            above = MissionId(submitted.parent)
            if above in self._active and (heard := self._active[above].children_ended) is not None:
                heard.add(active.id)
            self._spawn(above)
        under_way: list[asyncio.Future[Any]] = []
        asked_by = (submitted.principal, submitted.priority) if submitted is not None else ("", "normal")
        for step, child in active.state.children.items():
            mission = MissionId(child)
            if rest.ended or mission not in begun:
                begun.add(mission)
                self._stand_in_line(mission, Flow(*asked_by, active.state.steps[step].step.target))
            task = self._tasks.get(mission)
            if task is not None and not task.done():
                under_way.append(task)
            elif self.turns.waits(mission):
                under_way.append(self._turn_of(mission))
        return under_way

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
            if len(self.turns):
                self._take_turns()  # a workflow's bound may have been raised
            self._forget_idle()
            self._raise_fatal()
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pending = await self._sweep()

    async def _left_to_do(self) -> set[str]:
        """Missions that have not ended, and those that ended while a crash left money held for them."""
        listed = dict(await self.store.records("mission"))
        heads = {stream.removeprefix("mission/"): seq for stream, seq in await self.store.heads("mission/")}
        left = set()
        for mission, told in listed.items():
            if _ended(told):
                continue
            if told["status"] in _RESTING and told.get("version") == heads.get(mission):
                # It rests as it is listed: time alone may make something due, and it is not even read before.
                self._wake_at(MissionId(mission), told.get("wake_at_us"))
            else:
                left.add(mission)
        own = mission_balance("")
        return left | (listed.keys() & {name.removeprefix(own) for name in await self.store.holding(own)})

    def nudge(self, mission: MissionId) -> None:
        """Something happened to this mission: look at it now."""
        self._spawn(mission)

    async def stop(self) -> None:
        """Give up what is under way; it goes on from its tape under the next driver."""
        if self._lookout is not None:
            self._lookout.cancel()
        if self._dispatching is not None:
            self._dispatching.cancel()
        self._wanted.clear()
        under_way: list[asyncio.Future[Any]] = [*self._tasks.values(), *self._begun.values()]
        for each in under_way:
            each.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._begun.clear()

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
        if self.turns.waits(mission):
            return
        self._wanted[mission] = None
        if self._dispatching is None or self._dispatching.done():
            self._dispatching = asyncio.create_task(self._dispatch())

    async def _dispatch(self) -> None:
        """Let what is wanted stand in line, and begin with whoever has a turn."""
        while self._wanted:
            mission = next(iter(self._wanted))
            try:
                flow = Flow.of(await self.store.record("mission", mission))
            except RemitError as error:
                self._failed.append((mission, error))
                return
            self._wanted.pop(mission, None)
            self._stand_in_line(mission, flow)

    def _stand_in_line(self, mission: MissionId, flow: Flow) -> None:
        task = self._tasks.get(mission)
        if task is not None and not task.done():
            self._look_again(mission)
        else:
            self.turns.want(mission, flow)
            self._take_turns()

    def _take_turns(self) -> None:
        while not any(_fatal(error) for _, error in self._failed) and (mission := self.turns.next()) is not None:
            self._begin(mission)

    def _begin(self, mission: MissionId, flow: Flow | None = None) -> asyncio.Task[Rest]:
        if flow is not None:
            self.turns.take(mission, flow)
        task = self._tasks[mission] = asyncio.create_task(self._drive(mission))
        if (turn := self._begun.pop(mission, None)) is not None and not turn.done():
            turn.set_result(None)

        def over(done: asyncio.Task[Rest]) -> None:
            if self._tasks.get(mission) is done:
                del self._tasks[mission]
                self.turns.leave(mission)
                self._take_turns()
                if len(self._active) > 2 * _IDLE_MAX:
                    self._forget_idle()
            if not done.cancelled() and (error := done.exception()) is not None:
                self._failed.append((mission, error))

        task.add_done_callback(over)
        return task

    def _turn_of(self, mission: MissionId) -> asyncio.Future[None]:
        """Done once the mission, which stands in line, is driven."""
        return self._begun.setdefault(mission, asyncio.get_running_loop().create_future())

    async def queued(self, mission: MissionId) -> Queued | None:
        """Why the mission is not driven though it has work; None where it is, or rests."""
        return self.turns.queued(mission)

    def _raise_fatal(self) -> None:
        """Raise what must stop the driver, and tell once of each mission that stands still."""
        for mission, error in self._failed:
            if _fatal(error) or not isinstance(error, RemitError):
                raise error
            _LOG.error("mission %s stands still: %s", mission, error.code)
            self._standing.add(mission)
        self._failed.clear()

    def _wake(self, mission: MissionId, rest: Rest) -> None:
        self._wake_at(mission, None if rest.ended else rest.wake_at_us)
        if rest.halted and not rest.ended:
            self._standing.add(mission)
        else:
            self._standing.discard(mission)

    def _wake_at(self, mission: MissionId, wake_at_us: int | None) -> None:
        if wake_at_us is None:
            self._wake_of.pop(mission, None)
        elif self._wake_of.get(mission) != wake_at_us:
            self._wake_of[mission] = wake_at_us
            heappush(self._wakes, (wake_at_us, mission))

    def _forget_idle(self) -> None:
        """Let folded missions go that rest: a week's wait takes a place in no memory."""
        idle = len(self._active) - _IDLE_MAX
        if idle <= 0:
            return
        for mission in [one for one, held in self._active.items() if self._may_be_forgotten(one, held)][:idle]:
            del self._active[mission]
            self.advancer.forget(mission)

    def _may_be_forgotten(self, mission: MissionId, held: ActiveMission) -> bool:
        # An agent outside works on its mission's own object.
        return mission not in self._tasks and not held.state.connected

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
        place = await self.store.place()
        if await self.store.changed():
            await self.reload()
            moved = await self.store.heads("mission/", after_idx=self._seen)
            due |= {stream.removeprefix("mission/") for stream, _ in moved}
            due |= self._standing
            # What is under way hears of halts and resources, too.
            due |= set(self._under_way())
        self._seen = place
        return due

    async def _load(self, mission: MissionId) -> ActiveMission:
        active = self._active.get(mission)
        if active is None:
            active = await load(mission, self.performer.door, self.store, self.advancer.epoch)
            self._active[mission] = active
        else:
            await active.catch_up(self.store)
        return active


def _fatal(error: BaseException | None) -> bool:
    return isinstance(error, (DriverReplaced, StoreUnreachable))


def _ended(listed: object) -> bool:
    return isinstance(listed, dict) and listed.get("status") in {"completed", "failed", "cancelled"}
