"""Missions that a step begins: under its mission's budget, deadline and person, within its tools, never in circles."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from remit.errors import RemitError, SubMissionFailed
from remit.gateway import Door, check_recursion, leaves, text_of
from remit.identity import Right, covers, require
from remit.ids import MissionId, StepId
from remit.missions import flow_events
from remit.missions.active import ActiveMission, stream_of
from remit.missions.asking import end_failed
from remit.missions.events import MissionSubmitted
from remit.missions.running import Running
from remit.missions.state import MissionState, MissionStatus, StepStatus
from remit.missions.submit import Submission, asked_of, begun, check_inputs
from remit.missions.written import Sight
from remit.registry import LookUp, references
from remit.state import Pointer
from remit.tools import NOTHING_READ, Confidentiality, Label, Origin


async def begin(run: Running, recipe: Mapping[str, Any], sight: Sight) -> None:
    """Put the mission on record together with the note that the step waits for it.

    Raises:
        NotFound: there is no such workflow any more.
        InvalidInput: it takes other inputs.
        LoopStopped: it stands above itself with the same inputs, or too deep.
        RightsExceeded: the person may not submit missions any more.
    """
    door, parent = run.door, run.mission.state
    assert parent.submitted is not None
    workflow = door.controls.registry.workflow(run.step.target)
    person = door.controls.registry.principal(parent.submitted.principal)
    require(person, Right.SUBMIT)
    given = sight.look_up.fill(recipe.get("with", {}))
    check_inputs(workflow, given)
    link = _check_circles(run, given)
    child = _name(run)
    space = door.vault.open_space(child)
    label = sight.label_of(recipe.get("with", {}))
    asked, bodies = asked_of(door, run.clock, child, person.id, Submission(workflow, given, parent.submitted.reader))
    asked = replace(
        asked,
        tools=_tools(door, parent.submitted.tools, workflow.tools),
        deadline_at_us=min(asked.deadline_at_us, parent.deadline_at_us),
        known=tuple(sorted({*_known(run, child, given), *_written_words(asked, door, child, given)})),
        chain=parent.submitted.chain,
        parent=run.mission.id,
        parent_step=run.name,
        above=(run.mission.id, *parent.submitted.above),
        token=parent.submitted.token,
        token_budget_usd_micros=parent.submitted.token_budget_usd_micros,
        ancestry=(*parent.submitted.ancestry, link),
        trusted=label.trusted,
        confidentiality=label.confidentiality.value,
    )
    drafts, writes = begun(child, asked, run.now_us, person.actor)
    parked = flow_events.StepParked(run.name, run.held.attempt, run.number, 0, child)
    own = [run.claim_draft(), run.draft(parked, fact=run.fact("end"))]
    await run.commit([*own, *drafts], [space, *bodies, *writes], fenced=True, new=stream_of(child))


async def end_with(run: Running, child: ActiveMission) -> None:
    """Put on record what became of the mission that the step began."""
    if child.state.status is MissionStatus.COMPLETED:
        try:
            value, label = await result_of(run.door, child)
        except RemitError as error:
            await end_failed(run, error)
            return
        cid, body = run.seal(value)
        await run.commit([run.success(cid, label)], [body])
        return
    code = child.state.code or child.state.status.value
    await end_failed(run, SubMissionFailed(f"{child.id} is {child.state.status}: {code}.", rule=code))


async def result_of(door: Door, active: ActiveMission) -> tuple[Any, Label]:
    """What a mission gives, and the join of all that it was made of.

    Raises:
        ReferenceEmpty: its workflow's `output` refers to what is not there.
    """
    state = active.state
    assert state.submitted is not None

    async def read(cid: str) -> Any:
        return await door.vault.open(Pointer(active.id, cid)) if cid else None

    if not state.submitted.written:
        first = state.steps[state.submitted.steps[0].id]
        return await read(first.output), first.label
    if not state.submitted.result:
        last = [held for held in _last(state) if held.status is StepStatus.SUCCEEDED]
        label = NOTHING_READ
        for held in last:
            label = label.join(held.label)
        return {held.step.id: await read(held.output) for held in last}, label
    template = (await read(state.submitted.result))["with"]
    label = Label(state.submitted.trusted, Confidentiality(state.submitted.confidentiality))
    steps = {}
    for name in sorted({reference.step for _, reference in references(template)} - {""}):
        held = state.steps[StepId(name)]
        steps[name] = {"status": held.status.value, "code": held.code, "output": await read(held.output)}
        label = label.join(held.label) if held.status is StepStatus.SUCCEEDED else label
    look_up = LookUp({"inputs": await read(state.submitted.inputs), "steps": steps})
    return look_up.fill(template), label


def _last(state: MissionState) -> list[Any]:
    """The written steps for which no other one waits, by name."""
    assert state.submitted is not None
    waited_for = {other for step in state.submitted.steps for other in step.after}
    names = [step.id for step in state.submitted.steps if step.id not in waited_for]
    return [state.steps[name] for name in sorted(names) if name in state.steps]


def _name(run: Running) -> MissionId:
    """One name for one attempt, so that a crash between begins nothing twice."""
    said = f"{run.mission.id}/{run.name}/{run.held.attempt}"
    return MissionId(f"msn-{hashlib.sha256(said.encode()).hexdigest()[:26]}")


def _check_circles(run: Running, given: Any) -> str:
    """The link that the new mission carries, where it stands in no circle."""
    submitted = run.mission.state.submitted
    assert submitted is not None
    asked_for = f"workflow:{run.step.target}"
    goal = run.door.vault.home_digest([asked_for, given])
    above = [(link.partition("@")[0], link.rpartition("#")[2]) for link in submitted.ancestry]
    # The mission itself began with its own inputs, whoever asked for it.
    check_recursion(above, asked_for, goal)
    return f"{asked_for}@{run.mission.id}/{run.name}#{goal}"


def _tools(door: Door, above: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """The tools that both the mission above and the workflow were given, by name: none is added later."""
    return tuple(name for name in sorted(door.controls.registry.tools) if covers(above, name) and covers(own, name))


def _known(run: Running, child: MissionId, given: Any) -> set[str]:
    """Those of the values that a person gave to the mission above, under the new mission's key."""
    digest, known = run.door.vault.digest, run.mission.log.known
    texts = {text_of(value) for _, value in leaves(given)}
    return {
        digest(child, text)
        for text in texts
        if any(place.origin is Origin.PERSON for place in known.get(digest(run.mission.id, text), ()))
    }


def _written_words(asked: MissionSubmitted, door: Door, child: MissionId, given: Any) -> set[str]:
    """What the child's own workflow says; what it was given counts as far as a person gave it."""
    from_inputs = {door.vault.digest(child, text_of(value)) for _, value in leaves(given)}
    return set(asked.known) - from_inputs
