"""Deciding: what follows from a mission's state and a command. Pure: no clock, random, input or output."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from remit.errors import AlreadyAnswered, AnswerNotAllowed, ApprovalExpired, InvalidPlan, MissionEnded, NotFound
from remit.ids import ApprovalId, StepId
from remit.missions import events, flow_events, undo_events
from remit.missions.control import ControlCommand, decide_control
from remit.missions.event import Event
from remit.missions.folding import AFTER_FAILED
from remit.missions.notices import notices_due
from remit.missions.state import MISSION_OVER, Ending, MissionState, MissionStatus, StepState, StepStatus
from remit.missions.undo import decide_undoing, ended_with, something_to_undo
from remit.planning import OnFailure, Step, StepKind, check_plan

#: Waits before a second and later tries, in seconds.
_RETRY_SECONDS = (1, 5, 30, 120, 600)
#: No retry waits longer.
RETRY_SECONDS_MAX = _RETRY_SECONDS[-1]


@dataclass(frozen=True, slots=True)
class Submit:
    """Begin."""

    event: events.MissionSubmitted


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's verdict on an open approval."""

    approval: ApprovalId
    verdict: str
    by: str
    now_us: int
    input: str = ""
    note: str = ""
    #: For a steer: what the verdict binds instead.
    binds: tuple[str, ...] = ()
    #: Keyed hashes of the values that the person gave.
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop taking new work."""

    by: str
    #: False to end at once, whatever was done.
    undo: bool = True


@dataclass(frozen=True, slots=True)
class Proceed:
    """Look at the state and decide whatever is due."""

    now_us: int
    has_skill: Callable[[str], bool]
    has_tool: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Occur:
    """Something happened outside for which a step of this mission waits, or will wait."""

    event: flow_events.EventOccurred


Command = Submit | Answer | Cancel | Proceed | Occur | ControlCommand


def decide(state: MissionState, command: Command) -> tuple[Event, ...]:
    """The events that follow; none where nothing is due.

    Raises:
        MissionEnded: the mission takes no commands any more.
        AlreadyAnswered, ApprovalExpired, AnswerNotAllowed, NotFound: the answer cannot be taken.
        NotPossibleNow, InvalidPlan: what a person wants done to it is not possible as it stands.
    """
    match command:
        case Submit():
            return (command.event,) if state.status is MissionStatus.NEW else ()
        case Answer():
            return (_answer(state, command),)
        case Cancel():
            return _cancel(state, command)
        case Occur():
            return _occur(state, command.event)
        case Proceed():
            return _proceed(state, command)
        case _:
            return decide_control(state, command)


def _cancel(state: MissionState, command: Cancel) -> tuple[Event, ...]:
    if state.status.ended or state.status is MissionStatus.NEW:
        raise MissionEnded(f"{state.id} is {state.status}.")
    if not command.undo:
        return (ended_with(state, Ending("cancelled", command.by)),)
    if state.status is MissionStatus.UNDOING:
        return ()
    if something_to_undo(state):
        return (undo_events.MissionStopping("cancelled", command.by, "", ""),)
    return (events.MissionCancelled(command.by),)


def _failing(state: MissionState, failed: events.MissionFailed) -> Event:
    """The mission's failure, or the undoing before it."""
    if something_to_undo(state):
        return undo_events.MissionStopping("failed", "", failed.code, failed.detail)
    return failed


def wake_at_us(state: MissionState) -> int | None:
    """When time alone makes something due: a timer, an approval that expires, a deadline. None where nothing waits."""
    if state.submitted is None or state.status.ended:
        return None
    if state.status is MissionStatus.UNDOING:
        return min((asked.wake_at_us for asked in state.approvals.values()), default=None)
    if state.paused is not None and state.paused.stop_clock:
        return None
    timed = [at_us for at_us, _ in state.waits[:1]]
    asked = [asked.wake_at_us for asked in state.approvals.values()]
    return min([*timed, *asked, state.deadline_at_us])


def _occur(state: MissionState, event: flow_events.EventOccurred) -> tuple[Event, ...]:
    if state.status is not MissionStatus.WORKING:
        raise MissionEnded(f"{state.id} is {state.status}.")
    if (event.event, event.step) in state.occurred:
        return ()
    step = state.steps.get(StepId(event.step))
    if step is None or step.step.kind is not StepKind.EVENT or step.status.ended or step.early is not None:
        raise NotFound(f"No step of {state.id} waits for the event {event.name}.")
    return (event,)


def _answer(state: MissionState, command: Answer) -> Event:
    asked = state.approvals.get(command.approval)
    if asked is None:
        how = state.answered.get(command.approval)
        if how is None:
            raise NotFound(f"There is no approval {command.approval} in {state.id}.")
        if how == MISSION_OVER:
            raise MissionEnded(f"{state.id} is {state.status}.")
        raise AlreadyAnswered(f"{command.approval}: {how}.")
    if state.status.ended:
        raise MissionEnded(f"{state.id} is {state.status}.")
    if state.clock_us(command.now_us) > asked.expires_at_us:
        raise ApprovalExpired(f"{command.approval} could be answered until its end and was not.")
    if command.verdict not in asked.answers:
        raise AnswerNotAllowed(
            f"{command.approval} may be answered with {', '.join(asked.answers)}; not with {command.verdict}."
        )
    return events.ApprovalAnswered(
        command.approval,
        asked.proposed[0].id if asked.proposed else asked.step,
        command.verdict,
        command.by,
        command.input,
        command.note,
        command.binds or asked.binds,
        command.known,
    )


