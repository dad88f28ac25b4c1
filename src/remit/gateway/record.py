"""What the door puts on record: the intent before a call, its outcome and settlement after it, and each refusal."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from remit.budgets import CURRENCY, BudgetPath
from remit.errors import Fault, Halted, PriceUnknown, RecordBehind, RemitError, StreamMoved, ToolFailed, catalogue
from remit.gateway.call import Caller
from remit.gateway.call_log import CallLog, Recorded
from remit.gateway.flow import fields_seen
from remit.gateway.halts import halts_stream, learn_halts
from remit.gateway.labels import label_fields, label_of_answer
from remit.gateway.results import as_promised, too_long
from remit.gateway.transport import Effects, Priced, ToolResult
from remit.gateway.way import Answer, DoorParts, Way, now_us
from remit.ledger import Commit, Draft, Entry, Write
from remit.policy import Decision, Request
from remit.tools import Tool

_LOG = logging.getLogger("remit.door")


async def record_refusal(way: Way, no: RemitError) -> None:
    """Put the refusal on record with its rule; the explanation stands sealed."""
    if isinstance(no, RecordBehind):
        # The refusal says that no more is kept; the log has it.
        _LOG.error("refusal not on record: %s %s", way.call.tool, no.code)
        return
    vault, caller = way.door.vault, way.caller
    why, why_body = vault.seal(caller.mission, no.to_json())
    args, args_body = vault.seal(caller.mission, dict(way.call.arguments))
    payload = {
        "tool": way.call.tool,
        "code": no.code,
        "rule": no.rule,
        "args": args.cid,
        "why": why.cid,
        **(_in_shadow(way.asked[0]) if way.asked else {}),
    }
    commit = Commit((_draft(way, "call.refused", payload),), (why_body, args_body))
    try:
        await way.door.journal.commit(commit)
    except Fault as unwritable:
        # The refusal stands all the same; where the record cannot be reached, the log has it.
        _LOG.error("refusal not on record: %s %s (%s)", way.call.tool, no.code, unwritable.code)


async def record_intent(way: Way, tool: Tool, action: str) -> Recorded:
    """Hold the call's worst case on its whole path and record the permit, in one commit.

    Raises:
        BudgetExhausted: it does not fit.
        DriverReplaced: this process's lease is over.
        Halted: a halt was written since the call was looked at.
        MissionEnded: it takes no more calls.
    """
    door, caller = way.door, way.caller
    assert way.asked is not None
    decision, request = way.asked
    path = _path_of(caller)
    worst = _worst_case(way, tool)
    drawn = way.log.draw(caller.step, caller.reserve_usd_micros, worst) if caller.reserve_usd_micros else 0
    tried = way.log.tries(caller.step, way.key) + 1
    payload = {
        "key": way.key,
        "try": tried,
        "nth": way.call.occurrence,
        **_what(way, tool, request),
        "action": action,
        "progress": way.progress,
        "rules": list(decision.rules),
        "policy": decision.policy_hash,
        "leave": way.granted,
        **({"added": True} if way.outside_plan else {}),
        # Whoever takes the session over leaves alone what a process that lives still carries.
        **({"by": door.member} if door.member and caller.lease else {}),
        "hold": worst,
        **({"drawn": drawn} if drawn else {}),
        "budget": path.to_json(),
        **_in_shadow(decision),
    }
    permit = _draft(way, "call.permitted", payload, fact=f"permit/{way.key}/{tried}")
    claim, way.tape.claim = way.tape.claim, None
    of_claim = way.tape.claimed_with if claim is not None else ()
    commit = Commit(
        (permit,) if claim is None else (claim, permit),
        (*_held_before(way, path, worst, drawn), *of_claim),
        epoch=caller.epoch,
        lease=way.lease,
        also=caller.also,
        open=(caller.mission_stream,),
    )
    try:
        *claimed, entry = await _unless_halted(way, tool, commit)
    finally:
        way.log.drew(caller.step, drawn)
    way.tape.written(claimed)
    door.opened.update((path.agent_balance, path.names[0]))
    way.log.release(way.key)
    way.log.apply(entry)
    recorded = way.log.last(caller.step, way.key)
    assert recorded is not None
    return recorded


def _path_of(caller: Caller) -> BudgetPath:
    bounds = caller.bounds
    return BudgetPath(
        caller.tenant,
        caller.mission,
        caller.agent_name,
        bounds.token,
        bounds.parent,
        bounds.further,
        bounds.tokens_above,
    )


def _held_before(way: Way, path: BudgetPath, worst: int, drawn: int) -> list[Write]:
    """What becomes durable with an intent: its worst case held, and its arguments where they are not kept yet."""
    door, caller = way.door, way.caller
    writes: list[Write] = []
    if path.agent_balance not in door.opened:
        writes.append(path.open_agent(caller.budget_usd_micros))
    if path.token and path.names[0] not in door.opened:
        writes.append(path.open_token(caller.bounds.budget_usd_micros))
    if worst:
        writes += path.hold_drawing(worst, drawn) if drawn else path.hold(worst)
    if way.call.sealed != way.arguments_digest:
        _, args_body = door.vault.seal(caller.mission, dict(way.call.arguments))
        writes.append(args_body)
    return writes


async def _unless_halted(way: Way, tool: Tool, commit: Commit) -> tuple[Entry, ...]:
    """Commit an intent; where halts moved meanwhile, look whether one covers it, and if not, commit it after all."""
    door, caller = way.door, way.caller
    while True:
        try:
            return await door.journal.commit(replace(commit, expect=((halts_stream(caller.tenant), way.halts_at),)))
        except StreamMoved:
            await learn_halts(door)
            if door.controls.halts_at == way.halts_at:
                raise
            way.halts_at = door.controls.halts_at
            if scope := door.controls.halted(agent=caller.agent, tool=tool.name, mission=caller.mission):
                raise Halted(f"{scope} is halted.") from None


def _what(way: Way, tool: Tool, request: Request) -> dict[str, Any]:
    return {
        "tool": tool.name,
        "pin": tool.pin,
        "sink": tool.sink,
        "model": tool.model,
        **({"prompt": list(way.call.prompt)} if way.call.prompt else {}),
        "args": way.arguments_digest,
        "amount": [request.amount.micros, request.amount.currency] if request.amount else None,
        "payee": way.payee(request.payee),
    }


async def settle(way: Way, tool: Tool, recorded: Recorded, result: ToolResult) -> Answer:
    """Put the outcome of a call on record and turn its hold into what was used.

    Raises:
        ToolFailed: the tool said no; one of Remit's own says it with an error of the catalogue.
        StreamMoved: what a tool of Remit's own changes stands elsewhere by now; nothing was written.
        DriverReplaced: it would change the record, and this process's lease is over.
    """
    door, caller, permit = way.door, way.caller, recorded.permit
    effects = result.effects or Effects()
    result = _redacted(way, as_promised(tool, result))
    pointer, body = door.vault.seal(caller.mission, _told(result))
    raw = door.vault.seal(caller.mission, result.raw) if result.raw is not None else None
    size = max(body.plain_size, raw[1].plain_size if raw else 0)
    if (shorter := too_long(tool, result, size)) is not result:
        result, raw = shorter, None
        pointer, body = door.vault.seal(caller.mission, _told(result))
    content = _told(result)
    bodies = [body, *([raw[1]] if raw else [])]
    raw_cid = raw[0].cid if raw else ""
    label = effects.label if tool.own else label_of_answer(tool, way.tape.label)
    known = []
    if result.error is None:
        known = [[origin, path, way.digest(text)] for origin, path, text in fields_seen(tool, content)]
    cost = result.usage.cost
    used = permit["hold"] if cost is None else min(cost.micros, permit["hold"])
    payload = {
        "key": way.key,
        "try": permit["try"],
        "ok": result.error is None,
        "result": pointer.cid,
        "used": used,
        "tokens": [result.usage.tokens_in, result.usage.tokens_out],
        "known": known,
        **label_fields(label),
        **({"raw": raw_cid} if raw_cid else {}),
        **({"upto": effects.upto} if effects.upto else {}),
        **({"redacted": dict(way.redaction.found)} if way.redaction and way.redaction.found else {}),
    }
    drafts = [_outcome(door, recorded, "call.done", payload, actor=f"agent:{caller.agent}")]
    if result.error is None and way.tape.ending is not None:
        drafts.append(way.tape.ending(pointer.cid, label))
    commit = Commit(
        (*drafts, *effects.entries),
        (*_settled(recorded, used), *bodies, *effects.writes),
        effects.expect,
        # An outcome is taken from any epoch: a real effect is never forgotten. What is not done yet is decided anew.
        epoch=caller.epoch if effects.expect else None,
        lease=way.lease,
    )
    entry, *ended = await door.journal.commit(commit)
    way.log.apply(entry)
    way.tape.written(ended)
    way.tape.label = way.tape.label.join(label)
    way.tape.consumed.update(way.log.writes_upto(caller.step, effects.upto))
    if result.error is not None:
        raise failure_of(tool, content, result.raw)
    return Answer(content, label, recorded=False, raw=result.raw)


def failure_of(tool: Tool, told: Mapping[str, Any], raw: Mapping[str, Any] | None) -> RemitError:
    """The tool's no as an error: that of the catalogue where the tool is Remit's own."""
    kind = catalogue().get(told["code"]) if tool.own and "code" in told else None
    if kind is None:
        return ToolFailed(told["error"], rule=f"{tool.name}_failed", raw=raw)
    return kind(told["error"], rule=told["rule"])


async def write_off(
    door: DoorParts, recorded: Recorded, log: CallLog, *, used: int, fence: tuple[str, int] | None = None
) -> None:
    """Record that a call's answer was lost, and settle its hold at `used` micro-units.

    Args:
        door: what is written to.
        recorded: the call.
        log: learns of it.
        used: what it cost at the most.
        fence: the lease and its epoch without which it may not be said; None from whoever made the call.
    """
    payload = {
        "key": recorded.permit["key"],
        "try": recorded.permit["try"],
        "ok": False,
        "result": "",
        "used": used,
        "tokens": [0, 0],
        "known": [],
        "trusted": False,
    }
    draft = _outcome(door, recorded, "call.lost", payload, actor="remit")
    commit = Commit((draft,), _settled(recorded, used))
    if fence is not None:
        commit = replace(commit, lease=fence[0], epoch=fence[1])
    for entry in await door.journal.commit(commit):
        log.apply(entry)


def _settled(recorded: Recorded, used: int) -> tuple[Write, ...]:
    permit = recorded.permit
    return BudgetPath.from_json(permit["budget"]).settle(permit["hold"], used) if permit["hold"] else ()


def _outcome(door: DoorParts, recorded: Recorded, kind: str, payload: Mapping[str, Any], *, actor: str) -> Draft:
    permit = recorded.permit
    return Draft(
        stream=recorded.stream,
        kind=kind,
        payload=payload,
        actor=actor,
        at_us=now_us(door.clock),
        fact=f"done/{permit['key']}/{permit['try']}",
    )


def _draft(way: Way, kind: str, payload: Mapping[str, Any], *, fact: str | None = None) -> Draft:
    return Draft(
        stream=way.caller.stream,
        kind=kind,
        payload=payload,
        actor=f"agent:{way.caller.agent}",
        at_us=now_us(way.door.clock),
        fact=fact,
    )


def _worst_case(way: Way, tool: Tool) -> int:
    transport = way.transport(tool)
    worst = tool.cost
    if transport is not None and _is_priced(type(transport)):
        worst = cast("Priced", transport).worst_case(way.call.arguments)
    if worst is None:
        return 0
    if worst.currency != CURRENCY:
        rates = way.door.controls.rates
        converted = rates.convert(worst, CURRENCY) if rates else None
        if converted is None:
            raise PriceUnknown(f"{tool.name} costs {worst}, and there is no rate to {CURRENCY}.")
        worst = converted
    return worst.micros


@lru_cache(maxsize=64)
def _is_priced(transport: type) -> bool:
    # Asking the protocol itself costs as much as a decision of policy does.
    return issubclass(transport, Priced)


def _redacted(way: Way, result: ToolResult) -> ToolResult:
    if way.redaction is None:
        return result
    return replace(
        result,
        content=way.redaction.of(result.content),
        error=way.redaction.of(result.error),
        raw=way.redaction.of(result.raw),
    )


def _told(result: ToolResult) -> Any:
    if result.error is None:
        return result.content
    return {"error": result.error, **({"code": result.code, "rule": result.rule} if result.code else {})}


def _in_shadow(decision: Decision) -> dict[str, Any]:
    """What policies in shadow would have done, for the record: names alone, values are in no entry."""
    shadow = decision.shadow
    if shadow is None:
        return {}
    rules = sorted({f"{s.policy}:{s.rule}" for s in shadow.spoken if s.effect != "note"})
    return {"shadow": {"answer": shadow.answer, "differs": shadow.differs, "rules": rules}}
