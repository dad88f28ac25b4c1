"""Moving one mission on: decide what is due, name the steps that are ready, carry them out, until it waits or ends."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from remit.approvals import ApprovalRecord
from remit.errors import Halted, MissionEnded, RemitError, StoreUnreachable, StreamMoved
from remit.gateway import micros_of
from remit.identity import covers
from remit.ids import MissionId, StepId
from remit.ledger import Commit, Draft, PutRecord, Records
from remit.missions.active import ActiveMission
from remit.missions.decide import Proceed, decide, wake_at_us
from remit.missions.event import Event
from remit.missions.family import dismiss_children, end_with_parent, hear_children
from remit.missions.notices import listed_notices
from remit.missions.parking import unheard
from remit.missions.perform import Performer
from remit.missions.ready import ReadyQueue
from remit.missions.reserve import release_reserve
from remit.missions.state import EXPIRED, UNANSWERED, MissionState, MissionStatus

#: What is due at an instant is decided this long after it.
_MOMENT_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Rest:
    """Why a mission stands still, and when time alone would move it again."""

    ended: bool
    waiting_for_people: int
    wake_at_us: int | None
    halted: bool = False
    #: There is work, and this process takes none any more: another one must go on.
    moves: bool = False
    #: There is work, and its workflow drives no more missions at once.
    queued: bool = False


@dataclass(slots=True)
class Advancer:
    """Advances missions under one lease."""

    performer: Performer
    epoch: int
    #: Where the list of questions stands.
    records: Records
    #: How many steps of one mission run at once.
    parallel_max: int = 16
    #: Called after every change, for whoever watches.
    changed: Callable[[ActiveMission], None] = lambda _mission: None
    #: Called with a mission that this one told to end, for whoever drives it.
    wake: Callable[[MissionId], None] = lambda _mission: None
    #: Set once no further step is to be taken here; what is under way ends.
    drain: asyncio.Event | None = None
    #: A mission whose next try of a step is further away rests meanwhile.
    pause_max_seconds: float = math.inf
    #: Steps that a halt interrupted, and the halts that held then: until these change, trying again is in vain.
    _halted_by: dict[tuple[str, StepId], frozenset[str]] = field(default_factory=dict)
    #: How many questions of a mission were looked at when they ended.
    _ended: dict[str, int] = field(default_factory=dict)

    async def advance(self, mission: ActiveMission) -> Rest:
        """Work until the mission waits for people or time, stands still, or has ended.

        Raises:
            DriverReplaced: another driver took over; every step under way was given up, nothing is lost.
            StoreUnreachable: the record cannot be written.
        """
        running: dict[StepId, asyncio.Task[None]] = {}
        queue = ReadyQueue(mission)
        await end_with_parent(self.performer, self.records, mission, self.epoch)
        nudge = asyncio.ensure_future(mission.nudged.wait())
        try:
            while True:
                if nudge.done():
                    mission.nudged.clear()
                    nudge = asyncio.ensure_future(mission.nudged.wait())
                    await mission.catch_up(self.performer.door.journal)
                    await end_with_parent(self.performer, self.records, mission, self.epoch)
                if mission.behind:
                    await mission.catch_up(self.performer.door.journal)
                await self._look_below(mission)
                await self._decide(mission)
                await self._close_questions(mission)
                self.changed(mission)
                await self._keep(mission, at_rest=False)
                self._start(mission, queue, running)
                if not running and self._draining and mission.state.open_steps:
                    return Rest(False, len(mission.state.approvals), wake_at_us(mission.state), moves=True)
                if not running:
                    pause = self._seconds_of_rest(mission, queue)
                    if pause is None or pause > self.pause_max_seconds:
                        return await self._rest(mission, pause)
                    await self._pause(pause, nudge)
                    continue
                done, _ = await asyncio.wait(
                    {*running.values(), nudge},
                    timeout=self._seconds_to_the_next_instant(mission, queue),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for name in [name for name, task in running.items() if task in done]:
                    running.pop(name).result()
                    self._remember_halt(mission, name)
                    queue.put_back(name)
        finally:
            nudge.cancel()
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _look_below(self, mission: ActiveMission) -> None:
        """Hear how the missions ended that its steps began, and end those for which none waits any more."""
        if mission.state.children and mission.children_ended != set():
            await hear_children(self.performer, self.records, mission, self.epoch)
        if mission.awaited is not mission.state.children:
            for child in await dismiss_children(self.performer, self.records, mission):
                self.wake(child)

    @property
    def _draining(self) -> bool:
        return self.drain is not None and self.drain.is_set()

    def forget(self, mission: str) -> None:
        """Nothing of this mission is kept in memory."""
        self._ended.pop(mission, None)
        for key in [key for key in self._halted_by if key[0] == mission]:
            del self._halted_by[key]

    async def _pause(self, seconds: float, nudge: asyncio.Future[Literal[True]]) -> None:
        sleeping = asyncio.ensure_future(self.performer.clock.sleep(seconds))
        try:
            await asyncio.wait((sleeping, nudge), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()

    def _seconds_to_the_next_instant(self, mission: ActiveMission, queue: ReadyQueue) -> float | None:
        """When time alone makes something due while steps run: a timer, a timeout, a deadline, another attempt."""
        state, now_us = mission.state, micros_of(self.performer.clock.now())
        rest = self._seconds_of_rest(mission, queue)
        found = [] if rest is None else [rest]
        found += [(at_us - now_us) / 1_000_000 for at_us, _ in state.waits[:1] if at_us >= state.clock_us(now_us)]
        return max(min(found), 0) + _MOMENT_SECONDS if found else None

    def _seconds_of_rest(self, mission: ActiveMission, queue: ReadyQueue) -> float | None:
        """How long until a step that failed in passing is due again; None where none is."""
        if mission.state.status.ended or mission.state.paused is not None:
            return None
        return queue.seconds_to_the_next(micros_of(self.performer.clock.now()))

    def _start(self, mission: ActiveMission, queue: ReadyQueue, running: dict[StepId, asyncio.Task[None]]) -> None:
        places = self.parallel_max - len(running)
        if mission.state.status.ended or mission.state.paused is not None or places <= 0 or self._draining:
            return
        now_us, halts = micros_of(self.performer.clock.now()), self.performer.door.controls.halts
        for name in queue.take(places, now_us, busy=running, halts=halts, halted=partial(self._halted, mission)):
            running[name] = asyncio.create_task(self.performer.perform(mission, name, self.epoch))

    def _halted(self, mission: ActiveMission, name: StepId) -> bool:
        controls = self.performer.door.controls
        if not controls.halts:
            return False
        if self._halted_by.get((mission.id, name)) == controls.halts:
            return True
        held = mission.state.steps[name]
        agent = held.agent
        if not agent:
            try:
                agent = controls.registry.resolve(held.step.target).ref
            except RemitError:
                agent = ""
        return controls.halted(agent=agent, tool=held.step.target, mission=mission.id) is not None

    def _remember_halt(self, mission: ActiveMission, name: StepId) -> None:
        held = mission.state.steps.get(name)
        if held is not None and held.code == Halted.code:
            self._halted_by[mission.id, name] = self.performer.door.controls.halts
        else:
            self._halted_by.pop((mission.id, name), None)

    async def _decide(self, mission: ActiveMission) -> None:
        """Decide until nothing more is due."""
        while True:
            command = self._proceed(mission.state)
            events = decide(mission.state, command)
            if not events:
                return
            try:
                await self._commit(mission, events, command.now_us)
            except StreamMoved:
                await mission.catch_up(self.performer.door.journal)
            except MissionEnded:
                await mission.catch_up(self.performer.door.journal)
                return

    async def _close_questions(self, mission: ActiveMission) -> None:
        """Say in the list of questions which ones nobody needs to answer any more, and why."""
        answered = mission.state.answered
        if self._ended.get(mission.id, 0) == len(answered):
            return
        now_us = micros_of(self.performer.clock.now())
        writes = []
        for approval, how in answered.items():
            found = await self.records.record("approval", approval) if how in UNANSWERED else None
            if found is not None and not found["verdict"]:
                verdict = EXPIRED if how == EXPIRED else "closed"
                closed = ApprovalRecord.from_json(found).closed(verdict, how, now_us)
                writes.append(PutRecord("approval", approval, closed.to_json()))
        if writes:
            await self._write(mission, *writes)
        self._ended[mission.id] = len(answered)

    def _proceed(self, state: MissionState) -> Proceed:
        registry = self.performer.door.controls.registry
        granted = state.submitted.tools if state.submitted else ()
        return Proceed(
            micros_of(self.performer.clock.now()),
            has_skill=lambda skill: skill in registry.names.skills,
            has_tool=lambda tool: tool in registry.tools and covers(granted, tool),
        )

    async def _commit(self, mission: ActiveMission, events: tuple[Event, ...], now_us: int) -> None:
        # Stamped with the very instant on which they were decided: who decides again from the record needs it.
        drafts = tuple(
            Draft(mission.stream, event.kind, event.payload(), "remit", now_us, event.version, closes=event.closes)
            for event in events
        )
        kept = release_reserve(self.performer.door.tenant, mission, events)
        commit = Commit(
            drafts,
            (*kept, *unheard(mission.state, events), *await listed_notices(self.records, events, now_us)),
            expect=((mission.stream, mission.state.version),),
            epoch=self.epoch,
            lease=self._lease(mission),
            open=(mission.stream,),
        )
        mission.apply(await self.performer.door.journal.commit(commit))

    async def _write(self, mission: ActiveMission, *writes: PutRecord) -> None:
        await self.performer.door.journal.commit(Commit((), writes, epoch=self.epoch, lease=self._lease(mission)))

    def _lease(self, mission: ActiveMission) -> str:
        return self.performer.door.lease_of(mission.id)

    async def _rest(self, mission: ActiveMission, pause_seconds: float | None) -> Rest:
        state, wake_us = mission.state, wake_at_us(mission.state)
        halted = any(self._halted(mission, name) for name in state.ready)
        if pause_seconds is not None:
            again_us = micros_of(self.performer.clock.now()) + math.ceil(pause_seconds * 1_000_000)
            wake_us = again_us if wake_us is None else min(wake_us, again_us)
        rest = Rest(state.status.ended, len(state.approvals), wake_us, halted)
        await self._list(mission, rest)
        await self._keep(mission, at_rest=True)
        return rest

    async def _keep(self, mission: ActiveMission, *, at_rest: bool) -> None:
        """Spare the next worker the folding from the start; it can do without."""
        door = self.performer.door
        with suppress(StoreUnreachable):  # whatever must be written finds out by itself
            await mission.keep(door.journal, door.vault, at_rest=at_rest)

    async def _list(self, mission: ActiveMission, rest: Rest) -> None:
        """Write where it stands into the list of missions, so that listing need not fold each one."""
        state = mission.state
        assert state.submitted is not None
        status = state.status.value if rest.ended else "halted" if rest.halted else "waiting"
        if not rest.ended and state.status is MissionStatus.UNDOING:
            status = "undoing"
        elif status == "waiting" and state.paused is not None:
            status = "paused"
        elif status == "waiting" and not state.approvals and state.connected:
            status = "working"
        listed = {
            "workflow": state.submitted.workflow,
            "principal": state.submitted.principal,
            "submitted_at_us": state.submitted_at_us,
            "ended_at_us": state.ended_at_us,
            "status": status,
            "waiting_for_people": rest.waiting_for_people,
            "wake_at_us": rest.wake_at_us,
            "priority": state.submitted.priority,
            # Where its stream stood: where it goes further, there is something to do; else it need not be read.
            "version": state.version,
            **({"parent": state.submitted.parent} if state.submitted.parent else {}),
        }
        await self._write(mission, PutRecord("mission", mission.id, listed))
