"""Submitting a mission: checked input, its key, its budget and its first step, in one commit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import jsonschema_rs

from remit.budgets import CURRENCY, mission_balance
from remit.clock import Clock
from remit.errors import BudgetExhausted, InvalidInput, Overloaded, PriceUnknown
from remit.gateway import Door, leaves, micros_of, text_of
from remit.identity import Principal, Right, covers, require
from remit.ids import Ids, MissionId, PrincipalId, StepId
from remit.ledger import Commit, Draft, MoveBalance, OpenBalance, PutBlob, PutRecord, Write
from remit.missions.active import stream_of
from remit.missions.decide import Submit, decide
from remit.missions.events import MissionSubmitted
from remit.missions.planned import plan_of, words_of
from remit.missions.state import MissionState
from remit.planning import Step, StepKind, check_plan
from remit.quantities import Money
from remit.registry import Workflow
from remit.tools import Confidentiality

#: The name of every mission's first step.
FIRST_STEP = StepId("plan")
#: Given the mission's name, what else goes into the commit that submits it.
#: How urgent a mission may be, with the weight of its turns.
PRIORITIES = {"low": 1, "normal": 4, "high": 16}
#: Missions of one person that may be open at once, where no setting says otherwise.
OPEN_MAX = 20_000
#: When to come again where so many are.
_COME_AGAIN_SECONDS = 60.0
Along = Callable[[MissionId], tuple[tuple[Draft, ...], tuple[Write, ...]]]


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person asks for."""

    workflow: Workflow
    inputs: Mapping[str, Any]
    #: What reads and judges: a model's name, or the words for none.
    reader: str
    #: None where the person gives the inputs.
    provenance: "Provenance | None" = None
    #: A lower limit than the workflow's own; None for that.
    budget: Money | None = None
    #: How urgent it is, as far as the workflow allows.
    priority: str = "normal"
    #: How many missions of the person may be open at once.
    open_max: int = OPEN_MAX


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where inputs came from that no person typed."""

    #: `trigger/NAME`.
    source: str
    #: Those of the values that count as the person's own, in the form of the inputs.
    vouched: Mapping[str, Any]
    #: True where these are all.
    trusted: bool
    confidentiality: Confidentiality


async def submit(
    door: Door, clock: Clock, ids: Ids, by: Principal, submission: Submission, *, along: Along | None = None
) -> MissionId:
    """Put a new mission on record and return its name; a driver takes it from there.

    `along` gives what is to become durable together with it, or not at all.

    Raises:
        RightsExceeded: this person may not submit missions.
        InvalidInput: the inputs do not fit the workflow, or it may not be so urgent.
        UnknownSkill: nobody offers the workflow's first skill.
        Overloaded: the person has as many open missions as they may have; it says when to come again.
        FactExists: a fact of `along` is on record already.
    """
    require(by, Right.SUBMIT)
    workflow = submission.workflow
    _check_priority(workflow, submission.priority)
    check_inputs(workflow, submission.inputs)
    mission = MissionId(ids.new("msn"))
    space = door.vault.open_space(mission)
    asked, bodies = asked_of(door, clock, mission, by.id, submission)
    provenance = submission.provenance
    if provenance is not None:
        asked = replace(
            asked,
            source=provenance.source,
            trusted=provenance.trusted,
            confidentiality=provenance.confidentiality.value,
        )
    asked = replace(asked, counted=open_balance(by.id))
    drafts, writes = begun(mission, asked, micros_of(clock.now()), by.actor if provenance is None else "remit")
    also_drafts, also_writes = along(mission) if along else ((), ())
    counted = (OpenBalance(asked.counted, submission.open_max), MoveBalance(asked.counted, held=1))
    everything = (space, *bodies, *counted, *writes, *also_writes)
    try:
        await door.journal.commit(Commit((*also_drafts, *drafts), everything, expect=((stream_of(mission), 0),)))
    except BudgetExhausted as full:
        if full.balance != asked.counted:
            raise
        raise Overloaded(
            f"{by.id} has {submission.open_max} missions that have not ended.",
            hint="Come again when some have ended, or have REMIT_MISSIONS_OPEN raised.",
            retry_after_seconds=_COME_AGAIN_SECONDS,
            rule="missions_open",
        ) from full
    return mission


def open_balance(principal: str) -> str:
    """The name of the balance in which a person's open missions are counted."""
    return f"open/{principal}"


