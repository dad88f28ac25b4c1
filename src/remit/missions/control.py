"""Deciding what a person may do to a mission that runs. Pure: no clock, random, input or output."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from remit.errors import InvalidPlan, MissionEnded, NotFound, NotPossibleNow
from remit.ids import ApprovalId, StepId
from remit.missions import control_events as events
from remit.missions.event import Event
from remit.missions.folding import AFTER_FAILED
from remit.missions.state import MissionState, MissionStatus, StepState, StepStatus
from remit.planning import Step, StepKind, check_plan

#: A step that works or waits for somebody now; whatever else happens to it must wait.
_UNDER_WAY = frozenset({StepStatus.RUNNING, StepStatus.WAITING, StepStatus.BLOCKED, StepStatus.PARKED})

#: What these wait for is part of the plan, not an input.
_WAITS = frozenset({StepKind.TIMER, StepKind.EVENT})


@dataclass(frozen=True, slots=True)
class Pause:
    """Claim no new run."""

    by: str
    why: str = ""
    stop_clock: bool = False


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on."""

    by: str
    now_us: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """Do without a step."""

    step: StepId
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """Have a step done again; with `all_after`, also everything that depends on it."""

    step: StepId
    by: str
    #: True for a step that has a write on record.
    wrote: Callable[[StepId], bool]
    why: str = ""
    all_after: bool = False


@dataclass(frozen=True, slots=True)
class SteerPlan:
    """Add and remove steps that have not begun, and give some another input."""

    by: str
    why: str
    has_skill: Callable[[str], bool]
    has_tool: Callable[[str], bool]
    add: tuple[Step, ...] = ()
    remove: tuple[StepId, ...] = ()
    #: Step to the keyed name of its new sealed input.
    change: Mapping[StepId, str] | None = None
    #: Keyed hashes of the values that the person gave.
    known: tuple[str, ...] = ()


ControlCommand = Pause | Resume | Skip | Reopen | SteerPlan


def decide_control(state: MissionState, command: ControlCommand) -> tuple[Event, ...]:
    """The events that follow; none where the mission stands that way already.

    Raises:
        MissionEnded: the mission takes no commands any more.
        NotFound, NotPossibleNow, InvalidPlan: it cannot be done; nothing changes.
    """
    if state.status is not MissionStatus.WORKING:
        raise MissionEnded(f"{state.id} is {state.status}.")
    match command:
        case Pause():
            return _pause(state, command)
        case Resume():
            return _resume(state, command)
        case Skip():
            return _skip(state, command)
        case Reopen():
            return _reopen(state, command)
        case SteerPlan():
            return _steer(state, command)


def _pause(state: MissionState, command: Pause) -> tuple[Event, ...]:
    if state.paused is None:
        return (events.MissionPaused(command.by, command.why, command.stop_clock),)
    if state.paused.stop_clock == command.stop_clock:
        return ()
    raise NotPossibleNow(
        f"{state.id} is paused already, with its clock {'stopped' if state.paused.stop_clock else 'going on'}.",
        hint="Resume it, then pause it as you want.",
    )


def _resume(state: MissionState, command: Resume) -> tuple[Event, ...]:
    if state.paused is None:
        return ()
    moved_us = max(command.now_us - state.paused.since_us, 0) if state.paused.stop_clock else 0
    return (events.MissionResumed(command.by, command.why, moved_us),)


def _skip(state: MissionState, command: Skip) -> tuple[Event, ...]:
    held = _held(state, command.step)
    if held.status is StepStatus.SKIPPED:
        return ()
    if held.status.ended:
        raise NotPossibleNow(f"The step {command.step} has ended: {held.status}.")
    if held.step.kind is StepKind.CONNECTED:
        raise NotPossibleNow(f"An agent outside works in {command.step}.", hint="Close its session instead.")
    if held.status is StepStatus.RUNNING:
        raise NotPossibleNow(
            f"The step {command.step} runs now.", hint=f"`remit halt mission/{state.id}` interrupts it."
        )
    if held.status is StepStatus.BLOCKED:
        waiting = next(one.step.id for one in state.steps.values() if _carries_out(one, command.step))
        raise NotPossibleNow(
            f"The step {command.step} waits for {waiting}.", hint=f"Answer that question, or skip {waiting}."
        )
    return (events.StepSkipped(command.step, command.by, command.why),)


def _carries_out(held: StepState, asking: StepId) -> bool:
    return held.answers_step == asking and not held.status.ended


# --- again


def _reopen(state: MissionState, command: Reopen) -> tuple[Event, ...]:
    held = _held(state, command.step)
    if not held.status.ended:
        raise NotPossibleNow(f"The step {command.step} has not ended: {held.status}.")
    if held.step.kind is StepKind.CONNECTED:
        raise NotPossibleNow(f"{command.step} is the work of an agent outside, which comes by itself.")
    if held.answers_step is not None:
        raise NotPossibleNow(
            f"{command.step} carries out a call of {held.answers_step}.", hint=f"Name {held.answers_step} instead."
        )
    if command.all_after:
        again = _with_all_after(state, command.step)
    elif held.status is StepStatus.SUCCEEDED:
        raise NotPossibleNow(
            f"The step {command.step} succeeded.",
            hint=f"`remit missions rerun {state.id} --from {command.step}` has it and what depends on it done again.",
        )
    else:
        again = (command.step, *_ruled_out_by(state, command.step))
    withdrawn = _proposed_by(state, frozenset(again))
    _check_withdrawn(state, command, withdrawn)
    again = tuple(name for name in again if name not in withdrawn)
    busy = sorted(name for name in {*again, *withdrawn} if state.steps[name].status in _UNDER_WAY)
    if busy:
        raise NotPossibleNow(
            f"{', '.join(busy)} would be done again, and {'is' if len(busy) == 1 else 'are'} under way.",
            hint=f"Pause {state.id}, and answer or wait for what is under way.",
        )
    return (events.StepsReopened(command.by, command.why, again, tuple(sorted(withdrawn))),)


