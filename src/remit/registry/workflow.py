"""`kind: Workflow`: what people run by name: the skill that starts it, and what its missions are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, StrictStr

from remit.identity import ToolPattern
from remit.quantities import Money
from remit.registry.schemas import AmountDocument, CodeReference, Document, ObjectSchema, ResourceName, SkillName


class ReportDocument(Document):
    """What makes the report of a mission."""

    python: CodeReference = Field(description="`module:function` that builds the report from the mission's results.")


class LimitsDocument(Document):
    """Bounds of one mission."""

    max_steps: int = Field(1000, description="The most steps that a mission may have.", ge=1, le=100_000)
    max_turns: int = Field(
        1000, description="Not built in this release: those of agents and policies hold.", ge=1, le=100_000
    )


def _any_object() -> dict[str, Any]:
    return {"type": "object"}


class WorkflowDocument(Document):
    """`kind: Workflow` as it stands in a file."""

    name: ResourceName = Field(description="What `remit run` takes: letters, digits, `-` and `_`.")
    description: StrictStr = Field("", description="What it achieves.")
    start: SkillName = Field(description="The skill that the first step asks for; some agent must offer it.")
    inputs: ObjectSchema = Field(default_factory=_any_object, description="JSON Schema of what a mission is given.")
    tools: tuple[ToolPattern, ...] = Field((), description="Patterns of the tools that its missions may use at all.")
    budget: AmountDocument = Field(description="The most that one mission may spend on models and priced tools.")
    deadline_hours: int = Field(168, description="Hours after which a mission that has not ended fails.", ge=1, le=8784)
    report: ReportDocument | None = Field(None, description="What makes the report; the plain results by default.")
    limits: LimitsDocument | None = Field(None, description="Bounds of one mission.")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one mission."""

    max_steps: int = 1000
    max_turns: int = 1000


@dataclass(frozen=True, slots=True)
class Workflow:
    """What people run by name."""

    name: str
    description: str
    start: str
    inputs: Mapping[str, Any]
    tools: tuple[str, ...]
    budget: Money
    deadline_hours: int
    #: `module:function`, or None for the plain results.
    report: str | None
    limits: Limits


def workflow(document: WorkflowDocument) -> Workflow:
    """The document as the rest of Remit sees it."""
    return Workflow(
        name=document.name,
        description=document.description,
        start=document.start,
        inputs=document.inputs,
        tools=document.tools,
        budget=document.budget.money,
        deadline_hours=document.deadline_hours,
        report=document.report.python if document.report else None,
        limits=Limits(document.limits.max_steps, document.limits.max_turns) if document.limits else Limits(),
    )
