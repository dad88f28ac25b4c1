"""A mission folded from its stream.

The states are named tuples: each entry makes several new ones, and a dataclass takes four times as long for it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from immutables import Map

from remit.ids import ApprovalId, MissionId, StepId
from remit.missions.events import MissionSubmitted, StepSuspended
from remit.planning import Step, StepKind
from remit.tools import NOTHING_READ, Label

#: How a question ended that no person answered; what else `MissionState.answered` holds is a verdict.
EXPIRED = "expired"
OVERTAKEN = "not needed any more: the step has ended"
MISSION_OVER = "not needed any more: the mission has ended"
UNANSWERED = frozenset({EXPIRED, OVERTAKEN, MISSION_OVER})


class MissionStatus(StrEnum):
    """Where a mission stands."""

    NEW = "new"
    WORKING = "working"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True where no new work is taken."""
        return self is not MissionStatus.NEW and self is not MissionStatus.WORKING


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    #: For a person.
    WAITING = "waiting"
    #: For the step that carries out a call which this one proposed.
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def ended(self) -> bool:
        """True where the step will not run again."""
        return self is StepStatus.SUCCEEDED or self is StepStatus.FAILED or self is StepStatus.REFUSED


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

    @property
    def connected(self) -> bool:
        """True while an agent outside works in its first step."""
        if self.submitted is None or self.status.ended:
            return False
        first = self.steps[self.submitted.steps[0].id]
        return first.step.kind is StepKind.CONNECTED and not first.status.ended
