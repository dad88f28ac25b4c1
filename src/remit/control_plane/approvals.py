"""Approvals: what waits for people, and their answers."""

from dataclasses import dataclass
from typing import Any

from remit.approvals import ApprovalRecord
from remit.control_plane.core import Core, iso
from remit.control_plane.seen import family_of, missions_seen, require_seen
from remit.control_plane.unhurried import unhurried
from remit.identity import Principal
from remit.ids import ApprovalId
from remit.missions import Given, answer, find_approval
from remit.state import Pointer


@dataclass(frozen=True, slots=True)
class Approvals:
    """Questions to people in one home."""

    core: Core

    async def all(self, by: Principal, *, mission: str = "", answered: bool = False) -> list[dict[str, Any]]:
        """Open questions (with `answered`: all) of the missions that this person sees, oldest first.

        With `mission`, its own and those of the missions that its steps began.
        """
        seen = await missions_seen(self.core, by)
        if mission:
            seen &= await family_of(self.core, mission)
        listed = unhurried(await self.core.store.records("approval"))
        records = [ApprovalRecord.from_json(value) async for _, value in listed]
        wanted = [r for r in records if (answered or not r.verdict) and r.mission in seen]
        in_order = sorted(wanted, key=lambda r: (r.asked_at_us, r.step))
        return [await self._shown(record) async for record in unhurried(in_order)]

    async def show(self, approval: str, by: Principal) -> dict[str, Any]:
        """One question with its whole case: action, reasons, evidence, and what each answer does.

        Raises:
            NotFound: there is none.
            RightsExceeded: this person does not see its mission.
        """
        record = await find_approval(self.core.store, ApprovalId(approval))
        await require_seen(self.core, record.mission, by)
        case = await self.core.door.vault.open(Pointer(record.mission, record.case))
        return {**await self._shown(record), "case": case}

    async def answer(self, given: Given, by: Principal) -> dict[str, Any]:
        """Take a person's answer; `Missions.drive` lets the mission go on.

        Raises:
            NotFound, RightsExceeded, AlreadyAnswered, ApprovalExpired, AnswerNotAllowed, InvalidInput, FlowRefused.
        """
        core = self.core
        record = await find_approval(core.store, given.approval)
        mission = await answer(core.door, core.clock, record, by, given)
        return {"approval": given.approval, "mission": mission, "verdict": given.verdict, "by": by.id}

    async def _shown(self, record: ApprovalRecord) -> dict[str, Any]:
        case = await self.core.door.vault.open(Pointer(record.mission, record.case))
        return {
            "id": record.id,
            "mission": record.mission,
            "step": record.step,
            "about": record.about,
            "title": case["title"],
            "rules": list(record.rules),
            "approvers": list(record.approvers),
            "answers": list(record.answers),
            "asked_at": iso(record.asked_at_us),
            "expires_at": iso(record.expires_at_us),
            "reminders": record.reminders,
            "reminded_at": iso(record.reminded_at_us),
            "escalates_at": iso(record.escalate_at_us),
            "escalated_at": iso(record.escalated_at_us),
            "escalated_to": list(record.escalate_to) if record.escalated_at_us else [],
            "verdict": record.verdict,
            "answered_by": record.answered_by,
            "answered_at": iso(record.answered_at_us),
            "reason": record.reason,
        }
