"""The plan of a written workflow: its steps with their recipes sealed."""

from collections.abc import Callable, Iterable
from typing import Any

from remit.gateway import text_of
from remit.ids import StepId
from remit.planning import Compensation, OnFailure, Retry, Step, StepKind, Terms
from remit.registry import RetryDocument, Workflow, WrittenStep, literals, seconds

#: The rule behind a question that a workflow's own author wants asked.
WORKFLOW_ASKS = "workflow"


def plan_of(workflow: Workflow, seal: Callable[[Any], str]) -> tuple[Step, ...]:
    """The steps of a workflow; `seal` stores a body and gives its keyed name."""
    return tuple(_step(one, seal) for one in workflow.steps)


def words_of(workflow: Workflow, digest: Callable[[str], str]) -> Iterable[str]:
    """Keyed hashes of the values that the workflow's author wrote: whoever applied it stands for them."""
    for one in workflow.steps:
        for template in (one.recipe.get("with"), one.undo.recipe.get("with") if one.undo else None):
            for value in literals(template):
                yield digest(text_of(value))


def _step(one: WrittenStep, seal: Callable[[Any], str]) -> Step:
    terms = Terms(
        recipe=not one.plain,
        each=one.each,
        at_once=one.at_once,
        agent=one.agent,
        on_failure=OnFailure(one.on_failure),
        retry=_retry(one.retry),
        timeout_seconds=one.timeout_seconds,
        deadline_seconds=one.deadline_seconds,
        compensate=Compensation(StepKind(one.undo.kind), one.undo.target, seal(one.undo.recipe)) if one.undo else None,
    )
    ask = {"title": one.approve.title, "reasons": _reasons(one)} if one.approve else None
    attempts = one.retry.attempts + one.retry.other_version if one.retry else 3
    return Step(
        StepId(one.name),
        StepKind(one.kind),
        one.target,
        seal(one.recipe["with"] if one.plain else dict(one.recipe)),
        tuple(StepId(name) for name in one.after),
        seal(ask) if ask else "",
        (WORKFLOW_ASKS,) if ask else (),
        attempts,
        terms,
    )


def _reasons(one: WrittenStep) -> list[dict[str, str]]:
    if one.approve is None or not one.approve.reason:
        return []
    return [{"rule": WORKFLOW_ASKS, "message": one.approve.reason}]


def _retry(document: RetryDocument | None) -> Retry | None:
    if document is None:
        return None
    return Retry(
        document.attempts,
        float(seconds(document.first)),
        document.factor,
        float(seconds(document.longest)),
        document.other_version,
    )
