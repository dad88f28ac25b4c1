"""What happens in a mission's life, as it stands in the mission's stream.

Decisions come from `decide` and are written against the head they were taken on. Facts come from `perform` and are
always written. Payloads hold names, codes and keyed hashes; texts and values stand in sealed bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_origin

from remit.ledger import Entry
from remit.planning import Step


@dataclass(frozen=True, slots=True)
class Event:
    """An entry's typed content."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    closes: ClassVar[bool] = False

    def payload(self) -> dict[str, Any]:
        """The event as JSON."""
        names, lists = _names(type(self))
        told = {name: getattr(self, name) for name in names}
        for name in lists:
            told[name] = [item.to_json() if isinstance(item, Step) else item for item in told[name]]
        return told

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:  # noqa: ARG003 -- for those that have changed
        """The payload of an older version as one of this version."""
        return payload


# --- decisions


@dataclass(frozen=True, slots=True)
class MissionSubmitted(Event):
    """A person asked for it, or an agent outside on a person's behalf."""

    kind: ClassVar[str] = "mission.submitted"
    version: ClassVar[int] = 2
    workflow: str
    principal: str
    #: Keyed name of the sealed inputs.
    inputs: str
    #: Tool patterns that this mission may use, fixed before anything untrusted is read.
    tools: tuple[str, ...]
    budget_usd_micros: int
    steps_max: int
    #: When the mission fails if it has not ended.
    deadline_at_us: int
    #: What reads and judges: a model's name, or the words for none.
    reader: str
    #: Keyed hashes of the values that the person gave, for data flow.
    known: tuple[str, ...]
    steps: tuple[Step, ...]
    #: On whose leave it stands where an agent asked for it: the person, then each agent, the one that acts last.
    chain: tuple[str, ...] = ()
    #: The mission in which the asking agent works; empty where a person asked.
    parent: str = ""
    #: The asking agent's token, and the most that may be spent under it; empty where it bounds no spending.
    token: str = ""
    token_budget_usd_micros: int = 0
    #: The skills through which the work came here, the outermost first, each as `SKILL` or `SKILL@PLACE`.
    ancestry: tuple[str, ...] = ()
    #: How widely what the asking agent had read may be told.
    confidentiality: str = "public"

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Version 1 was asked for by people alone."""
        if version > 1:
            return payload
        asked_by_a_person = {
            "chain": (),
            "parent": "",
            "token": "",
            "token_budget_usd_micros": 0,
            "ancestry": (),
            "confidentiality": "public",
        }
        return {**asked_by_a_person, **payload}


@dataclass(frozen=True, slots=True)
class PlanExtended(Event):
    """A proposed plan was found good and joined the mission's."""

    kind: ClassVar[str] = "plan.extended"
    version: ClassVar[int] = 2
    #: The step whose `plan.proposed`, before this entry in the stream, holds the steps.
    by: str
    #: How many steps joined.
    count: int

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Version 1 told the steps once more."""
        return payload if version > 1 else {"by": payload["by"], "count": len(payload["steps"])}


@dataclass(frozen=True, slots=True)
class PlanRejected(Event):
    """A proposed plan cannot be carried out."""

    kind: ClassVar[str] = "plan.rejected"
    by: str
    #: What is wrong with it: step, skill and tool names only.
    faults: str


@dataclass(frozen=True, slots=True)
class StepRetried(Event):
    """A step that failed in passing is tried again, on a new tape."""

    kind: ClassVar[str] = "step.retried"
    step: str
    attempt: int
    not_before_us: int


@dataclass(frozen=True, slots=True)
class ApprovalAnswered(Event):
    """A person decided."""

    kind: ClassVar[str] = "approval.answered"
    approval: str
    step: str
    #: approve, reject or steer.
    verdict: str
    by: str
    #: Keyed name of the steered input; empty for the input as proposed.
    input: str
    #: Keyed name of a sealed note; empty for none.
    note: str
    #: What the verdict binds: keyed hash of the arguments, the tool's pin, the policy's hash.
    binds: tuple[str, ...]
    #: Keyed hashes of the values that the person gave.
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApprovalExpired(Event):
    """Nobody answered in time."""

    kind: ClassVar[str] = "approval.expired"
    approval: str
    step: str


@dataclass(frozen=True, slots=True)
class MissionCompleted(Event):
    """Every step has ended."""

    kind: ClassVar[str] = "mission.completed"
    closes: ClassVar[bool] = True
    steps: int


@dataclass(frozen=True, slots=True)
class MissionFailed(Event):
    """It cannot go on."""

    kind: ClassVar[str] = "mission.failed"
    closes: ClassVar[bool] = True
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class MissionCancelled(Event):
    """A person stopped it."""

    kind: ClassVar[str] = "mission.cancelled"
    closes: ClassVar[bool] = True
    by: str


# --- facts


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A driver claimed the step's next run."""

    kind: ClassVar[str] = "step.started"
    step: str
    attempt: int
    run: int
    epoch: int
    agent: str


