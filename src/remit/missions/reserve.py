"""Money that is held when a step begins which may have to be undone, so that undoing never lacks it."""

from collections.abc import Sequence

from remit.budgets import CURRENCY, BudgetPath
from remit.errors import PriceUnknown
from remit.gateway import Door
from remit.ledger import MoveBalance, Write
from remit.missions.active import ActiveMission
from remit.missions.event import Event
from remit.missions.state import MissionState, StepState
from remit.missions.undo import UNDO_ATTEMPTS, can_be_undone
from remit.planning import StepKind


def reserve_for(door: Door, held: StepState) -> int:
    """What the step's first claim holds for undoing it: the undoing tool's cost for each attempt, in micro-units.

    Raises:
        PriceUnknown: the cost is in a currency without a rate.
    """
    undo = held.step.terms.compensate
    if undo is None or not can_be_undone(held) or held.reserved_usd_micros:
        return 0
    if undo.kind is not StepKind.TOOL:
        return 0
    tool = door.controls.registry.tools.get(undo.target)
    if tool is None or tool.cost is None:
        return 0
    cost = tool.cost
    if cost.currency != CURRENCY:
        rates = door.controls.rates
        converted = rates.convert(cost, CURRENCY) if rates else None
        if converted is None:
            raise PriceUnknown(
                f"{tool.name}, which undoes {held.step.id}, costs {cost}; there is no rate to {CURRENCY}."
            )
        cost = converted
    return cost.micros * UNDO_ATTEMPTS


def holds_reserve(tenant: str, state: MissionState, usd_micros: int) -> tuple[Write, ...]:
    """Hold so much for undoing, or give it back where it is negative; none where it is nothing."""
    assert state.submitted is not None
    submitted = state.submitted
    path = BudgetPath(tenant, state.id, "", parent=submitted.parent, further=submitted.above[1:])
    return path.keep(usd_micros) if usd_micros else ()


def release_reserve(tenant: str, mission: ActiveMission, events: Sequence[Event]) -> tuple[Write, ...]:
    """At a mission's end: what was held for undoing and not drawn is free again, and it counts as open no more."""
    if not any(event.closes for event in events):
        return ()
    left = mission.state.reserved_usd_micros - mission.log.drawn_in_all
    counted = mission.state.submitted.counted if mission.state.submitted else ""
    open_no_more = (MoveBalance(counted, held=-1),) if counted else ()
    return (*holds_reserve(tenant, mission.state, -left), *open_no_more)
