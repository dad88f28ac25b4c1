"""Questions that nobody answers: what is due, what it makes of the mission, and what the list of questions says."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from remit.approvals import ApprovalRecord
from remit.ids import ApprovalId
from remit.ledger import PutRecord, Records
from remit.missions.event import Event
from remit.missions.events import StepSuspended
from remit.missions.notice_events import ApprovalEscalated, ApprovalReminded
from remit.missions.state import MissionState


def notices_due(state: MissionState, clock_us: int) -> tuple[Event, ...]:
    """Reminders and escalations whose time has come, by question; pure. Each is on record once, whatever clocks do."""
    found: list[Event] = []
    for approval, asked in sorted(state.approvals.items()):
        if clock_us > asked.expires_at_us:
            continue
        if due := sum(clock_us > at_us for at_us in asked.remind_at_us):
            found.append(ApprovalReminded(approval, asked.waiting_step, due))
        if asked.escalate_at_us and clock_us > asked.escalate_at_us:
            found.append(ApprovalEscalated(approval, asked.waiting_step, asked.escalate_to))
    return tuple(found)


def _reminded(asked: StepSuspended, event: ApprovalReminded) -> StepSuspended:
    return replace(asked, remind_at_us=asked.remind_at_us[event.due :])


def _escalated(asked: StepSuspended, event: ApprovalEscalated) -> StepSuspended:
    approvers = (*asked.approvers, *(to for to in event.to if to not in asked.approvers))
    return replace(asked, escalate_at_us=0, approvers=approvers)


def _fold(change: Callable[[StepSuspended, Any], StepSuspended]) -> Callable[[MissionState, Any, int], MissionState]:
    def fold(state: MissionState, event: Any, _at_us: int) -> MissionState:
        approval = ApprovalId(event.approval)
        return state._replace(approvals=state.approvals.set(approval, change(state.approvals[approval], event)))

    return fold


NOTICE_FOLDS: dict[type[Event], Callable[[MissionState, Any, int], MissionState]] = {
    ApprovalReminded: _fold(_reminded),
    ApprovalEscalated: _fold(_escalated),
}


async def listed_notices(records: Records, events: Iterable[Event], now_us: int) -> list[PutRecord]:
    """What the list of questions says from now on, written together with these decisions."""
    changed: dict[str, ApprovalRecord] = {}
    for event in events:
        if not isinstance(event, ApprovalReminded | ApprovalEscalated):
            continue
        held = changed.get(event.approval)
        if held is None:
            found = await records.record("approval", event.approval)
            if found is None:
                continue
            held = ApprovalRecord.from_json(found)
        if isinstance(event, ApprovalEscalated):
            changed[event.approval] = held.escalated(event.to, now_us)
        else:
            changed[event.approval] = held.reminded(event.due, now_us)
    return [PutRecord("approval", approval, record.to_json()) for approval, record in changed.items()]
