"""A mission folded from its stream.

The states are named tuples: each entry makes several new ones, and a dataclass takes four times as long for it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from immutables import Map

from remit.ids import ApprovalId, MissionId, StepId
from remit.missions.events import MissionSubmitted, StepSuspended
from remit.missions.flow_events import EventOccurred
from remit.planning import Step, StepKind
from remit.tools import NOTHING_READ, Label

#: How a question ended that no person answered; what else `MissionState.answered` holds is a verdict.
EXPIRED = "expired"
OVERTAKEN = "not needed any more: the step has ended"
MISSION_OVER = "not needed any more: the mission has ended"
UNANSWERED = frozenset({EXPIRED, OVERTAKEN, MISSION_OVER})
#: What a person is asked about where the attempts of a step are used up: try it again, or let it fail.
ESCALATED = "step_failed"


class MissionStatus(StrEnum):
    """Where a mission stands."""

    NEW = "new"
    WORKING = "working"
    #: It takes no new work, and undoes what was done.
    UNDOING = "undoing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True where no new work is taken."""
        return self in _OVER


_OVER = frozenset({MissionStatus.COMPLETED, MissionStatus.FAILED, MissionStatus.CANCELLED})


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    #: For a person.
    WAITING = "waiting"
    #: For the step that carries out a call which this one proposed.
    BLOCKED = "blocked"
    #: For time, for something outside, or for a mission that it began.
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    #: Not carried out: a person said so, its condition does not hold, or what it needs did not end well.
    SKIPPED = "skipped"

    @property
    def ended(self) -> bool:
        """True where the step will not run again by itself."""
        well = self is StepStatus.SUCCEEDED or self is StepStatus.SKIPPED
        return well or self is StepStatus.FAILED or self is StepStatus.REFUSED


class Ending(NamedTuple):
    """How a mission ends once what was done is undone."""

    #: cancelled or failed.
    outcome: str
    by: str = ""
    code: str = ""
    detail: str = ""


