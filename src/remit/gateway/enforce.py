"""The one door. `Door.enforce` is read from top to bottom; its order is a security property.

identify > halted? > resolve and check pin > validate arguments > answer from the record? > loop guards > policy
  > data flow > waiting obligations > admit > budget hold > record intent > call > check result > settle and record
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from remit.budgets import CURRENCY, BudgetPath
from remit.clock import Clock
from remit.errors import (
    DriverReplaced,
    EffectUncertain,
    Fault,
    Halted,
    LoopStopped,
    MissionEnded,
    NoPolicy,
    NotBuilt,
    NotGranted,
    PinBroken,
    PolicyDenied,
    PriceUnknown,
    Refusal,
    RemitError,
    RightsExceeded,
    ToolFailed,
    ToolUnavailable,
    ToolUnreachable,
)
from remit.gateway.ancestry import told_outside
from remit.gateway.arguments import check_arguments
from remit.gateway.call import Call, Caller, Interrupted, Leave, Question, Suspended
from remit.gateway.call_log import CallLog, Recorded
from remit.gateway.controls import Controls
from remit.gateway.flow import Known, check_flow, fields_seen
from remit.gateway.labels import check_clearance, label_fields, label_of_answer, recorded_label
from remit.gateway.limits import Admission, Asks
from remit.gateway.pins import PinWatch
from remit.gateway.redact import Redaction
from remit.gateway.remedy import remedy_for
from remit.gateway.results import as_promised, too_long
from remit.gateway.transport import Checking, Delegating, Priced, Relay, Streaming, ToolResult, Transport
from remit.identity import Delegation, LinkKind, Principal, Right, covers, rights_of
from remit.ledger import Commit, Draft, Entry, Journal, Write
from remit.policy import Decision, Request
from remit.quantities import Money
from remit.registry import UNLIMITED
from remit.state import Pointer, Vault
from remit.tools import NOTHING_READ, Label, Tool

_LOG = logging.getLogger("remit.door")
#: The source of the home's own language model.
MODEL_SOURCE = "model"
#: Tries of an idempotent write before its effect counts as uncertain.
_WRITE_TRIES_MAX = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class RunTape:
    """What one run of a step has used of its record."""

    consumed: set[str] = field(default_factory=set)
    #: The join of what the run has read, and of what it was given to begin with.
    label: Label = NOTHING_READ
    #: The claim of a step that is one call: it becomes durable together with the call's intent.
    claim: Draft | None = None
    #: The end of such a step, made from the result's name and label: durable together with the outcome.
    ending: Callable[[str, Label], Draft] | None = None
    #: Takes the mission's own entries that were written on the way.
    written: Callable[[Sequence[Entry]], None] = lambda _entries: None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door gives back."""

    content: Any
    label: Label
    #: True where it was answered from the record, and nothing was done.
    recorded: bool
    #: As the source put it; None where `content` says it all.
    raw: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Door:
    """The door and what it needs; `controls` is replaced when people change something."""

    controls: Controls
    journal: Journal
    vault: Vault
    transports: Mapping[str, Transport]
    clock: Clock
    admission: Admission
    tenant: str
    #: Calls under way, so that a halt can cut them: task to agent, tool, mission and whether it writes.
    under_way: dict[asyncio.Task[Any], tuple[Caller, Tool]] = field(default_factory=dict)
    _cut: set[asyncio.Task[Any]] = field(default_factory=set)
    pins: PinWatch = field(default_factory=PinWatch)
    #: Balances that were opened; a mission's own is opened when it is submitted, an agent's at its first call.
    opened: set[str] = field(default_factory=set)

    async def enforce(self, caller: Caller, call: Call, log: CallLog, tape: RunTape, *, progress: str) -> Answer:
        """Take one call through the door.

        Raises:
            Suspended: it waits for a person; nothing was done.
            Interrupted: the run must be given up here (a halt, a replaced driver, an ended mission).
            Refusal: the answer is no; it is on record with its rule.
            ToolFailed: the tool said no; on record.
            ToolUnreachable: the tool did not answer; a read may be tried again.
        """
        stand_ins = iter(self.controls.registry.stand_ins(call.tool))
        asked = call
        while True:
            way = _Way(self, caller, asked, log, tape, progress)
            try:
                return await self._taken(way)
            except ToolUnreachable as silent:
                following = next(stand_ins, None) if way.did_nothing(silent) else None
                if following is None:
                    raise
                asked = replace(call, tool=following, leave=None)

    async def _taken(self, way: "_Way") -> Answer:
        caller, call, log = way.caller, way.call, way.log
        try:
            return await way.through()
        except (Halted, DriverReplaced, MissionEnded) as stop:
            raise Interrupted(stop) from stop
        except RemitError as no:
            if not way.on_record:
                no.remedy = no.remedy or remedy_for(no, caller, call, self.controls, way.asked)
                await way.record_refusal(no)
            raise
        finally:
            log.release(way.key)

    def check_change(self, caller: Caller, call: Call, log: CallLog, known: Mapping[str, list[Known]]) -> None:
        """Look before a person's values for a call are taken: raise what would refuse it whatever a person says.

        Raises:
            Refusal: leave, policy, or a strict role; it names its rule.
            InvalidArguments: the values do not fit the tool's schema.
        """
        way = _Way(self, caller, call, log, RunTape(), "")
        try:
            way.check(known)
        except RemitError as no:
            no.remedy = no.remedy or remedy_for(no, caller, call, self.controls, way.asked)
            raise

    async def confirm_effect(self, caller: Caller, key: str, by: str, log: CallLog, tape: RunTape) -> None:
        """Record a person's word that a write of unknown outcome took effect; nothing is called.

        Raises:
            FactExists: its outcome came meanwhile and is on record.
        """
        recorded = log.last(caller.step, key)
        assert recorded is not None
        tool = self.controls.registry.tool(recorded.permit["tool"])
        way = _Way(self, caller, Call(tool.name, {}), log, tape, "", key=key, on_record=True)
        await way.settle(tool, recorded, ToolResult({"confirmed_by": by}))

    def cut_halted(self) -> None:
        """Cut reads and model calls under way that a halt covers; a write that has begun is let finish."""
        for task, (caller, tool) in self.under_way.items():
            halted = self.controls.halted(agent=caller.agent, tool=tool.name, mission=caller.mission)
            if halted and not tool.sink:
                self._cut.add(task)
                task.cancel()

    async def carry(self, transport: Transport, caller: Caller, tool: Tool, call: Call, key: str) -> ToolResult:
        """Hand one permitted call to its transport.

        Raises:
            Halted: a halt cut it; what it did is not known.
        """
        task = asyncio.current_task()
        assert task is not None
        self.under_way[task] = (caller, tool)
        try:
            if call.on_part is not None and isinstance(transport, Streaming):
                return await transport.stream(tool, call.arguments, idempotency_key=key, on_part=call.on_part)
            if call.line is not None and _relays(type(transport)):
                return await cast("Relay", transport).call_on(call.line, tool, call.arguments, idempotency_key=key)
            if _delegates(type(transport)):
                hand_on = cast("Delegating", transport).delegate
                above = told_outside(self.vault, caller)
                return await hand_on(tool, call.arguments, idempotency_key=key, ancestry=above)
            return await transport.call(tool, call.arguments, idempotency_key=key)
        except asyncio.CancelledError:
            if task not in self._cut:
                raise
            task.uncancel()
            raise Halted(f"The call of {tool.name} was cut.") from None
        finally:
            self._cut.discard(task)
            self.under_way.pop(task, None)

    async def recover(self, caller_epoch: int, log: CallLog) -> None:
        """Settle what a crash left open: a lost read is booked at its worst case, and will be made again."""
        for recorded in log.open_reads():
            await self._write_off(recorded, log, caller_epoch, used=recorded.permit["hold"])

    async def _write_off(self, recorded: Recorded, log: CallLog, epoch: int | None, *, used: int) -> None:
        permit = recorded.permit
        path = BudgetPath(*permit["budget"])
        payload = {
            "key": permit["key"],
            "try": permit["try"],
            "ok": False,
            "result": "",
            "used": used,
            "tokens": [0, 0],
            "known": [],
            "trusted": False,
        }
        draft = Draft(
            stream=recorded.stream,
            kind="call.lost",
            payload=payload,
            actor="remit",
            at_us=_now_us(self.clock),
            fact=f"done/{permit['key']}/{permit['try']}",
        )
        settled = path.settle(permit["hold"], used) if permit["hold"] else ()
        for entry in await self.journal.commit(Commit((draft,), settled, epoch=epoch)):
            log.apply(entry)