@dataclass(frozen=True, slots=True)
class StepSucceeded(Event):
    """The run ended well; the entry pins the step's own stream."""

    kind: ClassVar[str] = "step.succeeded"
    version: ClassVar[int] = 2
    step: str
    attempt: int
    run: int
    #: Keyed name of the sealed output.
    output: str
    #: False where the run read anything from outside the company's own directories.
    trusted: bool
    #: How widely the output may be told: public, internal or confidential.
    confidentiality: str = "public"

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Version 1 knew no confidentiality; what agents made was for the house."""
        return payload if version > 1 else {**payload, "confidentiality": "internal"}


@dataclass(frozen=True, slots=True)
class PlanProposed(Event):
    """The step's agent wants these steps added."""

    kind: ClassVar[str] = "plan.proposed"
    step: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    """The run ended with an error."""

    kind: ClassVar[str] = "step.failed"
    step: str
    attempt: int
    run: int
    code: str
    #: The rules that refused, where it was a refusal.
    rules: tuple[str, ...]
    #: refused: the answer was no; failed: it could not be done.
    refused: bool
    retryable: bool
    #: Keyed name of the sealed explanation.
    why: str


@dataclass(frozen=True, slots=True)
class StepInterrupted(Event):
    """The run was given up before its end, without blame; it goes on from its tape."""

    kind: ClassVar[str] = "step.interrupted"
    step: str
    attempt: int
    run: int
    code: str


@dataclass(frozen=True, slots=True)
class StepSuspended(Event):
    """A call of this step waits for a person."""

    kind: ClassVar[str] = "step.suspended"
    step: str
    attempt: int
    run: int
    approval: str
    #: The step that Remit itself executes once approved: this one, or a new one that holds the proposed call.
    proposed: tuple[Step, ...]
    #: The key of the call that a new step answers; empty where the step is its own call.
    call: str
    #: uncertain: the question is whether an effect took place; else approval.
    about: str
    rules: tuple[str, ...]
    binds: tuple[str, ...]
    approvers: tuple[str, ...]
    expires_at_us: int
    #: Answers that are open: approve, reject, steer.
    answers: tuple[str, ...]
    #: Keyed name of the sealed case for the person: action, reasons, evidence, what each answer does.
    case: str


_NAMES: dict[type[Event], tuple[tuple[str, ...], tuple[str, ...]]] = {}
#: Fields that hold steps.
_OF_STEPS = {"steps", "proposed"}
#: Every kind that this release can fold.
KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        MissionSubmitted,
        PlanExtended,
        PlanRejected,
        StepRetried,
        ApprovalAnswered,
        ApprovalExpired,
        MissionCompleted,
        MissionFailed,
        MissionCancelled,
        StepStarted,
        StepSucceeded,
        PlanProposed,
        StepFailed,
        StepInterrupted,
        StepSuspended,
    )
}


def read_event(entry: Entry) -> Event | None:
    """The entry's typed content; None for a kind that a newer release wrote, which this one must not fold over."""
    event = KINDS.get(entry.kind)
    if event is None or entry.version > event.version:
        return None
    known = entry.payload if entry.version == event.version else event.upcast(entry.payload, entry.version)
    names, lists = _names(event)
    told = {name: known[name] for name in names}
    for name in lists:
        told[name] = tuple([_step(item) for item in told[name]] if name in _OF_STEPS else told[name])
    return event(**told)


def _names(event: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The event's fields, and those of them that are lists."""
    names = _NAMES.get(event)
    if names is None:
        known = fields(event)
        lists = tuple(field.name for field in known if get_origin(field.type) is tuple)
        names = _NAMES[event] = (tuple(field.name for field in known), lists)
    return names


def _step(item: Any) -> Step:
    return item if isinstance(item, Step) else Step.from_json(item)
