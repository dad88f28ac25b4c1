"""`steps:` of a workflow: what is done, with what, after what, and what follows where it does not end well."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictStr

from remit.registry.conditions import steps_in
from remit.registry.references import references
from remit.registry.schemas import Document, ResourceName, SkillName, worded

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = r"[1-9]\d{0,5}[smhd]"
#: What a step may be; exactly one stands in it.
KINDS = ("skill", "tool", "question", "timer", "until", "event", "workflow")
#: Kinds whose input stands under `with`.
WITH_INPUT = frozenset({"skill", "tool", "workflow"})
#: Kinds that carry something out, so that it can fail and be tried again.
TRIED = frozenset({"skill", "tool", "workflow"})

Duration = Annotated[StrictStr, worded(_TIME, "a time with its unit, such as 30s, 10m, 24h or 7d")]
StepName = Annotated[
    str, worded(r"[a-z][a-z0-9_]{0,62}", "small letters, digits and '_', at most 63, the first a letter")
]
ToolName = Annotated[str, worded(r"[A-Za-z0-9_-]{1,63}__[A-Za-z0-9_.-]{1,127}", "a tool's full name, SOURCE__TOOL")]
EventName = Annotated[str, worded(r"[a-z][a-z0-9_.-]{0,99}", "small letters, digits, '.', '_' and '-'")]


class RetryDocument(Document):
    """How often a step is tried, and how long it rests before each further try."""

    attempts: int = Field(3, description="The most attempts.", ge=1, le=20)
    first: Duration = Field("1s", description="Rest before the second attempt.")
    factor: float = Field(5.0, description="By how much each rest is longer than the one before.", ge=1, le=100)
    longest: Duration = Field("10m", description="The longest rest.")
    other_version: bool = Field(
        False, description="Once more after these, by the newest other version of the agent in production."
    )


class CompensateDocument(Document):
    """What undoes the step once it has ended well."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    tool: ToolName | None = Field(None, description="A tool's full name.")
    skill: SkillName | None = Field(None, description="Or a skill.")
    given: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="Its input; the step's own output may be referred to."
    )


class ApproveDocument(Document):
    """Why a person looks before a tool is called."""

    title: StrictStr = Field(description="What the person reads first.", min_length=1)
    reason: StrictStr = Field("", description="Why they are asked.")


class EventDocument(Document):
    """The outside event for which a step waits."""

    name: EventName = Field(description="Its name.")
    match: dict[StrictStr, Any] = Field(
        default_factory=dict, description="Fields of the event, dotted, and what they must say; all of them count."
    )


class StepDocument(Document):
    """One step of a workflow; exactly one of its kinds stands in it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    skill: SkillName | None = Field(None, description="A skill that some agent offers.")
    tool: ToolName | None = Field(None, description="One call of a tool, by its full name, which Remit makes.")
    question: dict[str, Any] | None = Field(
        None, description="A question to a person: `title`, `reasons`, `evidence`, `answers`; texts may refer."
    )
    timer: Duration | None = Field(None, description="Wait this long.")
    until: StrictStr | None = Field(None, description="Wait until this instant (ISO 8601), mostly a reference.")
    event: EventDocument | None = Field(None, description="Wait for an outside event.")
    workflow: ResourceName | None = Field(None, description="A mission of its own, by its workflow's name.")
    agent: ResourceName | None = Field(None, description="For a tool: whose grants and policies hold for the call.")
    given: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="The input: values, references, texts with references."
    )
    after: tuple[StepName, ...] = Field((), description="Steps before it, besides those that it refers to.")
    when: StrictStr | None = Field(None, description="CEL: carried out only where this is true.")
    for_each: StrictStr | None = Field(None, description="A reference to a list: one step for each `item` of it.")
    at_once: int | None = Field(None, description="With `for_each`: how many run at once.", ge=1, le=1000)
    timeout: Duration | None = Field(None, description="How long one attempt, or the wait for an event, may take.")
    deadline: Duration | None = Field(None, description="How long after the mission's submission it must have ended.")
    retry: RetryDocument | None = Field(None, description="How often it is tried; what passes is tried 3 times.")
    on_failure: Literal["fail", "continue", "escalate"] = Field(
        "fail",
        description="`fail`: what needs it is skipped, and the mission fails in the end; `continue`: what needs it "
        "goes on; `escalate`: a person is asked whether to try again.",
    )
    compensate: CompensateDocument | None = Field(None, description="What undoes it once it has ended well.")
    approve: ApproveDocument | None = Field(None, description="For a tool: a person says yes to the call first.")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that stand in it."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoes a step: a tool or a skill, and the recipe of its input."""

    kind: str
    target: str
    recipe: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """A step as the rest of Remit sees it."""

    name: str
    #: skill, tool, question, timer, event or workflow.
    kind: str
    #: The skill, tool, event or workflow; empty for a question and a timer.
    target: str
    #: What is looked up when its turn comes.
    recipe: Mapping[str, Any]
    #: True where nothing needs to be looked up: the input stands as it is.
    plain: bool
    #: Every step before it, those that it refers to among them, by name.
    after: tuple[str, ...]
    agent: str
    each: bool
    at_once: int
    timeout_seconds: int
    deadline_seconds: int
    on_failure: str
    retry: RetryDocument | None
    undo: Undo | None
    approve: ApproveDocument | None