def _with_all_after(state: MissionState, first: StepId) -> tuple[StepId, ...]:
    """The step, then all that have begun and depend on it, by name."""
    dependents: dict[StepId, list[StepId]] = {}
    for held in state.steps.values():
        for other in held.step.after:
            dependents.setdefault(other, []).append(held.step.id)
    found, left = {first}, [first]
    while left:
        new = [name for name in dependents.get(left.pop(), ()) if name not in found]
        found.update(new)
        left += new
    return (first, *sorted(name for name in found - {first} if state.steps[name].begun))


def _ruled_out_by(state: MissionState, step: StepId) -> tuple[StepId, ...]:
    """What was not carried out because this step did not end well, and what was not because of that, by name."""
    found, left = set(), [step]
    while left:
        name = left.pop()
        new = [
            other
            for other in state.dependents.get(name, ())
            if other not in found and other in state.steps and state.steps[other].code == AFTER_FAILED
        ]
        found.update(new)
        left += new
    return tuple(sorted(found))


def _proposed_by(state: MissionState, proposers: Collection[StepId]) -> frozenset[StepId]:
    """What these steps proposed, and what that proposed in turn.

    A call that Remit makes for one of them is no such proposal: its outcome answers that step's call.
    """
    steps = state.steps.values()
    new = {held.step.id for held in steps if held.proposed_by in proposers and held.answers_step is None}
    found: set[StepId] = set()
    while new:
        found |= new
        new = {held.step.id for held in steps if held.proposed_by in new} - found
    return frozenset(found)


def _check_withdrawn(state: MissionState, command: Reopen, withdrawn: Collection[StepId]) -> None:
    wrote = sorted(name for name in withdrawn if command.wrote(name))
    if wrote:
        raise NotPossibleNow(
            f"{command.step} would plan anew, and {', '.join(wrote)} of its plan took effect or may have.",
            hint=f"Have {wrote[0]} done again instead, or submit a new mission.",
        )
    staying = [held.step for name, held in state.steps.items() if name not in withdrawn]
    waiting = sorted(step.id for step in staying if any(other in withdrawn for other in step.after))
    if waiting:
        raise NotPossibleNow(
            f"{command.step} would plan anew, and {', '.join(waiting)} waits for a step of its plan.",
            hint=f"Remove {waiting[0]} from the plan first.",
        )


# --- another plan


def _steer(state: MissionState, command: SteerPlan) -> tuple[Event, ...]:
    assert state.submitted is not None
    change = command.change or {}
    for name in (*command.remove, *change):
        if _held(state, name).begun:
            raise NotPossibleNow(f"The step {name} has begun.", hint="Skip it, or have it done again, instead.")
    for name in change:
        step = state.steps[name].step
        if step.terms.each or step.kind in _WAITS:
            raise NotPossibleNow(f"The step {name} takes no input of its own.", hint="Remove it, and add another.")
    staying = set(state.steps) - set(command.remove)
    faults = [
        f"step {held.step.id} waits for {other}, which would be removed"
        for held in state.steps.values()
        for other in held.step.after
        if held.step.id in staying and other in command.remove and not held.status.ended
    ]
    faults += [f"step {name} would be both removed and changed" for name in sorted(set(change) & set(command.remove))]
    if faults:
        raise InvalidPlan("; ".join(sorted(faults)) + ".")
    check_plan(
        command.add,
        known=staying,
        has_skill=command.has_skill,
        has_tool=command.has_tool,
        steps_max=state.submitted.steps_max,
    )
    found: list[Event] = [events.StepRemoved(name, command.by, command.why) for name in command.remove]
    for name, given in sorted(change.items()):
        run = state.steps[name].runs + 1
        found.append(events.StepChanged(name, run, command.by, command.why, given, command.known))
    if command.add:
        found.append(events.PlanSteered(command.by, command.why, command.add, command.known))
    if not found:
        raise InvalidPlan("Nothing would change.")
    return tuple(found)


def _held(state: MissionState, name: StepId) -> StepState:
    held = state.steps.get(name)
    if held is None:
        raise NotFound(f"There is no step {name} in {state.id}.", hint=f"`remit missions show {state.id}` lists them.")
    return held


# --- what goes with the decisions


def claim_that_it_forestalls(state: MissionState, event: Event) -> str | None:
    """The name of the claim that a driver must not make any more; where it was first, the decision is taken anew."""
    if not isinstance(event, events.StepSkipped | events.StepRemoved | events.StepChanged):
        return None
    held = state.steps[StepId(event.step)]
    if held.begun and held.status not in {StepStatus.READY, StepStatus.PENDING}:
        return None  # nobody claims a step that waits for a person
    return claim_fact(held.step.id, held.attempt, held.runs + 1)


def claim_fact(step: StepId, attempt: int, run: int) -> str:
    """The name under which the claim of a run stands on record, once."""
    return f"claim/{step}/{attempt}/{run}"


def suspension_moved(state: MissionState, found: Iterable[Event]) -> dict[ApprovalId, int]:
    """By how much the ends of open questions move, in microseconds."""
    moved_us = sum(event.moved_us for event in found if isinstance(event, events.MissionResumed))
    return dict.fromkeys(state.approvals, moved_us) if moved_us else {}