def _proceed(state: MissionState, command: Proceed) -> tuple[Event, ...]:
    if state.status is MissionStatus.UNDOING:
        return decide_undoing(state, lambda: _again_and_over(state, command))
    if state.status is not MissionStatus.WORKING:
        return ()
    clock_us = state.clock_us(command.now_us)
    if state.open_steps and clock_us > state.deadline_at_us:
        return (_failing(state, events.MissionFailed("deadline_passed", "It had not ended by its deadline.")),)
    # Maps have no order of their own: sorted, the same state gives the same decisions in every process.
    found: list[Event] = []
    known = set(state.steps) if state.proposed else set()  # not each time: a mission may have thousands
    for proposer, steps in sorted(state.proposed.items()):
        judged = _judge_plan(state, known, proposer, steps, command)
        if isinstance(judged, events.PlanExtended):
            known.update(step.id for step in steps)  # plans that are judged together must fit together
        found.append(judged)
    found += _again_and_over(state, command)
    found += [flow_events.StepRuledOut(name, AFTER_FAILED, of) for name, of in sorted(state.doomed.items())]
    found += _elapsed(state, clock_us)
    if not found and state.open_steps == 0 and state.paused is None:
        ending = _ending(state)
        found.append(_failing(state, ending) if isinstance(ending, events.MissionFailed) else ending)
    return tuple(found)


def _again_and_over(state: MissionState, command: Proceed) -> list[Event]:
    """Steps that failed in passing are tried again; questions lapse, are reminded of, and are put to others."""
    clock_us = state.clock_us(command.now_us)
    found: list[Event] = []
    for name in sorted(state.failed):
        step = state.steps[name]
        found.append(events.StepRetried(name, step.attempt + 1, command.now_us + _rest_us(step)))
    expired = [(approval, asked.step) for approval, asked in state.approvals.items() if clock_us > asked.expires_at_us]
    found += [events.ApprovalExpired(approval, step) for approval, step in sorted(expired)]
    found += notices_due(state, clock_us)
    return found


def _rest_us(failed: StepState) -> int:
    """How long a step rests before its next attempt, in microseconds."""
    retry = failed.step.terms.retry
    if retry is not None:
        return retry.wait_us(failed.tries)
    return _RETRY_SECONDS[min(failed.tries, len(_RETRY_SECONDS)) - 1] * 1_000_000


def _elapsed(state: MissionState, now_us: int) -> list[Event]:
    """What time alone has made due; the cost does not grow with the steps that wait."""
    found: list[Event] = []
    for at_us, name in state.waits:
        if now_us <= at_us:
            break
        step = state.steps.get(name)
        if step is None:
            continue  # it left the plan
        if step.status is StepStatus.PARKED and step.until_us == at_us:
            timer = step.step.kind is StepKind.TIMER
            found.append(flow_events.StepElapsed(name, "timer" if timer else "timeout"))
        elif not step.status.ended and step.status is not StepStatus.RUNNING:
            # What runs is given up by whoever carries it out.
            found.append(flow_events.StepElapsed(name, "deadline"))
    return found


def _judge_plan(
    state: MissionState, known: Collection[StepId], proposer: StepId, steps: Sequence[Step], command: Proceed
) -> Event:
    assert state.submitted is not None
    try:
        check_plan(
            steps,
            known=known,
            has_skill=command.has_skill,
            has_tool=command.has_tool,
            steps_max=state.submitted.steps_max,
        )
    except InvalidPlan as fault:
        return events.PlanRejected(proposer, fault.detail)
    return events.PlanExtended(proposer, len(steps))


def _ending(state: MissionState) -> Event:
    assert state.submitted is not None
    if state.submitted.written:
        # No telling order in a map: by name, the same in every process.
        failed = sorted(name for name, step in state.steps.items() if _fails_the_mission(step))
        if failed:
            first = state.steps[failed[0]]
            others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
            return events.MissionFailed("step_failed", f"{failed[0]} ended with {first.code}{others}.")
        return events.MissionCompleted(len(state.steps))
    first = state.steps[state.submitted.steps[0].id]
    if first.code:
        # The mission's own first step, which makes the plan, did not end well: there is nothing to complete.
        return events.MissionFailed(first.code, first.detail)
    return events.MissionCompleted(len(state.steps))


def _fails_the_mission(step: StepState) -> bool:
    failed = step.status is StepStatus.FAILED or step.status is StepStatus.REFUSED
    return failed and step.step.terms.on_failure is not OnFailure.CONTINUE