def asked_of(
    door: Door, clock: Clock, mission: MissionId, principal: PrincipalId, submission: Submission
) -> tuple[MissionSubmitted, list[PutBlob]]:
    """What is asked for, as it stands on record, and the bodies that belong to it; the mission's key must be there.

    Raises:
        UnknownSkill: nobody offers a skill that the workflow asks for.
        InvalidPlan: its steps cannot be carried out any more.
        PriceUnknown: its budget is in a currency without a rate.
    """
    workflow, bodies, provenance = submission.workflow, [], submission.provenance

    def seal(value: Any) -> str:
        pointer, body = door.vault.seal(mission, value)
        bodies.append(body)
        return pointer.cid

    inputs = seal(dict(submission.inputs))
    steps = _steps(door, workflow, inputs, seal)
    given = submission.inputs if provenance is None else provenance.vouched
    known = {*known_values(door, mission, given), *words_of(workflow, lambda text: door.vault.digest(mission, text))}
    asked = MissionSubmitted(
        workflow.name,
        principal,
        inputs,
        workflow.tools,
        _budget_micros(door, workflow, submission.budget),
        workflow.limits.max_steps,
        micros_of(clock.now() + timedelta(hours=workflow.deadline_hours)),
        submission.reader,
        tuple(sorted(known)),
        steps,
        written=bool(workflow.steps),
        result=seal({"with": workflow.output}) if workflow.output is not None else "",
        priority=submission.priority,
        turns_max=workflow.limits.max_turns,
    )
    return asked, bodies


def begun(
    mission: MissionId, asked: MissionSubmitted, now_us: int, actor: str
) -> tuple[tuple[Draft, ...], tuple[Write, ...]]:
    """The beginning of a mission: its first entry, its balance, and its place in the list."""
    drafts = tuple(
        Draft(stream_of(mission), event.kind, event.payload(), actor, now_us, event.version)
        for event in decide(MissionState(mission), Submit(asked))
    )
    listed = {
        "workflow": asked.workflow,
        "principal": asked.principal,
        "submitted_at_us": now_us,
        "status": "working",
        "priority": asked.priority,
        **({"parent": asked.parent} if asked.parent else {}),
    }
    return drafts, (
        OpenBalance(mission_balance(mission), asked.budget_usd_micros),
        PutRecord("mission", mission, listed),
    )


def _check_priority(workflow: Workflow, priority: str) -> None:
    if priority not in PRIORITIES:
        raise InvalidInput(f"{priority!r} is no priority; there are {', '.join(PRIORITIES)}.")
    if PRIORITIES[priority] > PRIORITIES[workflow.limits.priority]:
        raise InvalidInput(
            f"Missions of {workflow.name} have at most the priority {workflow.limits.priority}.",
            hint=f"`limits: {{priority: {priority}}}` in the workflow allows it.",
        )


def _steps(door: Door, workflow: Workflow, inputs: str, seal: Callable[[Any], str]) -> tuple[Step, ...]:
    registry = door.controls.registry
    if not workflow.steps:
        registry.resolve(workflow.start)
        return (Step(FIRST_STEP, StepKind.SKILL, workflow.start, inputs),)
    steps = plan_of(workflow, seal)
    check_plan(
        steps,
        known=(),
        has_skill=lambda skill: skill in registry.names.skills,
        has_tool=lambda tool: tool in registry.tools and covers(workflow.tools, tool),
        steps_max=workflow.limits.max_steps,
    )
    return steps


def known_values(door: Door, mission: MissionId, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Keyed hashes of every value that a person gave, for data flow."""
    return tuple(sorted({door.vault.digest(mission, text_of(value)) for _, value in leaves(inputs)}))


def check_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> None:
    """Return where the workflow takes these inputs.

    Raises:
        InvalidInput: it does not.
    """
    validator = jsonschema_rs.validator_for(dict(workflow.inputs))
    faults = [
        f"{'.'.join(str(part) for part in fault.instance_path) or 'inputs'}: {fault.message}"
        for fault in validator.iter_errors(dict(inputs))
    ]
    if faults:
        raise InvalidInput(f"{workflow.name}: {'; '.join(faults)}.")


def _budget_micros(door: Door, workflow: Workflow, lower: Money | None) -> int:
    limits = [_micros(door, workflow.name, limit) for limit in (workflow.budget, lower) if limit is not None]
    return min(limits)


def _micros(door: Door, name: str, limit: Money) -> int:
    if limit.currency == CURRENCY:
        return limit.micros
    rates = door.controls.rates
    converted = rates.convert(limit, CURRENCY) if rates else None
    if converted is None:
        raise PriceUnknown(f"The budget of {name} is in {limit.currency}, without a rate.")
    return converted.micros
