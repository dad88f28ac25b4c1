"""Where a run of a step meets a person: what is put to them, and how it goes on from their answer."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from remit.approvals import ApprovalRecord
from remit.errors import EffectUncertain, Refusal, RemitError
from remit.gateway import Call, Question, Suspended, micros_of
from remit.ids import ApprovalId, StepId
from remit.ledger import PutRecord
from remit.missions import events
from remit.missions.cases import case_for
from remit.missions.running import Running
from remit.missions.state import ESCALATED
from remit.planning import Step, StepKind
from remit.policy import Patience

_HOUR_US = 3_600_000_000
#: How long a question that no policy bounds stays open.
_EXPIRES_HOURS = 24 * 30


async def suspend(run: Running, wait: Suspended, fact: str = "") -> ApprovalId:
    """Put a question on record and end the run with it; a call of an agent becomes a step that waits for the answer."""
    proposed = _carries_out(run, wait)
    ask = await run.read_body(run.step.ask) if run.step.ask else {}
    case, answers = case_for(run.step, wait, ask, run.agent)
    case_cid, case_body = run.seal(case)
    approval = ApprovalId(run.ids.new("apr"))
    now = run.clock.now()
    event = events.StepSuspended(
        run.name,
        run.held.attempt,
        run.number,
        approval,
        proposed,
        wait.key if proposed else "",
        wait.about,
        tuple(dict.fromkeys(question.rule for question in wait.questions)),
        wait.binds,
        wait.approvers or ("role:approver",),
        micros_of(now + timedelta(hours=wait.expires_hours)),
        answers,
        case_cid,
        *_noticed(wait.patience, micros_of(now)),
    )
    record = ApprovalRecord(
        approval,
        run.mission.id,
        proposed[0].id if proposed else run.name,
        wait.about,
        event.rules,
        event.approvers,
        answers,
        micros_of(now),
        event.expires_at_us,
        case_cid,
        escalate_at_us=event.escalate_at_us,
        escalate_to=event.escalate_to,
    )
    put = PutRecord("approval", approval, record.to_json())
    # A question is no outcome: a driver that was replaced asks none, as the next one will.
    await run.commit([run.draft(event, fact=fact or run.fact("end"))], [case_body, *run.blobs, put], fenced=True)
    return approval


async def ask(run: Running) -> None:
    """Put a step's own question to a person, or end the step with their answer."""
    given = await run.read_body(run.step.input)
    verdict = run.held.verdict
    if verdict is None:
        await suspend(run, _plain(Call("", given, 0, run.step.ask_rules), run.step.ask_rules, "question"))
        return
    note = await run.read_body(verdict.note) if verdict.note else None
    cid, body = run.seal({"verdict": verdict.verdict, "by": verdict.by, "note": note, "given": given})
    ended = run.success(cid, replace(run.tape.label, trusted=True))
    await run.commit([run.claim_draft(), ended], [body], fenced=True)


async def ask_what_now(run: Running) -> None:
    """The step's attempts are used up: a person says whether it is tried again or left as it is."""
    why = await run.read_body(run.held.why) if run.held.why else {}
    about = {"title": f"{run.name} did not end well: {run.held.code}", "evidence": [why]}
    await suspend(run, _plain(Call("", about), run.held.rules, ESCALATED))


async def end_failed(run: Running, error: RemitError) -> None:
    """Put on record that the run ended with this error; where a write's effect is unknown, a person is asked first."""
    if isinstance(error, EffectUncertain) or _effect_unknown(run, error):
        await suspend(run, await _uncertain(run, error))
        return
    cid, body = run.seal(error.to_json())
    failed = events.StepFailed(
        run.name,
        run.held.attempt,
        run.number,
        error.code,
        (error.rule,),
        refused=isinstance(error, Refusal),
        retryable=error.retryable,
        why=cid,
    )
    await run.commit([run.draft(failed, fact=run.fact("end"))], [body], fenced=not run.claimed)


def _plain(call: Call, rules: Sequence[str], about: str) -> Suspended:
    """A question that no policy asks: for every approver, and open for long."""
    questions = tuple(Question(rule, "") for rule in rules)
    return Suspended(
        call, key="", binds=(), questions=questions, approvers=(), expires_hours=_EXPIRES_HOURS, about=about
    )


def _carries_out(run: Running, wait: Suspended) -> tuple[Step, ...]:
    """The step that will make an agent's call once a person lets it; none where the step itself goes on."""
    agents_call = run.step.kind in {StepKind.SKILL, StepKind.CONNECTED}
    if not agents_call or wait.about in {"effect_uncertain", ESCALATED}:
        return ()
    count = sum(1 for step in run.mission.state.steps.values() if step.proposed_by == run.name)
    cid, body = run.seal(dict(wait.call.arguments))
    run.blobs.append(body)
    return (Step(StepId(f"{run.name}~{count + 1}"), StepKind.TOOL, wait.call.tool, cid),)


def _effect_unknown(run: Running, error: RemitError) -> bool:
    """A write of this step has no outcome on record, and no other attempt will ask for it again."""
    again = run.step.tried_again(run.held.tries, error.code, retryable=error.retryable)
    return not again and bool(run.open_writes())


async def _uncertain(run: Running, error: RemitError) -> Suspended:
    call, keys = Call(run.step.target, {}), run.open_writes()[:1]  # one question for each call
    for key in keys:
        recorded = run.mission.log.last(run.name, key)
        assert recorded is not None
        call = Call(recorded.permit["tool"], await run.read_body(recorded.permit["args"]))
    questions = [Question("effect_uncertain", error.detail)]
    if error.rule == "diverged":
        questions.append(Question("diverged", ""))
    return Suspended(
        call,
        key="",
        binds=tuple(keys),
        questions=tuple(questions),
        approvers=(),
        expires_hours=_EXPIRES_HOURS,
        about="effect_uncertain",
    )


def _noticed(patience: Patience, asked_at_us: int) -> tuple[tuple[int, ...], int, tuple[str, ...]]:
    """When reminders and the escalation of a question are due, and to whom it is escalated."""
    remind = tuple(asked_at_us + round(hours * _HOUR_US) for hours in patience.remind_hours)
    escalate = asked_at_us + round(patience.escalate_hours * _HOUR_US) if patience.escalate_hours else 0
    return remind, escalate, patience.escalate_to if escalate else ()