@dataclass(slots=True)
class _Way:
    """One call's way through the door."""

    door: Door
    caller: Caller
    call: Call
    log: CallLog
    tape: RunTape
    progress: str
    key: str = ""
    arguments_digest: str = ""
    #: What policy said to what, once it was asked.
    asked: tuple[Decision, Request] | None = None
    #: The approval or standing approval by which the call goes; empty where policy's own leave is enough.
    granted: str = ""
    #: True once the call stands on record: what comes of it is its outcome, not a refusal.
    on_record: bool = False
    #: What policy wants masked; None where it wants nothing.
    redaction: Redaction | None = None

    async def through(self) -> Answer:
        door, caller, call, log = self.door, self.caller, self.call, self.log
        controls = door.controls
        # identify
        principal = controls.registry.principal(caller.principal)
        # halted?
        if scope := controls.halted(agent=caller.agent, tool=call.tool, mission=caller.mission):
            raise Halted(f"{scope} is halted.")
        # resolve and check pin
        tool = controls.registry.tool(call.tool)
        _check_granted(principal, caller, tool)
        if door.pins.broken(controls.registry, tool):
            await self._look_at_pin(tool)  # it may offer again what was accepted
        # validate arguments
        check_arguments(tool, call.arguments)
        transport = door.transports.get(tool.source)
        if transport is not None and _checks(type(transport)):
            cast("Checking", transport).check(tool, call.arguments)
        self._name_call(tool)
        # answer from the record?
        recorded = log.last(caller.step, self.key)
        if recorded is not None and (tool.sink or recorded.attempt == caller.attempt):
            self.on_record = True
            if recorded.done is not None and recorded.done["result"]:
                return await self._from_record(tool, recorded)
            if tool.sink and recorded.done is None:
                return await self._finish_write(tool, recorded)
            self.on_record = False  # what was begun came to nothing; this is a new try
        self._check_diverged(tool)
        # loop guards
        # Steps at once that look the same thing up go in no circle; across steps, hand-offs and depth are guarded.
        action = f"{caller.agent_name}|{caller.step}|{tool.name}|{self.arguments_digest}"
        if not controls.registry.polls(tool.name):
            log.guard.check_action(action, self.progress)
        self._check_turns(tool)
        # policy
        request = self._request(tool)
        decision = controls.policies.decide(request)
        self.asked = decision, request
        if not decision.permit:
            raise _denied(decision)
        _check_can_be_met(decision)
        self.redaction = Redaction.owed(decision.obligations, self._digest)
        # data flow
        questions = check_flow(tool, call.arguments, log.known, self._digest) + check_clearance(tool, self.tape.label)
        # waiting obligations
        binds = (self.arguments_digest, tool.pin, decision.policy_hash)
        self.granted = self._ask_or_pass(request, decision, questions, binds)
        if request.amount is not None and tool.sink:
            # From here on no other call may count on this room; no await lies between weighing and reserving.
            log.reserve(self.key, (request.amount.micros, request.amount.currency), self._payee(request.payee))
        # admit
        async with door.admission.admit(self._asks(tool)):
            await self._look_at_pin(tool)
            # budget hold, record intent
            recorded = await self._record_intent(tool, request, decision, action)
            self.on_record = True
            # call (a transport injects the credential), check result, settle and record
            return await self._carry_out(tool, recorded)

    def did_nothing(self, silent: ToolUnreachable) -> bool:
        """True where another source may be asked: nothing was written, nor can have been."""
        tool = self.door.controls.registry.tools.get(self.call.tool)
        if tool is None or not tool.sink:
            return tool is not None
        recorded = self.log.last(self.caller.step, self.key)
        return isinstance(silent, ToolUnavailable) and (recorded is None or recorded.done is not None)

    def _asks(self, tool: Tool) -> Asks:
        registry, caller = self.door.controls.registry, self.caller
        version = registry.versions.get(caller.agent)
        of_tool, of_source = registry.limits_of(tool)
        return Asks(
            caller.tenant, caller.agent_name, tool, version.limits if version else UNLIMITED, of_tool, of_source
        )

    def check(self, known: Mapping[str, list[Known]]) -> None:
        """The stages that no answer of a person overrides, without effect and without record."""
        controls = self.door.controls
        principal = controls.registry.principal(self.caller.principal)
        tool = controls.registry.tool(self.call.tool)
        _check_granted(principal, self.caller, tool)
        check_arguments(tool, self.call.arguments)
        decision = controls.policies.decide(self._request(tool))
        if not decision.permit:
            raise _denied(decision)
        _check_can_be_met(decision)
        check_flow(tool, self.call.arguments, known, self._digest)

    async def record_refusal(self, no: RemitError) -> None:
        """Put the refusal on record with its rule; the explanation stands sealed."""
        vault, caller = self.door.vault, self.caller
        why, why_body = vault.seal(caller.mission, no.to_json())
        args, args_body = vault.seal(caller.mission, dict(self.call.arguments))
        payload = {
            "tool": self.call.tool,
            "code": no.code,
            "rule": no.rule,
            "args": args.cid,
            "why": why.cid,
            **(_in_shadow(self.asked[0]) if self.asked else {}),
        }
        commit = Commit((self._draft("call.refused", payload),), (why_body, args_body))
        try:
            await self.door.journal.commit(commit)
        except Fault as unwritable:
            # The refusal stands all the same; where the record cannot be reached, the log has it.
            _LOG.error("refusal not on record: %s %s (%s)", self.call.tool, no.code, unwritable.code)

    # --- the parts, in the order of the way

    async def _look_at_pin(self, tool: Tool) -> None:
        """The pin once more, now that the source may be connected: what it offers is what was accepted, or no call."""
        transport = self.door.transports.get(tool.source)
        try:
            await self.door.pins.look(self.door.controls.registry, transport, tool, self._to_be_sent(tool).line)
        except ToolUnreachable:
            self.door.admission.unreachable(tool.source)
            raise

    def _name_call(self, tool: Tool) -> None:
        self.arguments_digest = self._digest(dict(self.call.arguments))
        self.key = self._digest([self.caller.step, tool.name, self.arguments_digest, self.call.occurrence])

    def _digest(self, value: Any) -> str:
        return self.door.vault.digest(self.caller.mission, value)

    def _payee(self, payee: str | None) -> str:
        """The payee under which amounts are summed: a keyed hash, as it may be a person's name."""
        return self._digest(payee) if payee else ""

    async def _from_record(self, tool: Tool, recorded: Recorded) -> Answer:
        assert recorded.done is not None
        self.tape.consumed.add(self.key)
        content = await self.door.vault.open(Pointer(self.caller.mission, recorded.done["result"]))
        label = recorded_label(recorded.done)
        self.tape.label = self.tape.label.join(label)
        raw = None
        if recorded.done.get("raw"):
            raw = await self.door.vault.open(Pointer(self.caller.mission, recorded.done["raw"]))
        if not recorded.done["ok"]:
            raise ToolFailed(content["error"], rule=f"{tool.name}_failed", raw=raw)
        return Answer(content, label, recorded=True, raw=raw)

    async def _finish_write(self, tool: Tool, recorded: Recorded) -> Answer:
        """A permitted write without an outcome: its effect may or may not have taken place."""
        self.tape.consumed.add(self.key)
        leave = self.call.leave
        if leave is not None and leave.confirms_effect and leave.binds == (self.key,):
            result = ToolResult({"confirmed_by": leave.by})
            return await self.settle(tool, recorded, result)
        if tool.idempotent and recorded.attempt > self.caller.attempt - _WRITE_TRIES_MAX:
            # The same key once more: the tool answers with what it did, or does it now, once.
            decision = self.door.controls.policies.decide(self._request(tool))
            self.redaction = Redaction.owed(decision.obligations, self._digest)
            return await self._carry_out(tool, recorded, again=True)
        raise Suspended(
            self.call,
            key=self.key,
            binds=(self.key,),
            questions=(
                Question(
                    "effect_uncertain", f"{tool.name} was begun and its outcome is not known: did it take effect?"
                ),
            ),
            approvers=(),
            expires_hours=24 * 30,
            about="effect_uncertain",
        )

    def _check_diverged(self, tool: Tool) -> None:
        if not tool.sink:
            return
        # A write that came to nothing and is tried again is no other.
        tried = self.log.tries(self.caller.step, self.key)
        left = set(self.log.writes(self.caller.step)) - self.tape.consumed
        if left and not tried:
            raise EffectUncertain(
                f"The step wants another write than the {len(left)} that it has on record.", rule="diverged"
            )
        self.tape.consumed.add(self.key)

    def _check_turns(self, tool: Tool) -> None:
        """R5: the agent version's own cap on turns, whatever policy allows."""
        caller = self.caller
        if tool.model and self.log.turns[f"agent:{caller.agent}"] >= caller.turns_max:
            raise LoopStopped(f"{caller.agent} has had its {caller.turns_max} turns in this mission.", rule="R5")

    def _request(self, tool: Tool) -> Request:
        caller, spent = self.caller, self.log.spent
        amount = _amount(tool, self.call.arguments)
        # A turn is one answer of a model; this call is one more where it asks for one.
        turns = self.log.turns[f"agent:{caller.agent}"] + tool.model
        payee = tool.value_of("payee", self.call.arguments)
        return Request(
            agent=caller.agent_name,
            agent_version=caller.agent.split("@", 1)[-1],
            principal=caller.principal,
            mission=caller.mission,
            skill=caller.skill,
            tool=tool,
            arguments=self.call.arguments,
            amount=amount,
            payee=payee,
            payee_name=None,  # vendor lists would trust it like the payee: only a directory may say it
            mission_spent=spent.total,
            payee_spent=spent.by_payee.get(self._payee(payee), {}),
            reflections=turns,
            turns=turns,
        )

    def _ask_or_pass(
        self, request: Request, decision: Decision, questions: list[Question], binds: tuple[str, ...]
    ) -> str:
        """What gave leave: an approval or a standing approval; empty where policy asks for none.

        Raises:
            Suspended: a person must answer first.
        """
        obligations = [o for o in decision.obligations if o.kind == "approval"]
        standing = self._standing(request) if obligations else None
        if standing:
            obligations = []
        asked = [
            *(Question(o.rule, o.message) for o in obligations),
            *questions,
            *self._autonomy_asks(request.tool),
            *(Question(rule, "The plan asks for a person's look.") for rule in self.call.ask_rules),
        ]
        if not asked:
            return standing or ""
        # A verdict binds the arguments, the tool's pin and the policy: with any other it is void, and asked anew.
        leave: Leave | None = self.call.leave
        if leave is not None and leave.binds == binds:
            return leave.approval
        raise Suspended(
            self.call,
            key=self.key,
            binds=binds,
            questions=tuple(asked),
            approvers=tuple(sorted({name for o in obligations for name in o.approvers})),
            expires_hours=min((o.expires_hours for o in obligations), default=24 * 30),
        )

    def _autonomy_asks(self, tool: Tool) -> tuple[Question, ...]:
        if not (tool.sink and self.caller.in_the_loop):
            return ()
        return (Question("autonomy", f"{self.caller.agent} works in the loop: a person confirms each of its writes."),)

    def _standing(self, request: Request) -> str | None:
        controls = self.door.controls
        if not controls.standing:
            return None
        today = self.door.clock.now().date()
        for standing in controls.standing:
            giver = controls.registry.principals.get(standing.given_by)
            if standing.covers(
                agent=request.agent, tool=request.tool.name, payee=request.payee, amount=request.amount, on=today
            ) and (giver is not None and Right.APPROVE in rights_of(giver)):
                return standing.name
        return None

    async def _record_intent(self, tool: Tool, request: Request, decision: Decision, action: str) -> Recorded:
        door, caller = self.door, self.caller
        path = BudgetPath(caller.tenant, caller.mission, caller.agent_name, caller.bounds.token, caller.bounds.parent)
        worst = self._worst_case(tool)
        writes: list[Write] = []
        if path.agent_balance not in door.opened:
            writes.append(path.open_agent(caller.budget_usd_micros))
        if path.token and path.names[0] not in door.opened:
            writes.append(path.open_token(caller.bounds.budget_usd_micros))
        if worst:
            writes += path.hold(worst)
        if self.call.sealed != self.arguments_digest:
            _, args_body = door.vault.seal(caller.mission, dict(self.call.arguments))
            writes.append(args_body)
        tried = self.log.tries(caller.step, self.key) + 1
        payload = {
            "key": self.key,
            "try": tried,
            "nth": self.call.occurrence,
            "tool": tool.name,
            "pin": tool.pin,
            "sink": tool.sink,
            "model": tool.model,
            **({"prompt": list(self.call.prompt)} if self.call.prompt else {}),
            "args": self.arguments_digest,
            "action": action,
            "progress": self.progress,
            "rules": sorted({f"{s.policy}:{s.rule}" for s in decision.spoken if s.effect != "note"}),
            "policy": decision.policy_hash,
            "leave": self.granted,
            "hold": worst,
            "budget": path.to_json(),
            "amount": [request.amount.micros, request.amount.currency] if request.amount else None,
            "payee": self._payee(request.payee),
            **_in_shadow(decision),
        }
        permit = self._draft("call.permitted", payload, fact=f"permit/{self.key}/{tried}")
        claim, self.tape.claim = self.tape.claim, None
        commit = Commit(
            (permit,) if claim is None else (claim, permit),
            tuple(writes),
            epoch=caller.epoch,
            open=(caller.mission_stream,),
        )
        *claimed, entry = await door.journal.commit(commit)
        self.tape.written(claimed)
        door.opened.update((path.agent_balance, path.names[0]))
        self.log.release(self.key)
        self.log.apply(entry)
        recorded = self.log.last(caller.step, self.key)
        assert recorded is not None
        return recorded

    def _worst_case(self, tool: Tool) -> int:
        transport = self.door.transports.get(tool.source)
        worst = tool.cost
        if transport is not None and _is_priced(type(transport)):
            worst = cast("Priced", transport).worst_case(self.call.arguments)
        if worst is None:
            return 0
        if worst.currency != CURRENCY:
            rates = self.door.controls.rates
            converted = rates.convert(worst, CURRENCY) if rates else None
            if converted is None:
                raise PriceUnknown(f"{tool.name} costs {worst}, and there is no rate to {CURRENCY}.")
            worst = converted
        return worst.micros

    async def _carry_out(self, tool: Tool, recorded: Recorded, *, again: bool = False) -> Answer:
        transport = self.door.transports.get(tool.source)
        admission = self.door.admission
        try:
            if transport is None:
                raise ToolUnavailable(f"The source {tool.source} is not connected.")
            await self._still_pinned(transport, tool)
            result = await self.door.carry(transport, self.caller, tool, self._to_be_sent(tool), self.key)
        except Halted:
            await self.door._write_off(recorded, self.log, None, used=recorded.permit["hold"])  # noqa: SLF001 -- one door
            raise
        except ToolUnreachable as silent:
            admission.unreachable(tool.source)
            # Certain of this sending alone: what an earlier one did under the same key, it cannot say.
            sure = isinstance(silent, ToolUnavailable) and not again
            if not tool.sink or sure:
                used = 0 if sure else recorded.permit["hold"]
                await self.door._write_off(recorded, self.log, None, used=used)  # noqa: SLF001 -- one door
            # A write whose effect is not known stays open: the next attempt finishes it under the same key.
            raise
        admission.answered(tool.source)
        return await self.settle(tool, recorded, result)

    def _to_be_sent(self, tool: Tool) -> Call:
        """The call as its transport gets it: what policy wants masked leaves for no model, and comes in no pieces."""
        if self.redaction is None:
            return self.call
        arguments = self.redaction.of(self.call.arguments) if tool.model else self.call.arguments
        return replace(self.call, arguments=arguments, on_part=None, line=None)

    def _redacted(self, result: ToolResult) -> ToolResult:
        if self.redaction is None:
            return result
        return replace(
            result,
            content=self.redaction.of(result.content),
            error=self.redaction.of(result.error),
            raw=self.redaction.of(result.raw),
        )

    async def _still_pinned(self, transport: Transport, tool: Tool) -> None:
        """A source that connected anew since the intent was recorded is looked at anew; nothing was sent yet."""
        try:
            await self.door.pins.look(self.door.controls.registry, transport, tool, self._to_be_sent(tool).line)
        except PinBroken as broken:
            raise ToolUnavailable(broken.detail, rule=broken.rule) from broken

    async def settle(self, tool: Tool, recorded: Recorded, result: ToolResult) -> Answer:
        """Put the outcome of a call on record and turn its hold into what was used."""
        door, caller, permit = self.door, self.caller, recorded.permit
        result = self._redacted(as_promised(tool, result))
        pointer, body = door.vault.seal(caller.mission, _told(result))
        raw = door.vault.seal(caller.mission, result.raw) if result.raw is not None else None
        size = max(body.plain_size, raw[1].plain_size if raw else 0)
        if (shorter := too_long(tool, result, size)) is not result:
            result, raw = shorter, None
            pointer, body = door.vault.seal(caller.mission, _told(result))
        content = _told(result)
        bodies = [body, *([raw[1]] if raw else [])]
        raw_cid = raw[0].cid if raw else ""
        label = label_of_answer(tool, self.tape.label)
        known = []
        if result.error is None:
            known = [[origin, path, self._digest(text)] for origin, path, text in fields_seen(tool, content)]
        hold = permit["hold"]
        cost = result.usage.cost
        used = hold if cost is None else min(cost.micros, hold)
        payload = {
            "key": self.key,
            "try": permit["try"],
            "ok": result.error is None,
            "result": pointer.cid,
            "used": used,
            "tokens": [result.usage.tokens_in, result.usage.tokens_out],
            "known": known,
            **label_fields(label),
            **({"raw": raw_cid} if raw_cid else {}),
            **({"redacted": dict(self.redaction.found)} if self.redaction and self.redaction.found else {}),
        }
        draft = Draft(
            stream=recorded.stream,
            kind="call.done",
            payload=payload,
            actor=f"agent:{caller.agent}",
            at_us=_now_us(door.clock),
            fact=f"done/{self.key}/{permit['try']}",
        )
        settled = BudgetPath(*permit["budget"]).settle(hold, used) if hold else ()
        # An outcome is taken from any epoch: a real effect is never forgotten.
        drafts = [draft]
        if result.error is None and self.tape.ending is not None:
            drafts.append(self.tape.ending(pointer.cid, label))
        entry, *ended = await door.journal.commit(Commit(tuple(drafts), (*settled, *bodies)))
        self.log.apply(entry)
        self.tape.written(ended)
        self.tape.label = self.tape.label.join(label)
        if result.error is not None:
            raise ToolFailed(result.error, rule=f"{tool.name}_failed", raw=result.raw)
        return Answer(content, label, recorded=False, raw=result.raw)

    def _draft(self, kind: str, payload: Mapping[str, Any], *, fact: str | None = None) -> Draft:
        return Draft(
            stream=self.caller.stream,
            kind=kind,
            payload=payload,
            actor=f"agent:{self.caller.agent}",
            at_us=_now_us(self.door.clock),
            fact=fact,
        )


