"""Steps that are written in workflows, when their turn comes: look up what they refer to, and put it on record.

Conditions, references and lists are read here, at the edge, because they look into bodies; what `decide` and `evolve`
see of it is facts: skipped, prepared under this name with this label, spread over so many items.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.errors import InvalidInput, ReferenceEmpty
from remit.gateway import text_of
from remit.ids import StepId
from remit.ledger import PutBlob
from remit.missions import events, flow_events
from remit.missions.running import Running
from remit.missions.state import StepState, StepStatus
from remit.planning import OnFailure, Step
from remit.registry import LookUp, Reference, holds, references, speaks_of_item, steps_in
from remit.tools import NOTHING_READ, Label

#: Items of one list.
ITEMS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Sight:
    """What a step may look at, and the label of each part."""

    look_up: LookUp
    labels: Mapping[str, Label]
    own: Label

    def label_of(self, template: Any) -> Label:
        """The join of all that a template refers to."""
        label = self.own
        for _, reference in references(template):
            label = label.join(self.labels.get(reference.step, NOTHING_READ))
        return label


async def sight_of(run: Running, recipe: Mapping[str, Any]) -> Sight:
    """Open whatever the recipe refers to; a step that has not ended is not there."""
    state = run.mission.state
    assert state.submitted is not None
    found, when = [reference for _, reference in references(_templates(recipe))], recipe.get("when", "")
    # Inputs may hold a long list: whoever does not refer to them does not open them.
    asks = "inputs" in when or any(reference.root == "inputs" for reference in found)
    inputs = await run.read_body(state.submitted.inputs) if asks else {}
    wanted = {reference.step for reference in found} | set(steps_in(when))
    steps, labels = {}, {}
    undone = state.steps[run.held.undoes] if run.held.undoes is not None else None
    for name in sorted(wanted - {""}):
        # Of a list, what undoes an item's step means that one by the list's name.
        own = undone is not None and name == undone.step.id.rpartition(".")[0]
        held = undone if own else state.steps.get(StepId(name))
        if held is None or not held.status.ended:
            raise ReferenceEmpty(f"{run.name} refers to {name}, which has not ended.")
        steps[name] = await told_of(run, held)
        labels[name] = held.label if held.status is StepStatus.SUCCEEDED else NOTHING_READ
    scope: dict[str, Any] = {"inputs": inputs, "steps": steps}
    if undone is not None and undone.recipe:
        recipe = {**await run.read_body(undone.recipe), **recipe}
    if "item" in recipe:
        scope |= {"item": recipe["item"], "index": recipe["index"]}
    return Sight(LookUp(scope), labels, run.tape.label)


async def told_of(run: Running, held: StepState) -> dict[str, Any]:
    """What others may ask of a step that has ended."""
    output = await run.read_body(held.output) if held.output else None
    return {"status": held.status.value, "code": held.code, "output": output}


async def rules_itself_out(run: Running, recipe: Mapping[str, Any], sight: Sight) -> bool:
    """Put on record that the step's condition does not hold; False where it does."""
    when = recipe.get("when", "")
    if not when or (run.step.terms.each and speaks_of_item(when)):
        return False
    if holds(when, sight.look_up.scope):
        return False
    skipped = flow_events.StepRuledOut(run.name, "when")
    await run.commit([run.draft(skipped, fact=run.fact("end"))], [], fenced=True)
    return True


async def prepare(run: Running, recipe: Mapping[str, Any], sight: Sight) -> None:
    """Fix what the step works on."""
    template = recipe.get("with", {})
    given = sight.look_up.fill(template)
    label = sight.label_of(template)
    cid, body = run.seal(given)
    prepared = flow_events.StepPrepared(
        run.name, run.held.attempt, cid, label.trusted, label.confidentiality.value, known_texts(run, sight)
    )
    await run.commit([run.draft(prepared, fact=f"prepared/{run.name}/{run.held.attempt}")], [body], fenced=True)
    run.held = run.mission.state.steps[run.name]
    run.tape.label = run.tape.label.join(label)


