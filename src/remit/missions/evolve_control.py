"""Folding what people do to a mission that runs. Pure, and stable across releases."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from remit.ids import StepId
from remit.missions import control_events as events
from remit.missions.event import Event
from remit.missions.folding import add_steps, end_step, without
from remit.missions.state import MissionState, Pause, StepState, StepStatus

#: The code of a step that a person skipped.
SKIPPED = "skipped"


def _paused(state: MissionState, event: events.MissionPaused, at_us: int) -> MissionState:
    return state._replace(paused=Pause(event.by, at_us, event.stop_clock))


def _resumed(state: MissionState, event: events.MissionResumed, _at_us: int) -> MissionState:
    approvals, steps, waits = state.approvals, state.steps, state.waits
    if event.moved_us:
        moved = {key: asked.moved(event.moved_us) for key, asked in approvals.items()}
        approvals = approvals.update(moved)
        waits = tuple((at_us + event.moved_us, name) for at_us, name in waits)
        parked = {name: steps[name] for _, name in waits if name in steps and steps[name].until_us}
        later = {name: held._replace(until_us=held.until_us + event.moved_us) for name, held in parked.items()}
        steps = steps.update(later)
    return state._replace(
        paused=None, moved_us=state.moved_us + event.moved_us, approvals=approvals, steps=steps, waits=waits
    )


def _skipped(state: MissionState, event: events.StepSkipped, _at_us: int) -> MissionState:
    held = state.steps[StepId(event.step)]
    skipped = held._replace(status=StepStatus.SKIPPED, code=SKIPPED, rules=(SKIPPED,), why=event.why)
    return end_step(state, skipped)


def _reopened(state: MissionState, event: events.StepsReopened, _at_us: int) -> MissionState:
    state = _leave(state, [StepId(name) for name in event.withdrawn])
    reopened = [StepId(name) for name in event.steps]
    steps, proposed = state.steps, state.proposed
    for name in reopened:
        steps = steps.set(name, _again(steps[name]))
        proposed = without(proposed, name)
    state = state._replace(
        steps=steps, proposed=proposed, open_steps=state.open_steps + len(reopened), reopened=state.reopened + 1
    )
    return _count_waits(state, frozenset(reopened))


def _again(held: StepState) -> StepState:
    """The step as it stands before the first run of its next attempt."""
    attempt = held.attempt + 1
    # What it refers to is looked up anew: that may have been done again as well.
    step = replace(held.step, input=held.recipe) if held.recipe else held.step
    return StepState(
        step,
        StepStatus.PENDING,
        attempt=attempt,
        first_attempt=attempt,
        runs=held.runs,
        proposed_by=held.proposed_by,
        answers_step=held.answers_step,
        answers_call=held.answers_call,
        reserved_usd_micros=held.reserved_usd_micros,
    )


def _count_waits(state: MissionState, reopened: frozenset[StepId]) -> MissionState:
    """Count anew what the reopened steps wait for, and what waits for them and has not begun."""
    steps, ready, dependents = state.steps, state.ready, state.dependents
    woken: list[StepId] = []
    for name in reopened:
        dependents = dependents.set(name, ())
    waiting = [
        held
        for held in state.steps.values()
        if held.step.id in reopened or (not held.begun and not reopened.isdisjoint(held.step.after))
    ]
    for held in sorted(waiting, key=lambda held: held.step.id):
        name = held.step.id
        unmet = [other for other in held.step.after if other not in steps or not steps[other].status.ended]
        for other in unmet:
            if name not in dependents.get(other, ()):
                dependents = dependents.set(other, (*dependents.get(other, ()), name))
        if name in state.failed:
            continue  # it rests before its next attempt, and was claimed before
        status = StepStatus.PENDING if unmet else StepStatus.READY
        steps = steps.set(name, held._replace(status=status, unmet=len(unmet)))
        ready = without(ready, name) if unmet else ready.set(name, None)
        if not unmet:
            woken.append(name)
    return state._replace(steps=steps, ready=ready, dependents=dependents, woken=(*state.woken, *woken))


def _steered(state: MissionState, event: events.PlanSteered, _at_us: int) -> MissionState:
    known = state._replace(person_values=(*state.person_values, *event.known))
    return add_steps(known, event.added, None)


def _removed(state: MissionState, event: events.StepRemoved, _at_us: int) -> MissionState:
    return _leave(state, [StepId(event.step)])


def _changed(state: MissionState, event: events.StepChanged, _at_us: int) -> MissionState:
    name = StepId(event.step)
    held = state.steps[name]
    # The person's input stands in place of what its recipe would have given.
    recipe = held.recipe or (held.step.input if held.step.terms.recipe else "")
    changed = held._replace(step=replace(held.step, input=event.input), runs=event.run, recipe=recipe)
    return state._replace(steps=state.steps.set(name, changed), person_values=(*state.person_values, *event.known))


def _leave(state: MissionState, names: Iterable[StepId]) -> MissionState:
    """The plan without these steps."""
    for name in names:
        held = state.steps[name]
        dependents = without(state.dependents, name)
        for other in held.step.after:
            if other in dependents:
                dependents = dependents.set(other, tuple(one for one in dependents[other] if one != name))
        state = state._replace(
            steps=state.steps.delete(name),
            left=state.left.set(name, held.attempt),
            dependents=dependents,
            ready=without(state.ready, name),
            failed=without(state.failed, name),
            proposed=without(state.proposed, name),
            open_steps=state.open_steps - (not held.status.ended),
        )
    return state


CONTROL_FOLDS: dict[type[Event], Callable[[MissionState, Any, int], MissionState]] = {
    events.MissionPaused: _paused,
    events.MissionResumed: _resumed,
    events.StepSkipped: _skipped,
    events.StepsReopened: _reopened,
    events.PlanSteered: _steered,
    events.StepRemoved: _removed,
    events.StepChanged: _changed,
}
