"""What happens in a mission's life, as it stands in the mission's stream.

Decisions come from `decide` and are written against the head they were taken on. Facts come from `perform` and are
always written. Payloads hold names, codes and keyed hashes; texts and values stand in sealed bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from remit.ledger import Entry
from remit.missions import flow_events
from remit.missions.control_events import CONTROL_EVENTS
from remit.missions.event import Event, names_of
from remit.missions.notice_events import NOTICE_EVENTS
from remit.missions.undo_events import UNDO_EVENTS
from remit.planning import Step

# --- decisions


@dataclass(frozen=True, slots=True)
class MissionSubmitted(Event):
    """A person asked for it, an agent outside on a person's behalf, or a trigger in a person's name."""

    kind: ClassVar[str] = "mission.submitted"
    version: ClassVar[int] = 6
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
    #: How widely the inputs may be told: what the asking agent had read, or what the trigger says.
    confidentiality: str = "public"
    #: Where the inputs came from when nobody gave them: `trigger/NAME`; empty for a person's and an agent's.
    source: str = ""
    #: False where `source`, or the mission that began this one, gave a value that nobody vouches for.
    trusted: bool = True
    #: The step of `parent` that waits for this mission's end; empty where none does.
    parent_step: str = ""
    #: The missions whose budgets must cover this one's calls as well, the nearest first.
    above: tuple[str, ...] = ()
    #: True where a workflow wrote the steps; else the first step's agent plans.
    written: bool = False
    #: Keyed name of the sealed recipe of the mission's output; empty for the output of its steps.
    result: str = ""
    #: The tokens from which `token` was narrowed and that bound spending too.
    tokens_above: tuple[str, ...] = ()
    #: How urgent it is: low, normal or high.
    priority: str = "normal"
    #: The most turns of models, of all its agents and steps together; 0 for no bound of its own.
    turns_max: int = 0
    #: The balance in which it counts as open until it ends; empty where it is not counted.
    counted: str = ""

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Version 1 was asked for by people alone; before 3 nothing outside began a mission; before 4 no other one.

        Before 5 a narrowed token's money was not held under the token that it comes from. Before 6 all were as urgent.
        """
        parent = payload.get("parent", "")
        unwritten = {"parent_step": "", "above": (parent,) if parent else (), "written": False, "result": ""}
        bounds = {"tokens_above": (), "priority": "normal", "turns_max": 0, "counted": ""}
        payload = {"source": "", "trusted": True, **bounds, **unwritten, **payload}
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
    version: ClassVar[int] = 2
    closes: ClassVar[bool] = True
    code: str
    detail: str
    #: Steps that took effect and were undone, and those of which that is not known or was not possible.
    undone: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:  # noqa: ARG003 -- one step so far
        """Version 1 undid nothing."""
        return {"undone": (), "not_undone": (), **payload}


@dataclass(frozen=True, slots=True)
class MissionCancelled(Event):
    """A person stopped it."""

    kind: ClassVar[str] = "mission.cancelled"
    version: ClassVar[int] = 2
    closes: ClassVar[bool] = True
    by: str
    #: As of a mission that failed.
    undone: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:  # noqa: ARG003 -- one step so far
        """Version 1 undid nothing."""
        return {"undone": (), "not_undone": (), **payload}


# --- facts


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A driver claimed the step's next run."""

    kind: ClassVar[str] = "step.started"
    version: ClassVar[int] = 2
    step: str
    attempt: int
    run: int
    epoch: int
    agent: str
    #: What this claim holds so that the step can be undone, in US dollar micro-units.
    reserved_usd_micros: int = 0

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:  # noqa: ARG003 -- one step so far
        """Version 1 undid nothing."""
        return {"reserved_usd_micros": 0, **payload}


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
    #: Version 1 knew no terms of steps; what it holds reads the same.
    version: ClassVar[int] = 2
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
    #: Version 1 of a release without reminders; 2 of one without steps' terms.
    version: ClassVar[int] = 3
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

    #: When those who are asked are reminded, soonest first.
    remind_at_us: tuple[int, ...] = ()
    #: When others are asked as well, and who; 0 for never.
    escalate_at_us: int = 0
    escalate_to: tuple[str, ...] = ()

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:  # noqa: ARG003 -- one step so far
        """Before this version nobody was reminded, and nobody else was asked."""
        return {"remind_at_us": (), "escalate_at_us": 0, "escalate_to": (), **payload}

    @property
    def waiting_step(self) -> str:
        """The step that stands still until it is answered: this one, or the new one that holds the call."""
        return self.proposed[0].id if self.proposed else self.step

    @property
    def wake_at_us(self) -> int:
        """When time alone makes something due: a reminder, an escalation, its end."""
        return min(
            self.expires_at_us,
            self.remind_at_us[0] if self.remind_at_us else self.expires_at_us,
            self.escalate_at_us or self.expires_at_us,
        )

    def moved(self, by_us: int) -> "StepSuspended":
        """The same question, with its end and all before it this much later."""
        return replace(
            self,
            expires_at_us=self.expires_at_us + by_us,
            remind_at_us=tuple(at_us + by_us for at_us in self.remind_at_us),
            escalate_at_us=self.escalate_at_us + by_us if self.escalate_at_us else 0,
        )


#: Kind and field of what holds steps.
_OF_STEPS = {
    ("mission.submitted", "steps"),
    ("plan.proposed", "steps"),
    ("step.suspended", "proposed"),
    ("plan.steered", "added"),
    ("undo.planned", "steps"),
}
_EVENTS: tuple[type[Event], ...] = (
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
    *CONTROL_EVENTS,
    *flow_events.ALL,
    *NOTICE_EVENTS,
    *UNDO_EVENTS,
)
#: Every kind that this release can fold.
KINDS: dict[str, type[Event]] = {event.kind: event for event in _EVENTS}


def read_event(entry: Entry) -> Event | None:
    """The entry's typed content; None for a kind that a newer release wrote, which this one must not fold over."""
    event = KINDS.get(entry.kind)
    if event is None or entry.version > event.version:
        return None
    known = entry.payload if entry.version == event.version else event.upcast(entry.payload, entry.version)
    names, lists = names_of(event)
    told = {name: known[name] for name in names}
    for name in lists:
        told[name] = tuple([_step(item) for item in told[name]] if (entry.kind, name) in _OF_STEPS else told[name])
    return event(**told)


def _step(item: Any) -> Step:
    return item if isinstance(item, Step) else Step.from_json(item)