def _told(result: ToolResult) -> Any:
    return result.content if result.error is None else {"error": result.error}


def _check_granted(principal: Principal, caller: Caller, tool: Tool) -> None:
    refusing = _refusing_link(principal, caller.mission_tools, caller.agent_tools, tool.name)
    if refusing is LinkKind.PRINCIPAL:
        raise RightsExceeded(f"{principal.id} may not use {tool.name}, so no agent may on their behalf.")
    if refusing is not None:
        raise NotGranted(f"The {refusing} was not given {tool.name}.", rule=f"{refusing}_grant")
    if caller.bounds.tools != ("*",) and not covers(caller.bounds.tools, tool.name):
        raise NotGranted(f"The token does not name {tool.name}.", rule="token_grant")


@lru_cache(maxsize=4096)
def _refusing_link(
    principal: Principal, mission_tools: tuple[str, ...], agent_tools: tuple[str, ...], tool: str
) -> LinkKind | None:
    chain = Delegation.of(principal).mission("", mission_tools).agent("", agent_tools)
    link = chain.refused_by(tool)
    return None if link is None else link.kind


@lru_cache(maxsize=64)
def _checks(transport: type) -> bool:
    return issubclass(transport, Checking)


@lru_cache(maxsize=64)
def _is_priced(transport: type) -> bool:
    # Asking the protocol itself costs as much as a decision of policy does.
    return issubclass(transport, Priced)


