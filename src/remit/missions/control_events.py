"""What people do to a mission that runs: pause and resume it, skip steps or have them run again, change its plan.

All of them are decisions, each with who and why; the why stands sealed.
"""

from dataclasses import dataclass
from typing import ClassVar

from remit.missions.event import Event
from remit.planning import Step


@dataclass(frozen=True, slots=True)
class MissionPaused(Event):
    """No new run is claimed until it is resumed; what runs goes on to its end."""

    kind: ClassVar[str] = "mission.paused"
    by: str
    #: Keyed name of the sealed reason; empty for none.
    why: str
    #: True where deadlines and questions' ends stand still meanwhile.
    stop_clock: bool


@dataclass(frozen=True, slots=True)
class MissionResumed(Event):
    """It goes on."""

    kind: ClassVar[str] = "mission.resumed"
    by: str
    #: Keyed name of the sealed reason; empty for none.
    why: str
    #: By how much deadlines and questions' ends move back; 0 where the clock went on.
    moved_us: int


@dataclass(frozen=True, slots=True)
class StepSkipped(Event):
    """A person said that the step is not to be done; what waits for it goes on and sees it."""

    kind: ClassVar[str] = "step.skipped"
    step: str
    by: str
    #: Keyed name of the sealed reason.
    why: str


@dataclass(frozen=True, slots=True)
class StepsReopened(Event):
    """Steps that had ended are done again, as new attempts; what their writes did stays on record and is matched."""

    kind: ClassVar[str] = "steps.reopened"
    by: str
    #: Keyed name of the sealed reason; empty for none.
    why: str
    #: The step that was named first, then those that had begun and depend on it.
    steps: tuple[str, ...]
    #: Steps that these had proposed; whoever proposed them proposes anew.
    withdrawn: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanSteered(Event):
    """A person added steps to the plan."""

    kind: ClassVar[str] = "plan.steered"
    by: str
    #: Keyed name of the sealed reason.
    why: str
    added: tuple[Step, ...]
    #: Keyed hashes of the values that the person gave.
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepRemoved(Event):
    """A person took a step out of the plan before it began."""

    kind: ClassVar[str] = "step.removed"
    step: str
    by: str
    #: Keyed name of the sealed reason.
    why: str


@dataclass(frozen=True, slots=True)
class StepChanged(Event):
    """A person gave a step another input before it began."""

    kind: ClassVar[str] = "step.changed"
    step: str
    #: The run that must not be claimed with the old input.
    run: int
    by: str
    #: Keyed name of the sealed reason.
    why: str
    #: Keyed name of the new sealed input.
    input: str
    #: Keyed hashes of the values that the person gave.
    known: tuple[str, ...]


CONTROL_EVENTS: tuple[type[Event], ...] = (
    MissionPaused,
    MissionResumed,
    StepSkipped,
    StepsReopened,
    PlanSteered,
    StepRemoved,
    StepChanged,
)
