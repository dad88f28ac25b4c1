"""Moving one mission on: decide what is due, name the steps that are ready, carry them out, until it waits or ends."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Literal

from remit.approvals import ApprovalRecord
from remit.errors import Halted, MissionEnded, RemitError, StreamMoved
from remit.gateway import micros_of
from remit.identity import covers
from remit.ids import StepId
from remit.ledger import Commit, Draft, PutRecord, Records
from remit.missions.active import ActiveMission
from remit.missions.decide import RETRY_SECONDS_MAX, Proceed, decide, wake_at_us
from remit.missions.events import Event
from remit.missions.perform import Performer
from remit.missions.state import EXPIRED, UNANSWERED, MissionState, StepState


@dataclass(frozen=True, slots=True)
class Rest:
    """Why a mission stands still, and when time alone would move it again."""

    ended: bool
    waiting_for_people: int
    wake_at_us: int | None
    halted: bool = False


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
        nudge = asyncio.ensure_future(mission.nudged.wait())
        try:
            while True:
                if nudge.done():
                    mission.nudged.clear()
                    nudge = asyncio.ensure_future(mission.nudged.wait())
                    await mission.catch_up(self.performer.door.journal)
                if mission.behind:
                    await mission.catch_up(self.performer.door.journal)
                await self._decide(mission)
                await self._close_questions(mission)
                self.changed(mission)
                self._start(mission, running)
                if not running:
                    pause = self._pause_seconds(mission)
                    if pause is None:
                        return await self._rest(mission)
                    await self._pause(pause, nudge)
                    continue
                done, _ = await asyncio.wait({*running.values(), nudge}, return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in running.items() if task in done]:
                    running.pop(name).result()
                    self._remember_halt(mission, name)
        finally:
            nudge.cancel()
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _pause(self, seconds: float, nudge: asyncio.Future[Literal[True]]) -> None:
        sleeping = asyncio.ensure_future(self.performer.clock.sleep(seconds))
        try:
            await asyncio.wait((sleeping, nudge), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()

    def _start(self, mission: ActiveMission, running: dict[StepId, asyncio.Task[None]]) -> None:
        places = self.parallel_max - len(running)
        if mission.state.status.ended or places <= 0:
            return
        for name in self._due(mission, running, places):
            running[name] = asyncio.create_task(self.performer.perform(mission, name, self.epoch))

    def _due(self, mission: ActiveMission, running: Collection[StepId], places: int) -> list[StepId]:
        """The next steps to carry out, by name: maps have no order of their own, and it must not be left to chance."""
        state, now_us = mission.state, micros_of(self.performer.clock.now())

        def first(names: Iterable[StepId], count: int) -> list[StepId]:
            return nsmallest(
                count,
                (
                    name
                    for name in names
                    if name not in running
                    and _wait_us(state.steps[name], now_us) == 0
                    and not self._halted(mission, name)
                ),
            )

        # A step that counts as running and has no task here was claimed before a crash: it goes on from its tape.
        begun = first(state.running, places)
        return [*begun, *first(state.ready, places - len(begun))]

    def _pause_seconds(self, mission: ActiveMission) -> float | None:
        """How long until a step that failed in passing is due again; None where none is."""
        state, now_us = mission.state, micros_of(self.performer.clock.now())
        waits = [_wait_us(state.steps[name], now_us) for name in state.ready if not self._halted(mission, name)]
        if state.status.ended or not waits:
            return None
        return min(waits) / 1_000_000

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
        if mission.state.steps[name].code == Halted.code:
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
            await self.performer.door.journal.commit(Commit((), tuple(writes), epoch=self.epoch))
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
        commit = Commit(
            drafts,
            expect=((mission.stream, mission.state.version),),
            epoch=self.epoch,
            open=(mission.stream,),
        )
        mission.apply(await self.performer.door.journal.commit(commit))

    async def _rest(self, mission: ActiveMission) -> Rest:
        state = mission.state
        halted = any(self._halted(mission, name) for name in state.ready)
        rest = Rest(state.status.ended, len(state.approvals), wake_at_us(state), halted)
        await self._list(mission, rest)
        return rest

    async def _list(self, mission: ActiveMission, rest: Rest) -> None:
        """Write where it stands into the list of missions, so that listing need not fold each one."""
        state = mission.state
        journal = self.performer.door.journal
        assert state.submitted is not None
        status = state.status.value if rest.ended else "halted" if rest.halted else "waiting"
        if status == "waiting" and not state.approvals and state.connected:
            status = "working"
        listed = {
            "workflow": state.submitted.workflow,
            "principal": state.submitted.principal,
            "submitted_at_us": state.submitted_at_us,
            "ended_at_us": state.ended_at_us,
            "status": status,
            "waiting_for_people": rest.waiting_for_people,
            "wake_at_us": rest.wake_at_us,
        }
        await journal.commit(Commit((), (PutRecord("mission", mission.id, listed),), epoch=self.epoch))


def _wait_us(step: StepState, now_us: int) -> int:
    """How long until a step that failed in passing is due again; 0 where the clock was set back since."""
    wait_us = step.not_before_us - now_us
    return wait_us if 0 < wait_us <= RETRY_SECONDS_MAX * 1_000_000 else 0
