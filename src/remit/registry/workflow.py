"""`kind: Workflow`: what people run by name: the skill that plans it or its steps, and what its missions are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, StrictStr

from remit.identity import ToolPattern
from remit.quantities import Money
from remit.registry.schemas import AmountDocument, CodeReference, Document, ObjectSchema, ResourceName, SkillName
from remit.registry.steps import StepDocument, StepName, WrittenStep, written_step

#: The pool of workers that carries missions for which no other is named.
DEFAULT_POOL = "default"


class ReportDocument(Document):
    """What makes the report of a mission."""

    python: CodeReference = Field(description="`module:function` that builds the report from the mission's results.")


Priority = Literal["low", "normal", "high"]


class LimitsDocument(Document):
    """Bounds of one mission."""

    max_steps: int = Field(1000, description="The most steps that a mission may have.", ge=1, le=100_000)
    max_turns: int = Field(
        1000,
        description="The most turns of models that a mission may have, of all its agents and steps together.",
        ge=1,
        le=100_000,
    )
    priority: Priority = Field("normal", description="The most urgent priority that its missions may be given.")
    concurrent: int | None = Field(
        None,
        description="How many of its missions are driven at once, over all workers; those that wait for people or time"
        " take no place, further ones stand in line.",
        ge=1,
        le=10_000,
    )


def _any_object() -> dict[str, Any]:
    return {"type": "object"}


class WorkflowDocument(Document):
    """`kind: Workflow` as it stands in a file."""

    name: ResourceName = Field(description="What `remit run` takes: letters, digits, `-` and `_`.")
    description: StrictStr = Field("", description="What it achieves.")
    start: SkillName | None = Field(
        None, description="The skill that the first step asks for, whose agent plans the rest; or `steps`."
    )
    steps: dict[StepName, StepDocument] | None = Field(
        None, description="The steps by name, where the plan is written here; or `start`.", min_length=1
    )
    output: Any = Field(
        None, description="With `steps`: what the mission gives, with references; else the output of its last steps."
    )
    inputs: ObjectSchema = Field(default_factory=_any_object, description="JSON Schema of what a mission is given.")
    tools: tuple[ToolPattern, ...] = Field((), description="Patterns of the tools that its missions may use at all.")
    budget: AmountDocument = Field(description="The most that one mission may spend on models and priced tools.")
    deadline_hours: int = Field(168, description="Hours after which a mission that has not ended fails.", ge=1, le=8784)
    pool: ResourceName = Field(
        DEFAULT_POOL, description="The pool of workers that carries its missions, where workers drive the home."
    )
    report: ReportDocument | None = Field(None, description="What makes the report; the plain results by default.")
    limits: LimitsDocument | None = Field(None, description="Bounds of one mission.")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one mission, and of how many there are."""

    max_steps: int = 1000
    max_turns: int = 1000
    #: The most urgent that may be asked for.
    priority: str = "normal"
    #: How many are driven at once; 0 for no bound.
    concurrent: int = 0


@dataclass(frozen=True, slots=True)
class Workflow:
    """What people run by name."""

    name: str
    description: str
    #: Empty where the steps are written.
    start: str
    inputs: Mapping[str, Any]
    tools: tuple[str, ...]
    budget: Money
    deadline_hours: int
    #: `module:function`, or None for the plain results.
    report: str | None
    limits: Limits
    steps: tuple[WrittenStep, ...] = ()
    #: What its missions give, with references; None for the output of their last steps.
    output: Any = None
    pool: str = DEFAULT_POOL


def _limits(document: LimitsDocument) -> Limits:
    return Limits(document.max_steps, document.max_turns, document.priority, document.concurrent or 0)


def workflow(document: WorkflowDocument) -> Workflow:
    """The document as the rest of Remit sees it."""
    return Workflow(
        name=document.name,
        description=document.description,
        start=document.start or "",
        inputs=document.inputs,
        tools=document.tools,
        budget=document.budget.money,
        deadline_hours=document.deadline_hours,
        report=document.report.python if document.report else None,
        limits=_limits(document.limits) if document.limits else Limits(),
        steps=tuple(written_step(name, step) for name, step in (document.steps or {}).items()),
        output=document.output,
        pool=document.pool,
    )