@lru_cache(maxsize=64)
def _relays(transport: type) -> bool:
    return issubclass(transport, Relay)


@lru_cache(maxsize=64)
def _delegates(transport: type) -> bool:
    return issubclass(transport, Delegating)


def _check_can_be_met(decision: Decision) -> None:
    """Refuse a permit with an obligation that this door cannot meet: an unmet obligation is a deny."""
    for owed in decision.obligations:
        if owed.kind not in {"approval", "redact"}:
            raise NotBuilt(f"{owed.policy} wants more of this call: {owed.message}.", rule=owed.rule)


def _in_shadow(decision: Decision) -> dict[str, Any]:
    """What policies in shadow would have done, for the record: names alone, values are in no entry."""
    shadow = decision.shadow
    if shadow is None:
        return {}
    rules = sorted({f"{s.policy}:{s.rule}" for s in shadow.spoken if s.effect != "note"})
    return {"shadow": {"answer": shadow.answer, "differs": shadow.differs, "rules": rules}}


def _denied(decision: Decision) -> Refusal:
    spoke = [s for s in decision.spoken if s.effect == "deny"]
    told = "; ".join(s.public for s in spoke)
    message = f"{told[:1].upper()}{told[1:]}"
    if any(s.rule == "no_policy" for s in spoke):
        return NoPolicy(message, rule="no_policy")
    return PolicyDenied(message, rule=spoke[0].rule if spoke else "policy_denied")


def _amount(tool: Tool, arguments: Mapping[str, Any]) -> Money | None:
    try:
        return tool.amount_of(arguments)
    except ValueError:
        # The cause quotes what was written, which may be anything.
        raise PolicyDenied(
            "The value of the role amount, or of currency, cannot be read: expected decimal text with at most six "
            "decimals, and a code of three letters.",
            rule="amount_unreadable",
        ) from None


def _now_us(clock: Clock) -> int:
    return micros_of(clock.now())


def micros_of(instant: datetime) -> int:
    """Microseconds since 1970-01-01 UTC."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
