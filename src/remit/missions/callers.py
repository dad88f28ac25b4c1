"""Who calls in a step: the agent behind it, with what that agent and the mission were given."""

from remit.gateway import UNBOUND, Bounds, Caller, Door
from remit.ids import PrincipalId
from remit.missions.state import MissionState, StepState
from remit.planning import StepKind
from remit.registry import Autonomy

#: Who is recorded for calls that belong to no agent's plan.
REMIT = "remit@1"


def proposer_of(state: MissionState, held: StepState) -> str:
    """The agent whose plan this step belongs to."""
    return (state.steps[held.proposed_by].agent if held.proposed_by else "") or REMIT


def caller_of(
    door: Door,
    state: MissionState,
    held: StepState,
    agent: str,
    *,
    skill: str,
    epoch: int,
    lease: str = "",
    bounds: Bounds = UNBOUND,
) -> Caller:
    """The caller as the door takes it; `bounds` are those of the token that the call came with.

    Raises:
        NotFound: there is no such agent version any more.
    """
    submitted = state.submitted
    assert submitted is not None
    version = None if agent == REMIT else door.controls.registry.agent(agent)
    if submitted.parent:
        # On another agent's leave: its token's tools bound the mission's own, its money is held with each call.
        bounds = Bounds(
            bounds.tools,
            submitted.token,
            submitted.token_budget_usd_micros,
            submitted.parent,
            submitted.above[1:],
            submitted.tokens_above,
        )
    return Caller(
        door.tenant,
        PrincipalId(submitted.principal),
        state.id,
        held.step.id,
        held.attempt,
        agent,
        skill,
        version.tools if version else ("*",),
        submitted.tools,
        epoch,
        submitted.budget_usd_micros,
        version.max_turns if version else 0,
        reflections_max=version.reflection_cap if version else None,
        lease=lease,
        in_the_loop=version is not None and version.autonomy is Autonomy.IN_THE_LOOP,
        bounds=bounds,
        ancestry=_ancestry(state, held),
        first_attempt=held.first_attempt,
        mission_turns_max=submitted.turns_max,
        reserve_usd_micros=state.steps[held.undoes].reserved_usd_micros if held.undoes else 0,
    )


def _ancestry(state: MissionState, held: StepState) -> tuple[str, ...]:
    """The skills that led to a step, its own included, the outermost first."""
    assert state.submitted is not None
    found = [_link(state, held)] if held.step.kind is StepKind.SKILL else []
    above = held.proposed_by
    while above is not None:
        giver = state.steps[above]
        if giver.step.kind is StepKind.SKILL:
            found.append(_link(state, giver))
        above = giver.proposed_by
    return (*state.submitted.ancestry, *reversed(found))


def _link(state: MissionState, held: StepState) -> str:
    return f"{held.step.target}@{state.id}/{held.step.id}"
