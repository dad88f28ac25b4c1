"""Carrying out one step: claim it, run its agent or its call through the door, and record how it ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from remit.clock import Clock
from remit.errors import (
    AgentFailed,
    DriverReplaced,
    FactExists,
    MissionEnded,
    MissionStops,
    NotFound,
    Refusal,
    RemitError,
    StepTimeout,
    StoreUnreachable,
    ToolUnreachable,
)
from remit.gateway import (
    UNBOUND,
    Answer,
    Bounds,
    Call,
    Caller,
    Door,
    Interrupted,
    Leave,
    Suspended,
    check_hand_offs,
    check_recursion,
    step_stream,
)
from remit.ids import Ids, StepId
from remit.ledger import Commit, Draft
from remit.missions import asking, events, parking, written
from remit.missions.active import ActiveMission
from remit.missions.callers import caller_of, proposer_of
from remit.missions.context import Agent, Ended, StepContext
from remit.missions.folding import deadline_of
from remit.missions.running import Running
from remit.missions.schemas import check_input, check_output
from remit.missions.state import StepState, StepStatus
from remit.missions.undo import may_run
from remit.planning import StepKind
from remit.registry import AgentVersion

#: An agent's run is given up after this long, and tried again.
RUN_SECONDS = 600
#: How often a call is weighed anew because an agent outside took its session back meanwhile.
_FENCES_MAX = 5


@dataclass(frozen=True, slots=True)
class Performer:
    """Carries out steps; `load_agent` finds an agent version's code."""

    door: Door
    clock: Clock
    ids: Ids
    load_agent: Callable[[str], Agent]

    async def perform(self, mission: ActiveMission, name: StepId, epoch: int) -> None:
        """Carry out the step's next run to its end, its suspension or its interruption, and record which.

        Raises:
            DriverReplaced: another driver has taken over; this one must stop.
            StoreUnreachable: the record cannot be written.
        """
        if name not in mission.state.steps:
            return  # a person took it out of the plan in this very moment
        try:
            await _to_its_end(StepRun(self, mission, name, epoch))
        except (FactExists, MissionEnded):
            # Another driver was first, or the mission has ended meanwhile: what is on record stands.
            await mission.catch_up(self.door.journal)
            await mission.catch_up_calls(self.door.journal)


async def _to_its_end(run: "StepRun") -> None:
    try:
        await run.carry_out()
    except Interrupted as stop:
        if isinstance(stop.cause, (DriverReplaced, MissionEnded)):
            raise stop.cause from stop
        await run.end_interrupted(stop.cause)
    except (DriverReplaced, StoreUnreachable, FactExists, MissionEnded):
        raise
    except RemitError as error:
        await asking.end_failed(run, error)


