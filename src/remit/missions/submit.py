"""Submitting a mission: checked input, its key, its budget and its first step, in one commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jsonschema_rs

from remit.budgets import CURRENCY, mission_balance
from remit.clock import Clock
from remit.errors import InvalidInput, PriceUnknown
from remit.gateway import Door, leaves, micros_of, text_of
from remit.identity import Principal, Right, require
from remit.ids import Ids, MissionId, StepId
from remit.ledger import Commit, Draft, OpenBalance, PutRecord
from remit.missions.active import stream_of
from remit.missions.decide import Submit, decide
from remit.missions.events import MissionSubmitted
from remit.missions.state import MissionState
from remit.planning import Step, StepKind
from remit.registry import Workflow

#: The name of every mission's first step.
FIRST_STEP = StepId("plan")


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person asks for."""

    workflow: Workflow
    inputs: Mapping[str, Any]
    #: What reads and judges: a model's name, or the words for none.
    reader: str


async def submit(door: Door, clock: Clock, ids: Ids, by: Principal, submission: Submission) -> MissionId:
    """Put a new mission on record and return its name; a driver takes it from there.

    Raises:
        RightsExceeded: this person may not submit missions.
        InvalidInput: the inputs do not fit the workflow.
        UnknownSkill: nobody offers the workflow's first skill.
    """
    require(by, Right.SUBMIT)
    workflow = submission.workflow
    _check_inputs(workflow, submission.inputs)
    door.controls.registry.resolve(workflow.start)
    mission = MissionId(ids.new("msn"))
    space = door.vault.open_space(mission)
    inputs, inputs_body = door.vault.seal(mission, dict(submission.inputs))
    limit = _budget_micros(door, workflow)
    first = Step(FIRST_STEP, StepKind.SKILL, workflow.start, inputs.cid)
    asked = MissionSubmitted(
        workflow.name,
        by.id,
        inputs.cid,
        workflow.tools,
        limit,
        workflow.limits.max_steps,
        micros_of(clock.now() + timedelta(hours=workflow.deadline_hours)),
        submission.reader,
        known_values(door, mission, submission.inputs),
        (first,),
    )
    now_us = micros_of(clock.now())
    drafts = tuple(
        Draft(stream_of(mission), event.kind, event.payload(), by.actor, now_us, event.version)
        for event in decide(MissionState(mission), Submit(asked))
    )
    listed = {"workflow": workflow.name, "principal": by.id, "submitted_at_us": now_us, "status": "working"}
    writes = (space, inputs_body, OpenBalance(mission_balance(mission), limit), PutRecord("mission", mission, listed))
    await door.journal.commit(Commit(drafts, writes, expect=((stream_of(mission), 0),)))
    return mission


def known_values(door: Door, mission: MissionId, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Keyed hashes of every value that a person gave, for data flow."""
    return tuple(sorted({door.vault.digest(mission, text_of(value)) for _, value in leaves(inputs)}))


def _check_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(dict(workflow.inputs))
    faults = [
        f"{'.'.join(str(part) for part in fault.instance_path) or 'inputs'}: {fault.message}"
        for fault in validator.iter_errors(dict(inputs))
    ]
    if faults:
        raise InvalidInput(f"{workflow.name}: {'; '.join(faults)}.")


def _budget_micros(door: Door, workflow: Workflow) -> int:
    if workflow.budget.currency == CURRENCY:
        return workflow.budget.micros
    rates = door.controls.rates
    converted = rates.convert(workflow.budget, CURRENCY) if rates else None
    if converted is None:
        raise PriceUnknown(f"The budget of {workflow.name} is in {workflow.budget.currency}, without a rate.")
    return converted.micros
