"""One step of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
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

    def to_json(self) -> dict[str, Any]:
        """The step as it stands in an entry."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "target": self.target,
            "input": self.input,
            "after": list(self.after),
            "ask": self.ask,
            "ask_rules": list(self.ask_rules),
            "attempts_max": self.attempts_max,
        }

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
        )
