"""Missions that an agent outside asks for on a person's behalf: one skill, within what the agent's token leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from remit.budgets import mission_balance
from remit.clock import Clock
from remit.gateway import HANDED, Door, handed_key, micros_of
from remit.identity import Principal, Right, require
from remit.ids import MissionId
from remit.ledger import Commit, Draft, OpenBalance, PutRecord, Write
from remit.missions.active import stream_of
from remit.missions.decide import Submit, decide
from remit.missions.events import MissionSubmitted
from remit.missions.state import MissionState
from remit.missions.submit import FIRST_STEP
from remit.planning import Step, StepKind
from remit.registry import AgentVersion
from remit.tools import Confidentiality

#: What such missions are listed under, in place of a workflow's name.
ASKED_WORKFLOW = "asked"
#: Table of the store: by mission, who asked for it and may look at it.
ASKED = "asked"
_DEADLINE = timedelta(days=7)
_STEPS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """What an agent outside asks for, and on whose leave."""

    mission: MissionId
    skill: str
    agent: AgentVersion
    given: Mapping[str, Any]
    #: The person, then each agent up to the one that acts.
    chain: tuple[str, ...]
    #: The mission in which the asking agent works, and what it had read there.
    parent: MissionId
    confidentiality: Confidentiality
    #: Tool patterns of the asking agent's token.
    tools: tuple[str, ...]
    #: The most that this mission may spend, in US dollar micro-units.
    budget_usd_micros: int
    #: Empty where the token bounds no spending by itself.
    token: str
    token_budget_usd_micros: int
    tokens_above: tuple[str, ...]
    ancestry: tuple[str, ...]
    #: The signed hops with which it came; none where nobody signed.
    hops: tuple[str, ...]
    reader: str
    #: What stands in the table `asked`.
    record: Mapping[str, Any]


async def submit_asked(door: Door, clock: Clock, by: Principal, asked: Asked) -> None:
    """Put the mission on record; a driver takes it from there.

    Raises:
        RightsExceeded: the person may not submit missions.
        StreamMoved: a mission of this name is there already.
    """
    require(by, Right.SUBMIT)
    space = door.vault.open_space(asked.mission)
    inputs, body = door.vault.seal(asked.mission, dict(asked.given))
    event = MissionSubmitted(
        ASKED_WORKFLOW,
        by.id,
        inputs.cid,
        asked.tools,
        asked.budget_usd_micros,
        _STEPS_MAX,
        micros_of(clock.now() + _DEADLINE),
        asked.reader,
        (),  # an agent gave the values, not the person
        (Step(FIRST_STEP, StepKind.SKILL, asked.skill, inputs.cid),),
        asked.chain,
        asked.parent,
        asked.token,
        asked.token_budget_usd_micros,
        asked.ancestry,
        asked.confidentiality.value,
        tokens_above=asked.tokens_above,
    )
    now_us, stream = micros_of(clock.now()), stream_of(asked.mission)
    actor = asked.chain[-2]
    drafts = tuple(
        Draft(stream, decided.kind, decided.payload(), actor, now_us, decided.version)
        for decided in decide(MissionState(asked.mission), Submit(event))
    )
    listed = {"workflow": ASKED_WORKFLOW, "principal": by.id, "submitted_at_us": now_us, "status": "working"}
    handed = PutRecord(HANDED, handed_key(asked.ancestry), list(asked.hops))
    writes: tuple[Write, ...] = (
        space,
        body,
        OpenBalance(mission_balance(asked.mission), asked.budget_usd_micros),
        PutRecord("mission", asked.mission, listed),
        PutRecord(ASKED, asked.mission, asked.record),
        *((handed,) if asked.hops else ()),
    )
    await door.journal.commit(Commit(drafts, writes, expect=((stream, 0),)))