def known_texts(run: Running, sight: Sight) -> tuple[str, ...]:
    """Keyed hashes of the texts that were put together from what a person gave, and from the workflow's own words."""
    submitted = run.mission.state.submitted
    assert submitted is not None
    if submitted.parent or submitted.source:
        return ()  # no person gave the inputs
    digest = run.door.vault.digest
    return tuple(sorted({digest(run.mission.id, text_of(text)) for text in sight.look_up.composed}))


async def expand(run: Running, recipe: Mapping[str, Any], sight: Sight) -> None:
    """Put one step for each item of the step's list on record."""
    items = sight.look_up.value(Reference.of(recipe["each"][2:-1]))
    if not isinstance(items, list) or len(items) > ITEMS_MAX:
        what = f"holds {len(items)} items; {ITEMS_MAX} are the most" if isinstance(items, list) else "is no list"
        raise InvalidInput(f"{recipe['each']} of step {run.name} {what}.")
    label = sight.label_of(recipe["each"])
    bodies: list[PutBlob] = []
    steps: list[Step] = []
    for index, item in enumerate(items):
        one = {key: value for key, value in recipe.items() if key not in {"each", "when"}}
        if speaks_of_item(recipe.get("when", "")):
            one["when"] = recipe["when"]
        cid, body = run.seal({**one, "item": item, "index": index})
        bodies.append(body)
        steps.append(_one_of(run.step, index, cid))
    expanded = flow_events.StepExpanded(
        run.name, run.held.attempt, run.number, len(steps), label.trusted, label.confidentiality.value
    )
    drafts = [run.claim_draft()]
    if steps:
        drafts.append(run.draft(events.PlanProposed(run.name, tuple(steps))))
        drafts.append(run.draft(expanded, fact=run.fact("end")))
    else:
        cid, body = run.seal(_joined([]))
        bodies.append(body)
        drafts.append(run.success(cid, label))
    await run.commit(drafts, bodies, fenced=True)


def _one_of(step: Step, index: int, recipe: str) -> Step:
    terms = step.terms
    # What became of each item is told by the step that joins them; that step's own terms say what follows.
    after_all = OnFailure.ESCALATE if terms.on_failure is OnFailure.ESCALATE else OnFailure.CONTINUE
    own = replace(terms, each=False, at_once=0, on_failure=after_all, deadline_seconds=0)
    return replace(step, id=StepId(f"{step.id}.{index}"), input=recipe, after=(), terms=own)


async def join(run: Running) -> None:
    """End a step whose items' steps have all ended, with what became of each."""
    state = run.mission.state
    count = sum(1 for _ in _items(run))
    told, label = [], run.held.given
    for index in range(count):
        held = state.steps[StepId(f"{run.name}.{index}")]
        told.append({"step": held.step.id, "rules": list(held.rules), **await told_of(run, held)})
        if held.status is StepStatus.SUCCEEDED:
            label = label.join(held.label)
    output = _joined(told)
    cid, body = run.seal(output)
    if output["failures"] and run.step.terms.on_failure is not OnFailure.CONTINUE:
        failed = events.StepFailed(
            run.name, run.held.attempt, run.number, "items_failed", ("items_failed",), refused=False, retryable=False,
            why=cid,
        )  # fmt: skip
        await run.commit([run.claim_draft(), run.draft(failed, fact=run.fact("end"))], [body], fenced=True)
        return
    await run.commit([run.claim_draft(), run.success(cid, label)], [body], fenced=True)


def _items(run: Running) -> Any:
    steps, index = run.mission.state.steps, 0
    while StepId(f"{run.name}.{index}") in steps:
        yield index
        index += 1


def _joined(told: list[dict[str, Any]]) -> dict[str, Any]:
    """The outputs by place, null where there is none, and the failures with what explains them."""
    bad = {StepStatus.FAILED.value, StepStatus.REFUSED.value}
    failures = [
        {"index": index, "step": one["step"], "status": one["status"], "code": one["code"], "rules": one["rules"]}
        for index, one in enumerate(told)
        if one["status"] in bad
    ]
    return {"outputs": [one["output"] for one in told], "failures": failures}


def _templates(recipe: Mapping[str, Any]) -> list[Any]:
    return [recipe.get(name) for name in ("with", "each", "until", "match")]
