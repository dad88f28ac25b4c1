"""Folding: what each event makes of a mission. Pure, and stable across releases."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from immutables import Map

from remit.errors import StoreTooNew
from remit.ids import ApprovalId, StepId
from remit.ledger import Entry
from remit.missions import events
from remit.missions.events import read_event
from remit.missions.state import (
    EXPIRED,
    MISSION_OVER,
    OVERTAKEN,
    MissionState,
    MissionStatus,
    StepState,
    StepStatus,
    Verdict,
)
from remit.planning import Step, StepKind
from remit.tools import Confidentiality, Label

_Key = TypeVar("_Key")


def evolve(state: MissionState, entry: Entry) -> MissionState:
    """The mission after one more entry of its stream.

    Raises:
        StoreTooNew: the entry was written by a newer release; this one must let the mission go.
    """
    event = read_event(entry)
    if event is None:
        raise StoreTooNew(f"{entry.ref} is of kind {entry.kind} version {entry.version}.")
    after = _FOLDS[type(event)](state, event, entry.at_us)
    return after._replace(version=entry.seq)


def _submitted(state: MissionState, event: events.MissionSubmitted, at_us: int) -> MissionState:
    begun = state._replace(
        status=MissionStatus.WORKING, submitted=event, submitted_at_us=at_us, person_values=event.known
    )
    return _add_steps(begun, event.steps, None)


def _plan_extended(state: MissionState, event: events.PlanExtended, _at_us: int) -> MissionState:
    proposer = StepId(event.by)
    steps = state.proposed[proposer]
    return _add_steps(state._replace(proposed=state.proposed.delete(proposer)), steps, proposer)


def _plan_rejected(state: MissionState, event: events.PlanRejected, _at_us: int) -> MissionState:
    proposer = StepId(event.by)
    rejected = state.steps[proposer]._replace(
        status=StepStatus.FAILED,
        code="invalid_plan",
        rules=("invalid_plan",),
        detail=event.faults,
    )
    return state._replace(proposed=_without(state.proposed, proposer), steps=state.steps.set(proposer, rejected))


def _plan_proposed(state: MissionState, event: events.PlanProposed, _at_us: int) -> MissionState:
    return state._replace(proposed=state.proposed.set(StepId(event.step), event.steps))


def _started(state: MissionState, event: events.StepStarted, at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]
    if step.status.ended:
        return state  # claimed by a driver that had not heard of its late outcome yet
    first = step.started_at_us or at_us
    running = step._replace(
        status=StepStatus.RUNNING, runs=event.run, agent=event.agent, started_at_us=first, code="", rules=()
    )
    if _is_connected(step):
        return state._replace(steps=state.steps.set(name, running))
    return state._replace(
        steps=state.steps.set(name, running),
        ready=_without(state.ready, name),
        running=state.running.set(name, None),
    )


def _succeeded(state: MissionState, event: events.StepSucceeded, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]
    if step.status.ended:
        return state  # a late outcome of an earlier run: on record, and nothing changes
    return _end(
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
    step = state.steps[name]
    if step.status.ended or event.run < step.runs:
        return state  # of an earlier run: a later one is under way
    told = step._replace(runs=event.run, code=event.code, rules=event.rules, retryable=event.retryable, why=event.why)
    if event.retryable and step.attempt < step.step.attempts_max:
        # Not ended yet: `decide` says whether it is tried again.
        waiting = told._replace(status=StepStatus.PENDING)
        return state._replace(
            steps=state.steps.set(name, waiting),
            running=_without(state.running, name),
            failed=state.failed.set(name, None),
        )
    return _end(state, told._replace(status=StepStatus.REFUSED if event.refused else StepStatus.FAILED))


def _interrupted(state: MissionState, event: events.StepInterrupted, _at_us: int) -> MissionState:
    name = StepId(event.step)
    if state.steps[name].status.ended or event.run < state.steps[name].runs:
        return state
    step = state.steps[name]._replace(status=StepStatus.READY, runs=event.run, code=event.code)
    return state._replace(
        steps=state.steps.set(name, step),
        running=_without(state.running, name),
        ready=state.ready.set(name, None),
    )


def _retried(state: MissionState, event: events.StepRetried, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]._replace(
        status=StepStatus.READY,
        attempt=event.attempt,
        started_at_us=0,
        not_before_us=event.not_before_us,
    )
    return state._replace(
        steps=state.steps.set(name, step),
        failed=_without(state.failed, name),
        ready=state.ready.set(name, None),
    )


def _suspended(state: MissionState, event: events.StepSuspended, _at_us: int) -> MissionState:
    name = StepId(event.step)
    if state.steps[name].status.ended:
        return state._replace(answered=state.answered.set(ApprovalId(event.approval), OVERTAKEN))
    step = state.steps[name]._replace(runs=event.run)
    approvals = state.approvals.set(ApprovalId(event.approval), event)
    running = _without(state.running, name)
    ready = _without(state.ready, name)
    if not event.proposed:
        waiting = step._replace(status=StepStatus.WAITING, rules=event.rules, code=event.about)
        return state._replace(steps=state.steps.set(name, waiting), running=running, ready=ready, approvals=approvals)
    (proposed,) = event.proposed
    child = StepState(
        proposed,
        StepStatus.WAITING,
        rules=event.rules,
        code=event.about,
        proposed_by=name,
        answers_step=name,
        answers_call=event.call,
    )
    # An agent outside goes on with other work; every other step stands still until its call is answered.
    steps = state.steps.set(proposed.id, child)
    if not _is_connected(step):
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
        approvals=_without(state.approvals, approval),
        answered=state.answered.set(approval, f"{event.verdict} by {event.by}"),
        person_values=(*state.person_values, *event.known),
    )
    if event.verdict == "reject":
        rejected = step._replace(status=StepStatus.REFUSED, rules=(*step.rules, "rejected"), code="rejected")
        return _end(state, rejected._replace(why=event.note))
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
    if _is_connected(step):
        going_on = step._replace(status=StepStatus.RUNNING, verdict=verdict, code="", rules=())
        return state._replace(steps=state.steps.set(name, going_on))
    go_on = step._replace(step=plan, status=StepStatus.READY, verdict=verdict, code="")
    return state._replace(steps=state.steps.set(name, go_on), ready=state.ready.set(name, None))


def _expired(state: MissionState, event: events.ApprovalExpired, _at_us: int) -> MissionState:
    approval = ApprovalId(event.approval)
    asked = state.approvals[approval]
    name = asked.proposed[0].id if asked.proposed else StepId(asked.step)
    step = state.steps[name]
    state = state._replace(
        approvals=_without(state.approvals, approval), answered=state.answered.set(approval, EXPIRED)
    )
    return _end(
        state,
        step._replace(status=StepStatus.REFUSED, rules=(*step.rules, "approval_expired"), code="approval_expired"),
    )


def _completed(state: MissionState, _event: events.MissionCompleted, at_us: int) -> MissionState:
    return _over(state, MissionStatus.COMPLETED, at_us)


def _mission_failed(state: MissionState, event: events.MissionFailed, at_us: int) -> MissionState:
    return _over(state, MissionStatus.FAILED, at_us)._replace(code=event.code, detail=event.detail)


def _cancelled(state: MissionState, _event: events.MissionCancelled, at_us: int) -> MissionState:
    return _over(state, MissionStatus.CANCELLED, at_us)


def _over(state: MissionState, status: MissionStatus, at_us: int) -> MissionState:
    """The mission has ended: nobody needs to be asked any more."""
    answered = state.answered.update(dict.fromkeys(state.approvals, MISSION_OVER))
    return state._replace(status=status, ended_at_us=at_us, approvals=Map(), answered=answered)


_FOLDS: dict[type[events.Event], Callable[[MissionState, Any, int], MissionState]] = {
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
}


def _add_steps(state: MissionState, added: tuple[Step, ...], proposer: StepId | None) -> MissionState:
    steps, dependents, ready = state.steps, state.dependents, state.ready
    for step in added:
        # Steps of one plan may stand in any order: one that is not there yet has not ended.
        unmet = [other for other in step.after if other not in steps or not steps[other].status.ended]
        for other in unmet:
            dependents = dependents.set(other, (*dependents.get(other, ()), step.id))
        status = StepStatus.PENDING if unmet else StepStatus.READY
        added_step = StepState(step, status, unmet=len(unmet), proposed_by=proposer)
        steps = steps.set(step.id, added_step)
        if not unmet and not _is_connected(added_step):
            ready = ready.set(step.id, None)
    return state._replace(steps=steps, dependents=dependents, ready=ready, open_steps=state.open_steps + len(added))


def _end(state: MissionState, ended: StepState) -> MissionState:
    """Record that a step has ended, and make ready what waited for it last."""
    name = ended.step.id
    if state.steps[name].status is StepStatus.WAITING:
        state = _without_questions_of(state, name)
    steps = state.steps.set(name, ended)
    ready = _without(state.ready, name)
    for waiting in state.dependents.get(name, ()):
        step = steps[waiting]
        status = step.status
        if step.unmet == 1 and status is StepStatus.PENDING:
            status = StepStatus.READY
            ready = ready.set(waiting, None)
        steps = steps.set(waiting, step._replace(unmet=step.unmet - 1, status=status))
    if ended.answers_step is not None and steps[ended.answers_step].status is StepStatus.BLOCKED:
        # The step that proposed this call goes on from its tape; the call is answered from this step.
        steps = steps.set(ended.answers_step, steps[ended.answers_step]._replace(status=StepStatus.READY))
        ready = ready.set(ended.answers_step, None)
    return state._replace(
        steps=steps,
        ready=ready,
        running=_without(state.running, name),
        failed=_without(state.failed, name),
        open_steps=state.open_steps - 1,
    )


def _is_connected(step: StepState) -> bool:
    """True for the work of an agent outside: it is never among the steps that a driver may claim."""
    return step.step.kind is StepKind.CONNECTED


def _without_questions_of(state: MissionState, name: StepId) -> MissionState:
    """An outcome came before the answer: nobody needs to be asked any more."""
    for approval, asked in state.approvals.items():
        if name == (asked.proposed[0].id if asked.proposed else asked.step):
            state = state._replace(
                approvals=state.approvals.delete(approval),
                answered=state.answered.set(approval, OVERTAKEN),
            )
    return state


def _without(mapping: Map[_Key, Any], key: _Key) -> Map[_Key, Any]:
    return mapping.delete(key) if key in mapping else mapping
