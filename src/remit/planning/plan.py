"""One step of a plan, and its terms."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from remit.ids import StepId


class StepKind(StrEnum):
    """Who carries a step out."""

    #: An agent that offers the skill, found in the registry when the step starts.
    SKILL = "skill"
    #: One call of a tool, which Remit makes itself, through the door.
    TOOL = "tool"
    #: A question to a person; the answer is the step's output.
    QUESTION = "question"
    #: The work of an agent outside, which comes to the door by itself; no driver starts it.
    CONNECTED = "connected"
    #: Until an instant; nothing is done.
    TIMER = "timer"
    #: Until something happens outside; what is told of it is the step's output.
    EVENT = "event"
    #: A mission of its own, by its workflow's name; what comes of it is the step's output.
    WORKFLOW = "workflow"


class OnFailure(StrEnum):
    """What follows where a step does not end well."""

    #: What waits for it goes on, and sees how it ended.
    CONTINUE = "continue"
    #: What waits for it is skipped, the rest goes on, and the mission fails in the end.
    FAIL = "fail"
    #: A person is asked whether to try again or to let it fail.
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried, and how long it rests before each further try."""

    attempts: int = 3
    first_seconds: float = 1.0
    factor: float = 5.0
    longest_seconds: float = 600.0
    #: After these attempts, once more by another version of the agent.
    other_version: bool = False

    def wait_us(self, attempt: int) -> int:
        """The rest after this attempt, in microseconds."""
        wait: float = self.first_seconds * self.factor ** min(attempt - 1, 64)
        return int(min(wait, self.longest_seconds) * 1_000_000)


@dataclass(frozen=True, slots=True)
class Compensation:
    """What undoes a step that ended well."""

    kind: StepKind
    target: str
    #: Keyed name of the sealed recipe of its input.
    input: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan says of a step beyond its work."""

    #: The input is a recipe: condition, references and texts that are looked up when the step's turn comes.
    recipe: bool = False
    #: One step for each item of a list, which the recipe names; this step ends when they all have.
    each: bool = False
    #: How many of these run at once; 0 for no bound of their own.
    at_once: int = 0
    #: Whose grants and policies hold for a tool's call; empty for the agent whose plan it is.
    agent: str = ""
    on_failure: OnFailure = OnFailure.CONTINUE
    retry: Retry | None = None
    #: How long one attempt may take; 0 for what holds for every step.
    timeout_seconds: int = 0
    #: How long after the mission's submission it must have ended; 0 for the mission's own deadline.
    deadline_seconds: int = 0
    compensate: Compensation | None = None

    def to_json(self) -> dict[str, Any]:
        """What differs from a step without terms."""
        told: dict[str, Any] = {}
        for name in ("recipe", "each", "at_once", "agent", "timeout_seconds", "deadline_seconds"):
            if value := getattr(self, name):
                told[name] = value
        if self.on_failure is not OnFailure.CONTINUE:
            told["on_failure"] = self.on_failure.value
        if self.retry is not None:
            told["retry"] = asdict(self.retry)
        if self.compensate is not None:
            told["compensate"] = {**asdict(self.compensate), "kind": self.compensate.kind.value}
        return told

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Terms":
        """Read terms back from an entry."""
        known = dict(fields)
        if "on_failure" in known:
            known["on_failure"] = OnFailure(known["on_failure"])
        if "retry" in known:
            known["retry"] = Retry(**known["retry"])
        if "compensate" in known:
            undo = known["compensate"]
            known["compensate"] = Compensation(StepKind(undo["kind"]), undo["target"], undo["input"])
        return cls(**known)


#: Of a step of which nothing more is said.
NO_TERMS = Terms()
#: Failures that an agent, a tool or a mission of a step's own told of; tried again only where a plan says how.
_TOLD = frozenset({"agent_failed", "tool_failed", "sub_mission_failed"})


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work: what to do, with which input, after which other steps."""

    id: StepId
    kind: StepKind
    #: The skill's or the tool's name; empty for a question.
    target: str
    #: The keyed name of the sealed input (a tool's arguments, a skill's input, a question's text).
    input: str
    #: Steps that must have ended, well or not, before this one starts; it may read their outputs.
    after: tuple[StepId, ...] = ()
    #: The keyed name of sealed reasons why the planner wants a person to look first; empty where it does not.
    ask: str = ""
    #: The rules behind `ask`: codes, safe to stand in the record.
    ask_rules: tuple[str, ...] = ()
    #: How often it may be tried when the failure is one that passes.
    attempts_max: int = 3
    terms: Terms = NO_TERMS

    def tried_again(self, attempt: int, code: str, *, retryable: bool) -> bool:
        """True where another attempt follows on one that ended with this error."""
        asked_for = self.terms.retry is not None and code in _TOLD
        return attempt < self.attempts_max and (retryable or asked_for)

    def to_json(self) -> dict[str, Any]:
        """The step as it stands in an entry."""
        told: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind.value,
            "target": self.target,
            "input": self.input,
            "after": list(self.after),
            "ask": self.ask,
            "ask_rules": list(self.ask_rules),
            "attempts_max": self.attempts_max,
        }
        if self.terms is not NO_TERMS and (terms := self.terms.to_json()):
            told["terms"] = terms
        return told

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Step":
        """Read a step back from an entry."""
        return cls(
            id=StepId(fields["id"]),
            kind=StepKind(fields["kind"]),
            target=fields["target"],
            input=fields["input"],
            after=tuple(StepId(step) for step in fields["after"]),
            ask=fields["ask"],
            ask_rules=tuple(fields["ask_rules"]),
            attempts_max=fields["attempts_max"],
            terms=Terms.from_json(fields["terms"]) if fields.get("terms") else NO_TERMS,
        )