class Pause(NamedTuple):
    """A person's word that nothing new begins."""

    by: str
    since_us: int
    #: True where deadlines and questions' ends stand still meanwhile.
    stop_clock: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's answer to a step's call."""

    approval: ApprovalId
    verdict: str
    by: str
    binds: tuple[str, ...]
    note: str
    #: True where the person gave other arguments than were proposed.
    steered: bool
    #: True where it answers whether an effect of unknown outcome took place.
    uncertain: bool


class StepState(NamedTuple):
    """A step folded from its events."""

    step: Step
    status: StepStatus
    #: How many steps that it waits for have not ended.
    unmet: int = 0
    attempt: int = 1
    #: The first attempt since a person had the step done again; what earlier ones still tell is not its outcome.
    first_attempt: int = 1
    runs: int = 0
    #: When the attempt was first claimed; the agent's clock.
    started_at_us: int = 0
    agent: str = ""
    output: str = ""
    code: str = ""
    rules: tuple[str, ...] = ()
    retryable: bool = False
    why: str = ""
    #: An explanation that holds names only, from a decision.
    detail: str = ""
    #: The step that proposed this one.
    proposed_by: StepId | None = None
    #: The join of all that its output was made of.
    label: Label = NOTHING_READ
    not_before_us: int = 0
    verdict: Verdict | None = None
    #: The step whose call this one carries out, and that call's key.
    answers_step: StepId | None = None
    answers_call: str = ""
    #: Keyed name of the recipe that the step's input was looked up by; empty where it has not been, or needs not be.
    recipe: str = ""
    #: The join of all that its input, or its list, was made of.
    given: Label = NOTHING_READ
    #: True where its list was looked up: it ends when the steps of the list's items have.
    expanded: bool = False
    #: How many of these steps were let go so far, where only some may run at once.
    released: int = 0
    #: When it waits no longer, while it is parked; 0 for no end.
    until_us: int = 0
    #: The mission that it began.
    child: str = ""
    #: Key of the record by which an outside event finds it, while it is parked.
    listening: str = ""
    #: What came before the step was parked.
    early: EventOccurred | None = None
    #: True where its attempts are used up and a person is to be asked what now.
    escalated: bool = False
    #: The place of its end among the entries of the mission: in undoing, the last comes first.
    ended_as: int = 0
    #: The step that this one undoes.
    undoes: StepId | None = None
    #: What is held for undoing it, in US dollar micro-units.
    reserved_usd_micros: int = 0

    @property
    def begun(self) -> bool:
        """True where this attempt was claimed, asked about or ended."""
        return bool(self.started_at_us) or self.status not in {StepStatus.PENDING, StepStatus.READY}

    @property
    def tries(self) -> int:
        """How many attempts there were, since a person last had the step done again."""
        return self.attempt - self.first_attempt + 1


class MissionState(NamedTuple):
    """Everything that `decide` may look at."""

    id: MissionId
    #: The mission stream's head that this was folded to.
    version: int = 0
    status: MissionStatus = MissionStatus.NEW
    submitted: MissionSubmitted | None = None
    submitted_at_us: int = 0
    ended_at_us: int = 0
    steps: Map[StepId, StepState] = Map()
    #: Which steps wait for a step.
    dependents: Map[StepId, tuple[StepId, ...]] = Map()
    #: Steps that may be claimed.
    ready: Map[StepId, None] = Map()
    running: Map[StepId, None] = Map()
    #: Steps that failed and have not been decided on.
    failed: Map[StepId, None] = Map()
    #: Steps that are not carried out, as one that they wait for did not end well; not yet decided on.
    doomed: Map[StepId, StepId] = Map()
    #: What time alone makes due: instants in order, each with its step.
    waits: tuple[tuple[int, StepId], ...] = ()
    #: Steps that wait for a mission which they began.
    children: Map[StepId, str] = Map()
    #: Steps that became ready by the last entry.
    woken: tuple[StepId, ...] = ()
    #: Open questions to people.
    approvals: Map[ApprovalId, StepSuspended] = Map()
    #: Not open any more: who answered and how, or why nobody needs to.
    answered: Map[ApprovalId, str] = Map()
    #: Plans that were proposed and not yet decided on: proposing step to its steps.
    proposed: Map[StepId, tuple[Step, ...]] = Map()
    #: Steps that have not ended.
    open_steps: int = 0
    code: str = ""
    detail: str = ""
    #: Keyed hashes of the values that people gave.
    person_values: tuple[str, ...] = ()
    #: Outside events that counted: keyed hash and step.
    occurred: Map[tuple[str, str], None] = Map()
    #: None while it goes on.
    paused: Pause | None = None
    #: By how much its clock was stopped so far.
    moved_us: int = 0
    #: The last attempt of steps that left the plan: their names may come again, their attempts may not.
    left: Map[StepId, int] = Map()
    #: How often a person had steps done again.
    reopened: int = 0
    #: How it will end, while it undoes what was done.
    ending: Ending | None = None
    #: The steps that undo others; None until they are known.
    undo_planned: tuple[StepId, ...] | None = None
    #: What was held in all so that undoing never lacks money.
    reserved_usd_micros: int = 0
    #: What became of the steps that can be undone, once it has ended.
    undone: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()

    @property
    def deadline_at_us(self) -> int:
        """When it fails if it has not ended."""
        assert self.submitted is not None
        return self.submitted.deadline_at_us + self.moved_us

    def clock_us(self, now_us: int) -> int:
        """What its clock shows: it stands still during a pause that stops it."""
        if self.paused is not None and self.paused.stop_clock:
            return min(now_us, self.paused.since_us)
        return now_us

    @property
    def connected(self) -> bool:
        """True while an agent outside works in its first step."""
        if self.submitted is None or self.status.ended:
            return False
        first = self.steps[self.submitted.steps[0].id]
        return first.step.kind is StepKind.CONNECTED and not first.status.ended
