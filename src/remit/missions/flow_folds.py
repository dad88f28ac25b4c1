"""Folding what happens to written steps: looked up, skipped, spread over a list, parked, woken. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from remit.ids import StepId
from remit.missions import flow_events
from remit.missions.event import Event
from remit.missions.folding import end_step, wait_until, without
from remit.missions.state import MissionState, StepState, StepStatus
from remit.tools import Confidentiality, Label

#: How a step ended whose time had come.
_ELAPSED: Mapping[str, tuple[StepStatus, str]] = {
    "timer": (StepStatus.SUCCEEDED, ""),
    "timeout": (StepStatus.FAILED, "step_timeout"),
    "deadline": (StepStatus.FAILED, "deadline_passed"),
}


def _prepared(state: MissionState, event: flow_events.StepPrepared, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]
    if step.status.ended:
        return state
    ready = step._replace(
        step=replace(step.step, input=event.input),
        recipe=step.recipe or step.step.input,
        given=Label(event.trusted, Confidentiality(event.confidentiality)),
    )
    # Gathered only where there is something to gather: a person may have given thousands of values.
    values = (*state.person_values, *event.known) if event.known else state.person_values
    return state._replace(steps=state.steps.set(name, ready), person_values=values)


def _ruled_out(state: MissionState, event: flow_events.StepRuledOut, _at_us: int) -> MissionState:
    step = state.steps[StepId(event.step)]
    if step.status.ended:
        return state
    detail = f"{event.of} did not end well" if event.of else ""
    return end_step(
        state,
        step._replace(status=StepStatus.SKIPPED, code=event.rule, rules=(event.rule,), detail=detail),
    )


def _expanded(state: MissionState, event: flow_events.StepExpanded, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]
    if step.status.ended:
        return state
    label = Label(event.trusted, Confidentiality(event.confidentiality))
    spread = step._replace(status=StepStatus.PENDING, runs=event.run, expanded=True, unmet=event.count, given=label)
    return _not_claimable(state, name, spread)


def _parked(state: MissionState, event: flow_events.StepParked, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]
    if step.status.ended:
        return state
    parked = step._replace(
        status=StepStatus.PARKED,
        runs=event.run,
        until_us=event.until_us,
        child=event.mission,
        listening=event.listening,
        code="",
        rules=(),
    )
    state = _not_claimable(state, name, parked)
    if event.until_us:
        state = state._replace(waits=wait_until(state.waits, event.until_us, name))
    if event.mission:
        state = state._replace(children=state.children.set(name, event.mission))
    if step.early is not None:
        return _told_of(state, parked, step.early)
    return state


def _elapsed(state: MissionState, event: flow_events.StepElapsed, _at_us: int) -> MissionState:
    step = state.steps[StepId(event.step)]
    if step.status.ended:
        return state
    status, code = _ELAPSED[event.what]
    return end_step(state, step._replace(status=status, code=code, rules=(code,) if code else ()))


def _occurred(state: MissionState, event: flow_events.EventOccurred, _at_us: int) -> MissionState:
    name = StepId(event.step)
    step = state.steps[name]
    state = state._replace(
        occurred=state.occurred.set((event.event, name), None), person_values=(*state.person_values, *event.known)
    )
    if step.status is StepStatus.PARKED:
        return _told_of(state, step, event)
    if step.status.ended:
        return state
    return state._replace(steps=state.steps.set(name, step._replace(early=event)))


def _told_of(state: MissionState, step: StepState, event: flow_events.EventOccurred) -> MissionState:
    label = Label(event.trusted, Confidentiality(event.confidentiality)).join(step.given)
    return end_step(
        state,
        step._replace(status=StepStatus.SUCCEEDED, output=event.output, label=label, listening="", early=None),
    )


def _not_claimable(state: MissionState, name: StepId, step: StepState) -> MissionState:
    return state._replace(
        steps=state.steps.set(name, step), ready=without(state.ready, name), running=without(state.running, name)
    )


FLOW_FOLDS: dict[type[Event], Callable[[MissionState, Any, int], MissionState]] = {
    flow_events.StepPrepared: _prepared,
    flow_events.StepRuledOut: _ruled_out,
    flow_events.StepExpanded: _expanded,
    flow_events.StepParked: _parked,
    flow_events.StepElapsed: _elapsed,
    flow_events.EventOccurred: _occurred,
}
