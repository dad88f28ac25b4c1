"""Carrying out one step: claim it, run its agent or its call through the door, and record how it ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from remit.approvals import ApprovalRecord
from remit.clock import Clock
from remit.errors import (
    AgentFailed,
    DriverReplaced,
    EffectUncertain,
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
    Question,
    RunTape,
    Suspended,
    check_hand_offs,
    check_recursion,
    micros_of,
    step_stream,
)
from remit.ids import ApprovalId, Ids, StepId, StreamId
from remit.ledger import Commit, Draft, PutBlob, PutRecord, Write
from remit.missions import events, parking, written
from remit.missions.active import ActiveMission
from remit.missions.callers import REMIT, caller_of, proposer_of
from remit.missions.cases import case_for
from remit.missions.context import Agent, Ended, StepContext
from remit.missions.control import claim_fact
from remit.missions.event import Event
from remit.missions.folding import deadline_of
from remit.missions.labels import label_before
from remit.missions.reserve import holds_reserve, reserve_for
from remit.missions.schemas import check_input, check_output
from remit.missions.state import ESCALATED, StepState, StepStatus
from remit.missions.undo import may_run
from remit.planning import Step, StepKind
from remit.policy import Patience
from remit.registry import AgentVersion
from remit.state import Pointer
from remit.tools import Label

#: An agent's run is given up after this long, and tried again.
RUN_SECONDS = 600
_HOUR_US = 3_600_000_000


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
        await run.end_failed(error)


class StepRun:
    """One run of one step."""

    def __init__(self, performer: Performer, mission: ActiveMission, name: StepId, epoch: int) -> None:
        self.door = performer.door
        self.performer = performer
        self.clock = performer.clock
        self.mission = mission
        self.name = name
        self.epoch = epoch
        self.held: StepState = mission.state.steps[name]
        self.number = self.held.runs + 1
        self.claimed = False
        self.blobs: list[PutBlob] = []
        self.tape = RunTape(label=label_before(mission.state, mission.log, self.held), written=self._written)
        self.agent = ""

    @property
    def step(self) -> Step:
        return self.held.step

    async def carry_out(self) -> None:
        if self.held.expanded:
            await written.join(self)
            return
        if self.held.escalated:
            await self._ask_what_now()
            return
        if self.step.terms.recipe and not self.held.recipe and not await self._begin():
            return
        match self.step.kind:
            case StepKind.TOOL:
                await self._make_call()
            case StepKind.SKILL:
                await self._run_agent()
            case StepKind.QUESTION:
                await self._ask()
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
        self.tape.claim = self.claim_draft()
        self.tape.claimed_with = self._claimed_with()
        self.tape.ending = self.success
        call = Call(self.step.target, given, 0, self.step.ask_rules, leave, sealed=self.step.input)
        if self.step.terms.timeout_seconds or self.step.terms.deadline_seconds:
            call = replace(call, timeout_seconds=self._seconds_left())
        try:
            answer = await self._enforce(call, skill="")
        except Suspended as wait:
            await self.suspend(wait)
            return
        if answer.recorded:
            # The outcome was on record and the end of the step was not: the crash came between them.
            cid, body = self.seal(answer.content)
            await self.commit([self.success(cid, answer.label)], [body])

    async def _run_agent(self) -> None:
        version = self._version()
        self.agent = version.ref
        check_recursion(self.mission.ancestors(self.name), self.step.target, self.step.input)
        check_hand_offs(self.mission.hand_offs(self.name))
        agent = self.performer.load_agent(version.python)
        entries = await self._write([self.claim_draft()], [], fenced=True)
        self.claimed = True
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
            await self.suspend(wait)
            return
        finally:
            await context.settle_in_flight()
        if self._open_writes():
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

    async def _ask_what_now(self) -> None:
        """The step's attempts are used up: a person says whether it is tried again or left as it is."""
        why = await self.read_body(self.held.why) if self.held.why else {}
        about = {"title": f"{self.name} did not end well: {self.held.code}", "evidence": [why]}
        await self.suspend(
            Suspended(
                Call("", about),
                key="",
                binds=(),
                questions=tuple(Question(rule, "") for rule in self.held.rules),
                approvers=(),
                expires_hours=24 * 30,
                about=ESCALATED,
            )
        )

    async def _confirm_effect(self) -> None:
        """Put on record at once that a person saw the effect: the agent may not come as far as that call again."""
        verdict = self.held.verdict
        if verdict is not None and verdict.uncertain:
            for key in self._open_writes():
                if verdict.binds == (key,):
                    caller = self.caller(self.step.target)
                    await self.door.confirm_effect(caller, key, verdict.by, self.mission.log, self.tape)

    async def _ask(self) -> None:
        self.agent = proposer_of(self.mission.state, self.held)
        given = await self.read_body(self.step.input)
        verdict = self.held.verdict
        if verdict is not None:
            note = await self.read_body(verdict.note) if verdict.note else None
            answer = {"verdict": verdict.verdict, "by": verdict.by, "note": note}
            cid, body = self.seal({**answer, "given": given})
            await self.commit(
                [self.claim_draft(), self.success(cid, replace(self.tape.label, trusted=True))], [body], fenced=True
            )
            return
        call = Call("", given, 0, self.step.ask_rules)
        await self.suspend(
            Suspended(
                call,
                key="",
                binds=(),
                questions=tuple(Question(rule, "") for rule in self.step.ask_rules),
                approvers=(),
                expires_hours=24 * 30,
                about="question",
            )
        )

    # --- a session's own

    async def claim(self) -> None:
        """Claim the step for this process's epoch."""
        await self._write([self.claim_draft()], [], fenced=True)
        self.claimed = True

    async def succeed(self, output: Any) -> None:
        """End the step with this output."""
        cid, body = self.seal(output)
        await self.commit([self.success(cid, self.tape.label)], [body])

    async def write_fact(self, event: Event) -> None:
        """Put the end of this run on record."""
        await self.commit([self.draft(event, fact=self.fact("end"))], [])

    # --- ends

    async def end_failed(self, error: RemitError) -> None:
        uncertain = isinstance(error, EffectUncertain)
        if uncertain or self._effect_unknown(error):
            await self.suspend(await self._uncertain(error))
            return
        cid, body = self.seal(error.to_json())
        failed = events.StepFailed(
            self.name,
            self.held.attempt,
            self.number,
            error.code,
            (error.rule,),
            refused=isinstance(error, Refusal),
            retryable=error.retryable,
            why=cid,
        )
        await self.commit([self.draft(failed, fact=self.fact("end"))], [body], fenced=not self.claimed)

    async def end_interrupted(self, cause: Exception) -> None:
        code = cause.code if isinstance(cause, RemitError) else "interrupted"
        event = events.StepInterrupted(self.name, self.held.attempt, self.number, code)
        await self.commit([self.draft(event, fact=self.fact("end"))], [], fenced=not self.claimed)

    def _effect_unknown(self, error: RemitError) -> bool:
        """A write of this step has no outcome on record, and no other attempt will ask for it again."""
        again = self.step.tried_again(self.held.tries, error.code, retryable=error.retryable)
        return not again and bool(self._open_writes())

    def _open_writes(self) -> list[str]:
        """Keys of the step's writes whose outcome is not known."""
        log = self.mission.log
        recorded = [(key, log.last(self.name, key)) for key in log.writes(self.name)]
        return [key for key, call in recorded if call is not None and call.done is None]

    async def _uncertain(self, error: RemitError) -> Suspended:
        call, keys = Call(self.step.target, {}), self._open_writes()[:1]  # one question for each call
        for key in keys:
            recorded = self.mission.log.last(self.name, key)
            assert recorded is not None
            call = Call(recorded.permit["tool"], await self.read_body(recorded.permit["args"]))
        return Suspended(
            call,
            key="",
            binds=tuple(keys),
            questions=(
                Question("effect_uncertain", error.detail),
                *((Question("diverged", ""),) if error.rule == "diverged" else ()),
            ),
            approvers=(),
            expires_hours=24 * 30,
            about="effect_uncertain",
        )

    async def suspend(self, wait: Suspended, fact: str = "") -> ApprovalId:
        state = self.mission.state
        now_us = micros_of(self.performer.clock.now())
        approval = ApprovalId(self.performer.ids.new("apr"))
        agents_call = self.step.kind in {StepKind.SKILL, StepKind.CONNECTED}
        own_call = not agents_call or wait.about in {"effect_uncertain", ESCALATED}
        proposed: tuple[Step, ...] = ()
        if not own_call:
            count = sum(1 for step in state.steps.values() if step.proposed_by == self.name)
            cid, body = self.seal(dict(wait.call.arguments))
            self.blobs.append(body)
            child = StepId(f"{self.name}~{count + 1}")
            proposed = (Step(child, StepKind.TOOL, wait.call.tool, cid),)
        ask = await self.read_body(self.step.ask) if self.step.ask else {}
        case, answers = case_for(self.step, wait, ask, self.agent)
        case_cid, case_body = self.seal(case)
        expires = self.performer.clock.now() + timedelta(hours=wait.expires_hours)
        rules = tuple(dict.fromkeys(question.rule for question in wait.questions))
        event = events.StepSuspended(
            self.name,
            self.held.attempt,
            self.number,
            approval,
            proposed,
            wait.key if proposed else "",
            wait.about,
            rules,
            wait.binds,
            wait.approvers or ("role:approver",),
            micros_of(expires),
            answers,
            case_cid,
            *_noticed(wait.patience, now_us),
        )
        record = ApprovalRecord(
            approval,
            self.mission.id,
            proposed[0].id if proposed else self.name,
            wait.about,
            rules,
            event.approvers,
            answers,
            now_us,
            event.expires_at_us,
            case_cid,
            escalate_at_us=event.escalate_at_us,
            escalate_to=event.escalate_to,
        )
        put = PutRecord("approval", approval, record.to_json())
        draft = self.draft(event, fact=fact or self.fact("end"))
        # A question is no outcome: a driver that was replaced asks none, as the next one will.
        await self.commit([draft], [case_body, *self.blobs, put], fenced=True)
        return approval

    # --- parts

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
        return caller_of(self.door, state, self.held, self.agent, skill=skill, epoch=self.epoch, bounds=bounds)

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
        draft = Draft(stream, "content.flagged", {"rule": rule, "evidence": cid}, self._actor, self.now_us, fact=fact)
        try:
            await self.door.journal.commit(Commit((draft,), (body,)))
        except FactExists:
            return  # it is on record from before a crash

    def claim_draft(self) -> Draft:
        reserve = reserve_for(self.door, self.held)
        event = events.StepStarted(self.name, self.held.attempt, self.number, self.epoch, self.agent, reserve)
        return self.draft(event, fact=claim_fact(self.name, self.held.attempt, self.number))

    def _claimed_with(self) -> tuple[Write, ...]:
        """What becomes durable together with a claim: the money for undoing the step."""
        return holds_reserve(self.door.tenant, self.mission.state, reserve_for(self.door, self.held))

    def success(self, output: str, label: Label) -> Draft:
        event = events.StepSucceeded(
            self.name, self.held.attempt, self.number, output, label.trusted, label.confidentiality.value
        )
        pins = step_stream(self.mission.id, self.name, self.held.attempt)
        return self.draft(event, fact=self.fact("end"), pins=pins)

    def fact(self, what: str) -> str:
        return f"{what}/{self.name}/{self.held.attempt}/{self.number}"

    def draft(self, event: Event, *, fact: str | None = None, pins: Any = None) -> Draft:
        return Draft(
            self.mission.stream,
            event.kind,
            event.payload(),
            self._actor,
            self.now_us,
            event.version,
            fact=fact,
            pins=pins,
            closes=event.closes,
        )

    @property
    def _actor(self) -> str:
        return f"agent:{self.agent or REMIT}"

    @property
    def now_us(self) -> int:
        return micros_of(self.performer.clock.now())

    async def commit(
        self, drafts: Sequence[Draft], writes: Sequence[Any], *, fenced: bool = False, new: StreamId | None = None
    ) -> None:
        await self._write(drafts, writes, fenced=fenced, new=new)

    async def _write(
        self, drafts: Sequence[Draft], writes: Sequence[Any], *, fenced: bool, new: StreamId | None = None
    ) -> Any:
        claims = any(draft.kind == events.StepStarted.kind for draft in drafts)
        commit = Commit(
            tuple(drafts),
            (*writes, *self._claimed_with()) if claims else tuple(writes),
            expect=((new, 0),) if new is not None else (),
            epoch=self.epoch if fenced else None,
            lease=self.door.lease_of(self.mission.id),
            open=(self.mission.stream,) if fenced else (),
        )
        entries = await self.door.journal.commit(commit)
        self.mission.apply(entries)
        return entries

    def _written(self, entries: Sequence[Any]) -> None:
        self.claimed = self.claimed or bool(entries)
        self.mission.apply(entries)

    async def read_body(self, cid: str) -> Any:
        return await self.door.vault.open(Pointer(self.mission.id, cid))

    def seal(self, value: Any) -> tuple[str, PutBlob]:
        pointer, body = self.door.vault.seal(self.mission.id, value)
        return pointer.cid, body

    def _seal_later(self, value: Any) -> str:
        cid, body = self.seal(value)
        self.blobs.append(body)
        return cid


def _noticed(patience: Patience, asked_at_us: int) -> tuple[tuple[int, ...], int, tuple[str, ...]]:
    """When reminders and the escalation of a question are due, and to whom it is escalated."""
    remind = tuple(asked_at_us + hours * _HOUR_US for hours in patience.remind_hours)
    escalate = asked_at_us + patience.escalate_hours * _HOUR_US if patience.escalate_hours else 0
    return remind, escalate, patience.escalate_to if escalate else ()
