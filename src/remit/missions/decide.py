"""Deciding: what follows from a mission's state and a command. Pure: no clock, random, input or output."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from remit.errors import AlreadyAnswered, AnswerNotAllowed, ApprovalExpired, InvalidPlan, MissionEnded, NotFound
from remit.ids import ApprovalId, StepId
from remit.missions import events
from remit.missions.events import Event
from remit.missions.state import MISSION_OVER, MissionState, MissionStatus
from remit.planning import Step, check_plan

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


@dataclass(frozen=True, slots=True)
class Proceed:
    """Look at the state and decide whatever is due."""

    now_us: int
    has_skill: Callable[[str], bool]
    has_tool: Callable[[str], bool]


Command = Submit | Answer | Cancel | Proceed


def decide(state: MissionState, command: Command) -> tuple[Event, ...]:
    """The events that follow; none where nothing is due.

    Raises:
        MissionEnded: the mission takes no commands any more.
        AlreadyAnswered, ApprovalExpired, AnswerNotAllowed, NotFound: the answer cannot be taken.
    """
    match command:
        case Submit():
            return (command.event,) if state.status is MissionStatus.NEW else ()
        case Answer():
            return (_answer(state, command),)
        case Cancel():
            if state.status is not MissionStatus.WORKING:
                raise MissionEnded(f"{state.id} is {state.status}.")
            return (events.MissionCancelled(command.by),)
        case Proceed():
            return _proceed(state, command) if state.status is MissionStatus.WORKING else ()


def wake_at_us(state: MissionState) -> int | None:
    """When time alone makes something due: an approval that expires, the deadline. None where nothing waits."""
    if state.submitted is None or state.status is not MissionStatus.WORKING:
        return None
    return min([asked.expires_at_us for asked in state.approvals.values()] + [state.submitted.deadline_at_us])


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
    if command.now_us > asked.expires_at_us:
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
    assert state.submitted is not None
    if state.open_steps and command.now_us > state.submitted.deadline_at_us:
        return (events.MissionFailed("deadline_passed", "It had not ended by its deadline."),)
    # Maps have no order of their own: sorted, the same state gives the same decisions in every process.
    found: list[Event] = []
    known = set(state.steps) if state.proposed else set()  # not each time: a mission may have thousands
    for proposer, steps in sorted(state.proposed.items()):
        judged = _judge_plan(state, known, proposer, steps, command)
        if isinstance(judged, events.PlanExtended):
            known.update(step.id for step in steps)  # plans that are judged together must fit together
        found.append(judged)
    for name in sorted(state.failed):
        step = state.steps[name]
        wait = _RETRY_SECONDS[min(step.attempt, len(_RETRY_SECONDS)) - 1]
        found.append(events.StepRetried(name, step.attempt + 1, command.now_us + wait * 1_000_000))
    expired = [
        (approval, asked.step) for approval, asked in state.approvals.items() if command.now_us > asked.expires_at_us
    ]
    found += [events.ApprovalExpired(approval, step) for approval, step in sorted(expired)]
    if not found and state.open_steps == 0:
        found.append(_ending(state))
    return tuple(found)


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
    first = state.steps[state.submitted.steps[0].id]
    if first.code:
        # The mission's own first step, which makes the plan, did not end well: there is nothing to complete.
        return events.MissionFailed(first.code, first.detail)
    return events.MissionCompleted(len(state.steps))
