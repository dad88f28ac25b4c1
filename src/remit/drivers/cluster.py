"""The cluster's driver: many processes, each mission under a lease of its own.

A scheduler outside says which process carries which mission next; it knows missions by name only. What a mission is
and where it stands is in the record. The epoch of the mission's lease is the proof: whoever takes it over fences out
the process that had it, wherever that one is.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from remit.drivers.driver import load
from remit.drivers.duties import Duties
from remit.drivers.left import LeftToDo
from remit.drivers.lines import Lines
from remit.drivers.places import Places
from remit.drivers.presence import Presence
from remit.drivers.sweep import Sweep
from remit.drivers.turns import Queued
from remit.errors import RemitError, StoreUnreachable
from remit.ids import MissionId
from remit.ledger import Store
from remit.missions import LEFT, ActiveMission, Advancer, Company, Performer, Rest

_LOG = logging.getLogger("remit.driver")
#: How often a process looks whether another one wrote.
LOOK_SECONDS = 0.25
#: How often it looks for missions whose wake-up was lost.
SWEEP_SECONDS = 5.0
#: A mission that has nothing to do for longer than this is put down meanwhile.
_PAUSE_MAX_SECONDS = 5.0
#: Said of missions in the list, where they stand still without having ended.
_STANDING = frozenset({"waiting", "paused", "halted"})


def lease_of(mission: MissionId) -> str:
    """The lease of whoever drives this mission."""
    return f"mission/{mission}"


def session_lease_of(mission: MissionId) -> str:
    """The lease of whoever takes an agent's calls in this mission: workers drive it meanwhile."""
    return f"session/{mission}"


@dataclass(frozen=True, slots=True)
class _Sharing:
    """The processes with which this one shares rates and places."""

    presence: Presence
    places: Places

    async def use(self, names: Collection[str]) -> None:
        await self.presence.use(names)

    def sharing(self, name: str) -> int:
        return self.presence.sharing(name)

    async def enter(self, name: str, places: int) -> bool:
        return await self.places.enter(name, places)

    def leave(self, name: str) -> None:
        self.places.leave(name)


class Scheduler(Protocol):
    """Has missions carried, each by one process at a time."""

    async def wake(self, mission: MissionId) -> None:
        """Have the mission carried soon; harmless where it is carried already.

        Raises:
            SchedulerUnreachable: nothing was scheduled; the sweep will ask again.
        """
        ...

    async def ensure(self, mission: MissionId) -> None:
        """Have the mission carried where nobody carries it now; leaves no trace where somebody does.

        Raises:
            SchedulerUnreachable: nothing was scheduled.
        """
        ...

    async def listeners(self, pool: str) -> int:
        """How many workers have listened for the pool's missions within the last minutes.

        Raises:
            SchedulerUnreachable: it cannot be asked.
        """
        ...


@dataclass(slots=True)
class _Held:
    """A mission that this process drives now."""

    active: ActiveMission
    advancer: Advancer
    #: Missions that its steps began, and that were woken.
    told: set[MissionId]
    carried: asyncio.Task[Rest] | None = None
    #: Why its carrying was cut.
    blind: StoreUnreachable | None = None


