"""Undoing: what a mission that is cancelled or fails takes back before it ends, and in which order. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from immutables import Map

from remit.ids import StepId
from remit.missions import events, undo_events
from remit.missions.event import Event
from remit.missions.folding import add_steps
from remit.missions.state import MISSION_OVER, Ending, MissionState, MissionStatus, StepState, StepStatus
from remit.planning import Step, Terms

#: What a step that undoes another is called after it.
_SUFFIX = "~undo"
#: Attempts at undoing a step.
UNDO_ATTEMPTS = 3


def can_be_undone(held: StepState) -> bool:
    """True for a step whose plan says how it is undone; of a list, each item's step is, not the one that joins."""
    return held.step.terms.compensate is not None and not held.step.terms.each


def something_to_undo(state: MissionState) -> bool:
    """True where a step that can be undone took effect, or may yet."""
    return any(can_be_undone(held) and _may_have_taken_effect(held) for held in state.steps.values())


def may_run(state: MissionState, name: StepId) -> bool:
    """False for a step that is not started any more, as its mission undoes what was done."""
    if state.status is not MissionStatus.UNDOING:
        return True
    held: StepState | None = state.steps[name]
    while held is not None:
        if held.undoes is not None:
            return True
        held = state.steps[held.proposed_by] if held.proposed_by is not None else None
    return False


def decide_undoing(state: MissionState, expire: Callable[[], Sequence[Event]]) -> tuple[Event, ...]:
    """What is due while a mission undoes; `expire` gives what time has made due of the questions that this asks."""
    if state.undo_planned is None:
        if state.running:
            return ()  # what has begun is recorded first
        steps = _undo_steps(state)
        return (undo_events.UndoPlanned(*_told(steps)),) if steps else (_end(state),)
    no_more = "A mission that undoes what was done takes no further steps."
    found = [*expire(), *(events.PlanRejected(proposer, no_more) for proposer in sorted(state.proposed))]
    if not found and all(state.steps[name].status.ended for name in state.undo_planned):
        found.append(_end(state))
    return tuple(found)


def _undo_steps(state: MissionState) -> list[tuple[Step, StepId]]:
    """One step for each that took effect and can be undone, each after the one before, the latest effect first."""
    done = [held for held in state.steps.values() if can_be_undone(held) and held.status is StepStatus.SUCCEEDED]
    found: list[tuple[Step, StepId]] = []
    for held in sorted(done, key=lambda held: held.ended_as, reverse=True):
        undo = held.step.terms.compensate
        assert undo is not None
        after = (held.step.id, *(step.id for step, _ in found[-1:]))
        terms = Terms(recipe=True, agent=held.step.terms.agent)
        name = StepId(f"{held.step.id}{_SUFFIX}")
        step = Step(name, undo.kind, undo.target, undo.input, after, attempts_max=UNDO_ATTEMPTS, terms=terms)
        found.append((step, held.step.id))
    return found


def _told(steps: list[tuple[Step, StepId]]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    return tuple(step for step, _ in steps), tuple(name for _, name in steps)


def _end(state: MissionState) -> Event:
    return ended_with(state, state.ending or Ending("cancelled"))


def ended_with(state: MissionState, ending: Ending) -> Event:
    """The mission's end, with what was undone and what was not."""
    undone, not_undone = fate(state)
    if ending.outcome == "cancelled":
        return events.MissionCancelled(ending.by, undone, not_undone)
    return events.MissionFailed(ending.code, ending.detail, undone, not_undone)


def fate(state: MissionState) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the steps that were undone, and of those that can be undone, may have taken effect and were not."""
    undone = {held.undoes for held in state.steps.values() if held.undoes and held.status is StepStatus.SUCCEEDED}
    left = {
        held.step.id
        for held in state.steps.values()
        if can_be_undone(held) and held.step.id not in undone and _may_have_taken_effect(held)
    }
    return tuple(sorted(undone)), tuple(sorted(left))


def _may_have_taken_effect(held: StepState) -> bool:
    """True where it succeeded, or was tried and has not ended: an attempt that was cut off may have done its work."""
    return held.status is StepStatus.SUCCEEDED or (held.runs > 0 and not held.status.ended)


# --- folding


def _stopping(state: MissionState, event: undo_events.MissionStopping, _at_us: int) -> MissionState:
    answered = state.answered.update(dict.fromkeys(state.approvals, MISSION_OVER))
    return state._replace(
        status=MissionStatus.UNDOING,
        ending=Ending(event.outcome, event.by, event.code, event.detail),
        approvals=Map(),
        answered=answered,
        ready=Map(),
        failed=Map(),
        doomed=Map(),
        proposed=Map(),
        waits=(),
        paused=None,
    )


def _planned(state: MissionState, event: undo_events.UndoPlanned, _at_us: int) -> MissionState:
    undoes = dict(zip((step.id for step in event.steps), event.undoes, strict=True))
    added = add_steps(state, event.steps, None)
    steps = added.steps
    for name, undone in undoes.items():
        # On the same leave as what it undoes.
        giver = steps[StepId(undone)].proposed_by
        steps = steps.set(name, steps[name]._replace(undoes=StepId(undone), proposed_by=giver))
    return added._replace(steps=steps, undo_planned=tuple(undoes))


UNDO_FOLDS: dict[type[Event], Callable[[MissionState, Any, int], MissionState]] = {
    undo_events.MissionStopping: _stopping,
    undo_events.UndoPlanned: _planned,
}