class StepRun(Running):
    """One run of one step, carried out: what its kind asks for, its agent or its call."""

    def __init__(
        self, performer: Performer, mission: ActiveMission, name: StepId, epoch: int, *, lease: str = ""
    ) -> None:
        super().__init__(performer.door, performer.clock, performer.ids, mission, name, epoch, lease=lease)
        self._load_agent = performer.load_agent

    async def carry_out(self) -> None:
        if self.held.expanded:
            await written.join(self)
            return
        if self.held.escalated:
            await asking.ask_what_now(self)
            return
        if self.step.terms.recipe and not self.held.recipe and not await self._begin():
            return
        match self.step.kind:
            case StepKind.TOOL:
                await self._make_call()
            case StepKind.SKILL:
                await self._run_agent()
            case StepKind.QUESTION:
                self.agent = proposer_of(self.mission.state, self.held)
                await asking.ask(self)
            case kind:
                raise AssertionError(f"no driver carries out what is {kind}")

    async def _begin(self) -> bool:
        """Look up what a written step refers to; False where nothing is left to carry out now."""
        recipe = await self.read_body(self.step.input)
        sight = await written.sight_of(self, recipe)
        if await written.rules_itself_out(self, recipe, sight):
            return False
        if self.step.terms.each:
            await written.expand(self, recipe, sight)
            return False
        if self.step.kind in parking.KINDS:
            await parking.park(self, recipe, sight)
            return False
        await written.prepare(self, recipe, sight)
        return True

    # --- the three kinds

    async def _make_call(self) -> None:
        named, registry = self.step.terms.agent, self.door.controls.registry
        self.agent = registry.agent(named).ref if named else proposer_of(self.mission.state, self.held)
        verdict = self.held.verdict
        given = await self.read_body(self.step.input)
        leave = None
        if verdict is not None:
            leave = Leave(verdict.approval, verdict.by, verdict.binds, confirms_effect=verdict.uncertain)
        call = Call(self.step.target, given, 0, self.step.ask_rules, leave, sealed=self.step.input)
        if self.step.terms.timeout_seconds or self.step.terms.deadline_seconds:
            call = replace(call, timeout_seconds=self._seconds_left())
        try:
            answer = await self._make(call)
        except Suspended as wait:
            await asking.suspend(self, wait)
            return
        if answer.recorded:
            # The outcome was on record and the end of the step was not: the crash came between them.
            cid, body = self.seal(answer.content)
            await self.commit([self.success(cid, answer.label)], [body])

    async def _make(self, call: Call) -> Answer:
        """The step's one call.

        Amounts add up over a mission: where an agent outside works in it through another process, none of its calls
        is weighed while this one is.
        """
        fence = self.door.fence_session if self.mission.state.connected else None
        for left in reversed(range(_FENCES_MAX if fence is not None else 1)):
            self.tape.claim, self.tape.claimed_with = self.claim_draft(), self.claimed_with()
            self.tape.ending = self.success
            caller = self.caller("")
            if fence is not None:
                caller = replace(caller, also=(await fence(self.mission.id),))
                await self.mission.catch_up_calls(self.door.journal)
            try:
                log, progress = self.mission.log, self.mission.progress
                return await self.door.enforce(caller, call, log, self.tape, progress=progress)
            except Interrupted as stop:
                if not left or not isinstance(stop.cause, DriverReplaced):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _run_agent(self) -> None:
        version = self._version()
        self.agent = version.ref
        check_recursion(self.mission.ancestors(self.name), self.step.target, self.step.input)
        check_hand_offs(self.mission.hand_offs(self.name))
        agent = self._load_agent(version.python)
        entries = await self.claim()
        await self._confirm_effect()
        context = self._context(started_at_us=self.held.started_at_us or entries[-1].at_us)
        context.prompts = version.prompts
        given = await self.read_body(self.step.input)
        if self._is_written():
            check_input(version, self.step.target, given)
        try:
            output = await self._guarded(agent, context, given)
        except Suspended as wait:
            await context.settle_in_flight()
            await asking.suspend(self, wait)
            return
        finally:
            await context.settle_in_flight()
        if self.open_writes():
            # The agent let it pass that a write was not answered. Nobody knows whether it took effect: no success.
            raise ToolUnreachable("A write of this step was not answered.", rule="write_left_open")
        check_output(version, self.step.target, output)
        cid, body = self.seal(output)
        drafts = [self.success(cid, self.tape.label)]
        if context.proposed:
            drafts.insert(0, self.draft(events.PlanProposed(self.name, tuple(context.proposed))))
        await self.commit(drafts, [body, *self.blobs])

    async def _guarded(self, agent: Agent, context: StepContext, given: Mapping[str, Any]) -> Any:
        """Run the agent's code; whatever it raises comes out in the catalogue's words."""
        seconds = self._seconds_left()
        try:
            async with asyncio.timeout(seconds):
                output = await agent(context, given)
        except RemitError:
            if context.stopped is not None:
                raise context.stopped from None
            raise
        except TimeoutError as slow:
            if self.step.terms.timeout_seconds or self.step.terms.deadline_seconds:
                raise StepTimeout(f"{self.agent} was not done in time.") from slow
            raise ToolUnreachable(f"The agent was not done after {RUN_SECONDS} s.", rule="run_timeout") from slow
        except Exception as broken:  # an agent is foreign code: whatever it raises is its failure, not ours
            raise AgentFailed(f"{type(broken).__name__} in {self.agent}: {broken}") from broken
        if context.stopped is not None:
            # The agent caught what must not be caught: it is given up all the same.
            raise context.stopped
        return output

    def _is_written(self) -> bool:
        submitted = self.mission.state.submitted
        assert submitted is not None
        return submitted.written and (self.held.proposed_by is None or bool(self.held.recipe))

    def _version(self) -> AgentVersion:
        """The agent's version that takes this attempt."""
        registry, retry = self.door.controls.registry, self.step.terms.retry
        version = registry.resolve(self.step.target)
        if retry is not None and retry.other_version and self.held.attempt > retry.attempts:
            return registry.other_version(self.step.target) or version
        return version

    def _seconds_left(self) -> float:
        """How long this attempt may still take, from when it was first claimed."""
        terms, state = self.step.terms, self.mission.state
        begun_us = self.held.started_at_us or self.now_us
        ends_us = begun_us + (terms.timeout_seconds or RUN_SECONDS) * 1_000_000
        if deadline_us := deadline_of(state, self.step):
            ends_us = min(ends_us, deadline_us)
        if not terms.timeout_seconds and not terms.deadline_seconds:
            return RUN_SECONDS
        return max(ends_us - self.now_us, 1_000) / 1_000_000

    async def _confirm_effect(self) -> None:
        """Put on record at once that a person saw the effect: the agent may not come as far as that call again."""
        verdict = self.held.verdict
        if verdict is not None and verdict.uncertain:
            for key in self.open_writes():
                if verdict.binds == (key,):
                    caller = self.caller(self.step.target)
                    await self.door.confirm_effect(caller, key, verdict.by, self.mission.log, self.tape)

    # --- what its agent may do

    def _context(self, started_at_us: int) -> StepContext:
        submitted = self.mission.state.submitted
        assert submitted is not None
        return StepContext(
            self.name,
            self.step.target,
            datetime.fromtimestamp(started_at_us / 1_000_000, UTC),
            submitted.reader,
            _seed=self.door.vault.digest(self.mission.id, [self.name, self.held.attempt]),
            _enforce=self._enforce_for_agent,
            _read=self._read_output,
            _digest=lambda value: self.door.vault.digest(self.mission.id, value),
            _seal=self._seal_later,
            _flag=self._flag,
        )

    async def _enforce_for_agent(self, call: Call) -> Answer:
        if not may_run(self.mission.state, self.name):
            raise Interrupted(MissionStops(f"{self.mission.id} undoes what was done."))
        key_of = self.door.vault.digest
        digest = key_of(self.mission.id, dict(call.arguments))
        key = key_of(self.mission.id, [self.name, call.tool, digest, call.occurrence])
        child = self.mission.answering.get((self.name, key))
        if child is not None:
            return await self.answer_of(self.mission.state.steps[child])
        verdict = self.held.verdict
        if verdict is not None and verdict.uncertain and verdict.binds == (key,):
            call = replace(call, leave=Leave(verdict.approval, verdict.by, verdict.binds, confirms_effect=True))
        return await self._enforce(call, skill=self.step.target)

    async def answer_of(self, child: StepState) -> Answer:
        """The answer to a call that a person let through: what became of the step that carried it out."""
        if child.output:
            self.tape.label = self.tape.label.join(child.label)
            content = await self.read_body(child.output)
            return Answer(content, child.label, recorded=True, raw=await self._raw_of(child))
        raise Refusal(f"The call was not made: {', '.join(child.rules) or child.code}.", rule=child.code)

    async def _raw_of(self, child: StepState) -> Any:
        recorded = self.mission.log.only(child.step.id)
        cid = recorded.done.get("raw", "") if recorded is not None and recorded.done is not None else ""
        return await self.read_body(cid) if cid else None

    def _enforce(self, call: Call, *, skill: str) -> Awaitable[Answer]:
        return self.door.enforce(self.caller(skill), call, self.mission.log, self.tape, progress=self.mission.progress)

    def caller(self, skill: str, bounds: Bounds = UNBOUND) -> Caller:
        state = self.mission.state
        return caller_of(
            self.door, state, self.held, self.agent, skill=skill, epoch=self.epoch, lease=self.lease, bounds=bounds
        )

    async def _read_output(self, name: StepId) -> Ended:
        if name not in self.step.after:
            raise NotFound(f"{self.name} does not wait for {name}, and may not read its output.")
        held = self.mission.state.steps[name]
        output = await self.read_body(held.output) if held.output else None
        self.tape.label = self.tape.label.join(held.label)
        why = await self.read_body(held.why) if held.status is StepStatus.SKIPPED and held.why else ""
        return Ended(name, held.status.value, held.rules, output, why)

    async def _flag(self, rule: str, evidence: Mapping[str, Any]) -> None:
        cid, body = self.seal(dict(evidence))
        stream = step_stream(self.mission.id, self.name, self.held.attempt)
        fact = f"flag/{rule}/{cid}"
        draft = Draft(stream, "content.flagged", {"rule": rule, "evidence": cid}, self.actor, self.now_us, fact=fact)
        try:
            await self.door.journal.commit(Commit((draft,), (body,)))
        except FactExists:
            return  # it is on record from before a crash

    def _seal_later(self, value: Any) -> str:
        cid, body = self.seal(value)
        self.blobs.append(body)
        return cid