@dataclass(slots=True)
class ClusterDriver:
    """One process's part in driving the missions of a home."""

    store: Store
    performer: Performer
    #: Reads registry, policies and halts again after another process changed them.
    reload: Callable[[], Awaitable[None]]
    holder: str
    scheduler: Scheduler
    #: How many steps of one mission run at once.
    parallel: int = 16
    changed: Callable[[ActiveMission], None] = lambda _mission: None
    #: Set once this process takes no further step: what is under way ends, and the mission moves elsewhere.
    drain: asyncio.Event = field(default_factory=asyncio.Event)
    _held: dict[MissionId, _Held] = field(default_factory=dict)
    #: Missions that agents outside work in through this process, with the epoch of each session's lease.
    _joined: dict[MissionId, int] = field(default_factory=dict)
    _aside: set[asyncio.Task[None]] = field(default_factory=set)
    #: What the record says is left to do; kept by the one process that sweeps.
    left: LeftToDo = field(init=False)
    presence: Presence = field(init=False)
    duties: Duties = field(init=False)
    places: Places = field(init=False)
    _sweep: Sweep = field(init=False)
    _lines: Lines = field(init=False)
    _lookout: asyncio.Task[None] | None = None
    #: When the last look began, by the loop's clock.
    _looked_at: float = -math.inf
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: True while what others changed was not read yet.
    _old: bool = False
    #: True while this process runs for whatever may come.
    _runs: bool = False

    def __post_init__(self) -> None:
        """Put the parts together, and let the door know under which leases calls are made here."""
        self.left = LeftToDo(self.store)
        self.presence = Presence(self.store, self.performer.ids.new("prc"))
        door = self.performer.door
        door.lease_of, door.session_lease_of = lease_of, session_lease_of
        door.fence_session, door.member = self._fence_session, self.presence.name
        self.places = Places(self.store, self.presence, self.holder)
        self.performer.door.admission.others = _Sharing(self.presence, self.places)
        self.duties = Duties(self.store, self.presence, self.holder)
        self._lines = Lines(self.store, self.performer)
        self._sweep = Sweep(self.store, self.performer.clock, self.holder, self._ensure, self.left, self._lines)

    @property
    def idle(self) -> bool:
        """True where nothing is driven now."""
        return not self._held

    @property
    def carrying(self) -> int:
        """How many missions are driven now."""
        return len(self._held)

    # --- a mission that the scheduler gave to this process

    async def carry(self, mission: MissionId) -> Rest:
        """Take the mission over and drive it until it waits for people or time, stands still, has ended, or must move.

        Raises:
            DriverReplaced: another process took it over; nothing is lost.
            NotFound, StoreCorrupted, StoreTooNew: it cannot be driven here.
            StoreUnreachable: the record cannot be read or written.
        """
        if (kept := self._held.get(mission)) is not None:
            kept.active.nudged.set()
            return await self._carried(mission, kept)
        held = await self._take(mission)
        try:
            return await self._carried(mission, held)
        finally:
            if self._held.get(mission) is held:
                del self._held[mission]

    async def _take(self, mission: MissionId) -> _Held:
        epoch = await self.store.take(self.holder, lease_of(mission))
        await self._look()
        active = await load(mission, self.performer.door, self.store, epoch)
        told = set(map(MissionId, active.state.children.values()))
        advancer = Advancer(
            self.performer,
            epoch,
            self.store,
            self.parallel,
            lambda one: self._changed(one, told),
            wake=self.nudge,
            drain=self.drain,
            pause_max_seconds=_PAUSE_MAX_SECONDS,
        )
        held = self._held[mission] = _Held(active, advancer, told)
        self._keep_looking()
        return held

    async def _carried(self, mission: MissionId, held: _Held) -> Rest:
        """One advance at a time: whoever comes while one is under way waits for its end."""
        if held.carried is None or held.carried.done():
            held.carried = asyncio.create_task(self._advance(mission, held))
        carried = held.carried
        try:
            return await asyncio.shield(carried)
        except asyncio.CancelledError:
            if held.blind is not None:
                raise held.blind from None
            carried.cancel()  # it goes on from its tape, here or elsewhere
            await asyncio.wait([carried])
            raise

    async def _advance(self, mission: MissionId, held: _Held) -> Rest:
        while True:
            await held.active.catch_up(self.store)
            held.active.children_ended = None  # they may have ended at other workers
            if await self._lines.enter(held.active, held.advancer.epoch) is not None:
                return Rest(False, len(held.active.state.approvals), None, queued=True)
            rest = await held.advancer.advance(held.active)
            if rest.ended:
                self._held.pop(mission, None)
                self._tell_family(held.active)
            if rest.moves:
                return rest  # its place goes with it
            if rest.ended or not held.active.nudged.is_set():
                await self._leave(mission, held)
                return rest

    async def _leave(self, mission: MissionId, held: _Held) -> None:
        """Give the mission's place to whose turn it is."""
        if workflow := await self._lines.leave(mission, held.advancer.epoch):
            for waiting in await self._lines.next(workflow):
                self.nudge(waiting)

    def _changed(self, mission: ActiveMission, told: set[MissionId]) -> None:
        """Have what its steps began carried at once, beside it."""
        self.changed(mission)
        for child in map(MissionId, mission.state.children.values()):
            if child not in told:
                told.add(child)
                self.nudge(child)

    def _tell_family(self, ended: ActiveMission) -> None:
        """The mission above hears of it, and those below end with it; a sweep tells them where this is lost."""
        submitted = ended.state.submitted
        if submitted is not None and submitted.parent_step:
            self.nudge(MissionId(submitted.parent))
        for child in map(MissionId, ended.state.children.values()):
            self.nudge(child)

    # --- the rest of the services

    async def drive(self, mission: MissionId) -> Rest:
        """Have one mission driven, and return once it waits for people, stands still or has ended.

        Raises:
            NotFound, StoreCorrupted, StoreUnreachable: it cannot be read.
            SchedulerUnreachable: nobody was told to drive it.
        """
        await self.scheduler.wake(mission)
        active = await ActiveMission.load(mission, self.store, self.performer.door.vault)
        while (rest := await self._stands(active)) is None:
            await asyncio.sleep(LOOK_SECONDS)
            await active.catch_up(self.store)
        return rest

    async def _stands(self, active: ActiveMission) -> Rest | None:
        """Why the mission stands, as far as the record tells; None while it is driven."""
        state = active.state
        listed = await self.store.record("mission", active.id)
        known = listed if isinstance(listed, dict) else {}
        waits = int(known.get("waiting_for_people", 0))
        if state.status.ended:
            return Rest(True, 0, None)
        if known.get("status") == "halted":
            return Rest(False, waits, None, halted=True)
        if state.ready or state.running or state.failed or state.proposed or known.get("status") != "waiting":
            return None
        if int(known.get("version", 0)) < state.version:
            return None  # it is driven: what is listed tells of its rest before
        for child in state.children.values():
            below = await self.store.record("mission", child) or {}
            if below.get("status") not in _STANDING:
                return None
        return Rest(False, waits, known.get("wake_at_us"))

    async def hold(self, mission: MissionId) -> ActiveMission:
        """Take the calls of an agent outside that works in this mission; workers drive it meanwhile.

        Raises:
            NotFound, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be loaded.
        """
        # Known to be there before a lease is taken for it: names come from outside.
        await ActiveMission.load(mission, self.store, self.performer.door.vault)
        await self.presence.begin()
        await self.regain(mission)
        await self._look()
        self._keep_looking()
        return await ActiveMission.load(mission, self.store, self.performer.door.vault)

    async def queued(self, mission: MissionId) -> Queued | None:
        """Why the mission is not driven though it has work; None where it is, or rests."""
        return await self._lines.queued(mission)

    def epoch_of(self, mission: MissionId) -> int:
        """The epoch under which this process takes calls in the mission."""
        return self._joined[mission]

    def let_go_of(self, mission: MissionId) -> None:
        """Nobody works in it any more."""
        self._joined.pop(mission, None)

    @property
    def company(self) -> Company:
        """Agents outside may come in through any process."""
        return self

    async def regain(self, mission: MissionId) -> int:
        """Take the lease of the mission's session."""
        epoch = self._joined[mission] = await self.store.take(self.holder, session_lease_of(mission))
        return epoch

    async def lives(self, name: str) -> bool:
        """True where the process of this name may still carry its calls."""
        return await self.presence.lives(name)

    async def look(self) -> None:
        """See at once what other processes changed; who asks while somebody looks waits for the look after that."""
        await self._look()

    async def is_left(self, call: str) -> bool:
        """True where the process that carried this call has said that it does not any more."""
        return await self.store.record(LEFT, call) is not None

    async def _fence_session(self, mission: MissionId) -> tuple[str, int]:
        lease = session_lease_of(mission)
        return lease, await self.store.take(self.holder, lease)

    def nudge(self, mission: MissionId) -> None:
        """Have a mission looked at: here where it is driven here, else wherever the scheduler says."""
        self._spawn(self._look_at(mission))

    async def run(self, stop: asyncio.Event) -> None:
        """Repeat wake-ups that were lost, until `stop` is set; then give up what is under way here."""
        self._runs = True
        self._keep_looking()  # what was revoked elsewhere is not taken here by who comes first
        try:
            await self.sweep(stop)
        finally:
            self._runs = False
        await self.stop()

    async def sweep(self, stop: asyncio.Event) -> None:
        """Repeat wake-ups that were lost, until `stop` is set."""
        while not stop.is_set():
            try:
                await self._look()
                await self._sweep.turn()
            except StoreUnreachable as error:
                _LOG.warning("no mission was looked for: %s", error.code)  # whatever is carried sees it by itself
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await stop.wait()

    async def drained(self) -> None:
        """Take no further step here, and return once those under way have ended."""
        self.drain.set()
        for held in self._held.values():
            held.active.nudged.set()
        carried = [held.carried for held in self._held.values() if held.carried is not None]
        if carried:
            await asyncio.wait(carried)

    async def stop(self) -> None:
        """Give up what is under way here; it goes on from its tape elsewhere."""
        under_way: list[asyncio.Task[Any] | None] = [held.carried for held in self._held.values()]
        tasks = [task for task in (*under_way, self._lookout, *self._aside) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._held.clear()
        self._joined.clear()
        await self.places.end()
        await self.presence.end()

    # --- inside

    async def _look_at(self, mission: MissionId) -> None:
        """Wake one mission; what fails is told and left to the sweep."""
        try:
            if (held := self._held.get(mission)) is not None:
                held.active.children_ended = None
                held.active.nudged.set()
            await self.scheduler.wake(mission)
        except RemitError as error:
            _LOG.warning("mission %s was not woken: %s", mission, error.code)

    async def _ensure(self, mission: MissionId) -> None:
        if mission not in self._held:
            await self.scheduler.ensure(mission)

    def _keep_looking(self) -> None:
        if self._lookout is None or self._lookout.done():
            self._lookout = asyncio.create_task(self._look_out())

    async def _look_out(self) -> None:
        """While missions are driven or worked in here, or may be, see what others write: a halt above all."""
        while self._held or self._joined or self._runs:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except StoreUnreachable as error:
                # Nothing goes on under controls that can no longer be read.
                for held in self._held.values():
                    held.blind = error
                    if held.carried is not None:
                        held.carried.cancel()

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._looking:
            if self._looked_at >= asked:
                return  # somebody began to look since
            self._looked_at = clock()
            self._old = await self.store.changed() or self._old
            if not self._old:
                return
            await self.reload()
            self._old = False
            for held in self._held.values():
                if held.active.state.children:
                    held.active.children_ended = None
                held.active.nudged.set()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
