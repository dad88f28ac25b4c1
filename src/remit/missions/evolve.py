"""Folding: what each event makes of a mission. Pure, and stable across releases."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from immutables import Map

from remit.errors import StoreTooNew
from remit.ids import ApprovalId, StepId
from remit.ledger import Entry
from remit.missions import events
from remit.missions.event import Event
from remit.missions.events import read_event
from remit.missions.evolve_control import CONTROL_FOLDS
from remit.missions.flow_folds import FLOW_FOLDS
from remit.missions.folding import add_steps, end_step, is_connected, let_go, without
from remit.missions.notices import NOTICE_FOLDS
from remit.missions.state import (
    ESCALATED,
    EXPIRED,
    MISSION_OVER,
    OVERTAKEN,
    MissionState,
    MissionStatus,
    StepState,
    StepStatus,
    Verdict,
)
from remit.missions.undo import UNDO_FOLDS
from remit.planning import OnFailure
from remit.tools import Confidentiality, Label


def evolve(state: MissionState, entry: Entry) -> MissionState:
    """The mission after one more entry of its stream.

    Raises:
        StoreTooNew: the entry was written by a newer release; this one must let the mission go.
    """
    event = read_event(entry)
    if event is None:
        raise StoreTooNew(f"{entry.ref} is of kind {entry.kind} version {entry.version}.")
    before = state._replace(woken=()) if state.woken else state
    after = _FOLDS[type(event)](before, event, entry.at_us)
    return after._replace(version=entry.seq)


_FactOfStep = (
    events.StepStarted | events.StepSucceeded | events.StepFailed | events.StepInterrupted | events.StepSuspended
)


def _held(state: MissionState, event: _FactOfStep) -> StepState | None:
    """The step that a fact tells of; None where it left the plan, or a person had it done again since."""
    held = state.steps.get(StepId(event.step))
    return None if held is None or event.attempt < held.first_attempt else held


def _submitted(state: MissionState, event: events.MissionSubmitted, at_us: int) -> MissionState:
    begun = state._replace(
        status=MissionStatus.WORKING, submitted=event, submitted_at_us=at_us, person_values=event.known
    )
    return add_steps(begun, event.steps, None)


def _plan_extended(state: MissionState, event: events.PlanExtended, _at_us: int) -> MissionState:
    proposer = StepId(event.by)
    steps = state.proposed[proposer]
    return add_steps(state._replace(proposed=state.proposed.delete(proposer)), steps, proposer)


def _plan_rejected(state: MissionState, event: events.PlanRejected, _at_us: int) -> MissionState:
    proposer = StepId(event.by)
    rejected = state.steps[proposer]._replace(
        status=StepStatus.FAILED,
        code="invalid_plan",
        rules=("invalid_plan",),
        detail=event.faults,
    )
    if rejected.expanded:
        return end_step(state._replace(proposed=without(state.proposed, proposer)), rejected)
    return state._replace(proposed=without(state.proposed, proposer), steps=state.steps.set(proposer, rejected))


def _plan_proposed(state: MissionState, event: events.PlanProposed, _at_us: int) -> MissionState:
    return state._replace(proposed=state.proposed.set(StepId(event.step), event.steps))


def _started(state: MissionState, event: events.StepStarted, at_us: int) -> MissionState:
    name = StepId(event.step)
    if event.reserved_usd_micros:
        state = _reserved(state, name, event.reserved_usd_micros)
    step = _held(state, event)
    if step is None or step.status.ended:
        return state  # claimed by a driver that had not heard of its late outcome yet
    first = step.started_at_us or at_us
    running = step._replace(
        status=StepStatus.RUNNING, runs=event.run, agent=event.agent, started_at_us=first, code="", rules=()
    )
    if is_connected(step):
        return state._replace(steps=state.steps.set(name, running))
    return state._replace(
        steps=state.steps.set(name, running),
        ready=without(state.ready, name),
        running=state.running.set(name, None),
    )


def _reserved(state: MissionState, name: StepId, usd_micros: int) -> MissionState:
    """Money is held so that the step can be undone, whatever becomes of this claim."""
    state = state._replace(reserved_usd_micros=state.reserved_usd_micros + usd_micros)
    held = state.steps.get(name)
    if held is None:
        return state
    kept = held._replace(reserved_usd_micros=held.reserved_usd_micros + usd_micros)
    return state._replace(steps=state.steps.set(name, kept))


def _succeeded(state: MissionState, event: events.StepSucceeded, _at_us: int) -> MissionState:
    step = _held(state, event)
    if step is None or step.status.ended:
        return state  # a late outcome of an earlier run: on record, and nothing changes
    return end_step(
        state,
        step._replace(
            status=StepStatus.SUCCEEDED,
            output=event.output,
            label=Label(event.trusted, Confidentiality(event.confidentiality)),
            code="",
            rules=(),
            why="",
        ),
    )


def _failed(state: MissionState, event: events.StepFailed, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = _held(state, event)
    if step is None or step.status.ended or event.run < step.runs:
        return state  # of an earlier run: a later one is under way
    told = step._replace(runs=event.run, code=event.code, rules=event.rules, retryable=event.retryable, why=event.why)
    if step.step.tried_again(step.tries, event.code, retryable=event.retryable):
        # Not ended yet: `decide` says whether it is tried again.
        waiting = told._replace(status=StepStatus.PENDING)
        return state._replace(
            steps=state.steps.set(name, waiting),
            running=without(state.running, name),
            failed=state.failed.set(name, None),
        )
    if step.step.terms.on_failure is OnFailure.ESCALATE and not step.expanded:  # a list's items were asked about
        return let_go(state, told._replace(escalated=True))
    return end_step(state, told._replace(status=StepStatus.REFUSED if event.refused else StepStatus.FAILED))


def _interrupted(state: MissionState, event: events.StepInterrupted, _at_us: int) -> MissionState:
    held = _held(state, event)
    if held is None or held.status.ended or event.run < held.runs:
        return state
    return let_go(state, held._replace(runs=event.run, code=event.code))


def _retried(state: MissionState, event: events.StepRetried, _at_us: int) -> MissionState:
    step = state.steps[StepId(event.step)]
    return let_go(state, step._replace(attempt=event.attempt, started_at_us=0, not_before_us=event.not_before_us))


def _suspended(state: MissionState, event: events.StepSuspended, _at_us: int) -> MissionState:
    name = StepId(event.step)
    held = _held(state, event)
    if held is None or held.status.ended:
        return state._replace(answered=state.answered.set(ApprovalId(event.approval), OVERTAKEN))
    step = held._replace(runs=event.run)
    approvals = state.approvals.set(ApprovalId(event.approval), event)
    running = without(state.running, name)
    ready = without(state.ready, name)
    if not event.proposed:
        code = step.code if event.about == ESCALATED else event.about
        waiting = step._replace(status=StepStatus.WAITING, rules=event.rules, code=code)
        return state._replace(steps=state.steps.set(name, waiting), running=running, ready=ready, approvals=approvals)
    (proposed,) = event.proposed
    attempt = state.left.get(proposed.id, 0) + 1
    child = StepState(
        proposed,
        StepStatus.WAITING,
        attempt=attempt,
        first_attempt=attempt,
        rules=event.rules,
        code=event.about,
        proposed_by=name,
        answers_step=name,
        answers_call=event.call,
    )
    # An agent outside goes on with other work; every other step stands still until its call is answered.
    steps = state.steps.set(proposed.id, child)
    if not is_connected(step):
        steps = steps.set(name, step._replace(status=StepStatus.BLOCKED))
    return state._replace(
        steps=steps,
        running=running,
        ready=ready,
        approvals=approvals,
        open_steps=state.open_steps + 1,
    )


def _answered(state: MissionState, event: events.ApprovalAnswered, _at_us: int) -> MissionState:
    approval = ApprovalId(event.approval)
    asked = state.approvals[approval]
    name = asked.proposed[0].id if asked.proposed else StepId(asked.step)
    step = state.steps[name]
    state = state._replace(
        approvals=without(state.approvals, approval),
        answered=state.answered.set(approval, f"{event.verdict} by {event.by}"),
        person_values=(*state.person_values, *event.known),
    )
    if asked.about == ESCALATED:
        return _what_now(state, step, event)
    if event.verdict == "reject":
        rejected = step._replace(status=StepStatus.REFUSED, rules=(*step.rules, "rejected"), code="rejected")
        return end_step(state, rejected._replace(why=event.note))
    verdict = Verdict(
        approval,
        event.verdict,
        event.by,
        event.binds,
        event.note,
        steered=event.verdict == "steer",
        uncertain=asked.about == "effect_uncertain",
    )
    plan = replace(step.step, input=event.input) if event.input else step.step
    if is_connected(step):
        going_on = step._replace(status=StepStatus.RUNNING, verdict=verdict, code="", rules=())
        return state._replace(steps=state.steps.set(name, going_on))
    return let_go(state, step._replace(step=plan, verdict=verdict, code=""))


def _what_now(state: MissionState, step: StepState, event: events.ApprovalAnswered) -> MissionState:
    """A person said what follows on a step whose attempts are used up."""
    decided = step._replace(escalated=False)
    if event.verdict == "approve":
        return let_go(state, decided._replace(attempt=step.attempt + 1, started_at_us=0, code="", rules=()))
    return end_step(state, decided._replace(status=StepStatus.FAILED))


def _expired(state: MissionState, event: events.ApprovalExpired, _at_us: int) -> MissionState:
    approval = ApprovalId(event.approval)
    asked = state.approvals[approval]
    name = asked.proposed[0].id if asked.proposed else StepId(asked.step)
    step = state.steps[name]
    state = state._replace(approvals=without(state.approvals, approval), answered=state.answered.set(approval, EXPIRED))
    return end_step(
        state,
        step._replace(status=StepStatus.REFUSED, rules=(*step.rules, "approval_expired"), code="approval_expired"),
    )


def _completed(state: MissionState, _event: events.MissionCompleted, at_us: int) -> MissionState:
    return _over(state, MissionStatus.COMPLETED, at_us)


def _mission_failed(state: MissionState, event: events.MissionFailed, at_us: int) -> MissionState:
    over = _over(state, MissionStatus.FAILED, at_us)
    return over._replace(code=event.code, detail=event.detail, undone=event.undone, not_undone=event.not_undone)


def _cancelled(state: MissionState, event: events.MissionCancelled, at_us: int) -> MissionState:
    over = _over(state, MissionStatus.CANCELLED, at_us)
    return over._replace(undone=event.undone, not_undone=event.not_undone)


def _over(state: MissionState, status: MissionStatus, at_us: int) -> MissionState:
    """The mission has ended: nobody needs to be asked any more."""
    answered = state.answered.update(dict.fromkeys(state.approvals, MISSION_OVER))
    return state._replace(status=status, ended_at_us=at_us, approvals=Map(), answered=answered)


_FOLDS: dict[type[Event], Callable[[MissionState, Any, int], MissionState]] = {
    events.MissionSubmitted: _submitted,
    events.PlanExtended: _plan_extended,
    events.PlanRejected: _plan_rejected,
    events.PlanProposed: _plan_proposed,
    events.StepStarted: _started,
    events.StepSucceeded: _succeeded,
    events.StepFailed: _failed,
    events.StepInterrupted: _interrupted,
    events.StepRetried: _retried,
    events.StepSuspended: _suspended,
    events.ApprovalAnswered: _answered,
    events.ApprovalExpired: _expired,
    events.MissionCompleted: _completed,
    events.MissionFailed: _mission_failed,
    events.MissionCancelled: _cancelled,
    **CONTROL_FOLDS,
    **FLOW_FOLDS,
    **NOTICE_FOLDS,
    **UNDO_FOLDS,
}