def seconds(duration: str) -> int:
    """`10m` as 600."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def refers_to(template: Any) -> set[str]:
    """The steps that a template refers to."""
    return {reference.step for _, reference in references(template)} - {""}


def templates(step: StepDocument) -> dict[str, Any]:
    """Whatever in a step may refer to something, by its place in the document."""
    found: dict[str, Any] = {"with": step.given, "question": step.question, "until": step.until}
    if step.for_each is not None:
        found["for_each"] = step.for_each
    if step.event is not None:
        found["event"] = {"match": step.event.match}
    return found


def before(step: StepDocument) -> set[str]:
    """The steps before it: those that are named, and those that it refers to."""
    found = set(step.after) | (set(steps_in(step.when)) if step.when else set())
    return found | set().union(*(refers_to(template) for template in templates(step).values()))


def written_step(name: str, step: StepDocument) -> WrittenStep:
    """A checked step as the rest of Remit sees it."""
    (kind,) = step.kinds
    given: dict[str, Any] = {}
    if kind in WITH_INPUT:
        given["with"] = step.given
    elif kind == "question":
        given["with"] = step.question
    elif kind == "timer":
        given["after_seconds"] = seconds(step.timer or "1s")
    elif kind == "until":
        given["until"] = step.until
    elif step.event is not None:
        given["match"] = step.event.match
    plain = not step.when and not step.for_each and not any(references(given)) and kind in {*TRIED, "question"}
    plain = plain and kind != "workflow"
    if step.when:
        given["when"] = step.when
    if step.for_each:
        given["each"] = step.for_each
    target = {"skill": step.skill, "tool": step.tool, "workflow": step.workflow}.get(kind)
    undo = step.compensate
    return WrittenStep(
        name=name,
        kind="timer" if kind == "until" else kind,
        target=target or (step.event.name if step.event else ""),
        recipe=given,
        plain=plain,
        after=tuple(sorted(before(step))),
        agent=step.agent or "",
        each=step.for_each is not None,
        at_once=step.at_once or 0,
        timeout_seconds=seconds(step.timeout) if step.timeout else 0,
        deadline_seconds=seconds(step.deadline) if step.deadline else 0,
        on_failure=step.on_failure,
        retry=step.retry,
        undo=Undo("tool" if undo.tool else "skill", undo.tool or undo.skill or "", {"with": undo.given})
        if undo
        else None,
        approve=step.approve,
    )


def is_one_reference(text: str) -> bool:
    """True where a text is exactly one reference."""
    return re.fullmatch(r"\$\{[^{}]*\}", text) is not None
