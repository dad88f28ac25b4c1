"""Missions: submit, drive, look, cancel."""

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.approvals import ApprovalRecord
from remit.budgets import mission_balance
from remit.control_plane.core import Core, iso
from remit.control_plane.seen import missions_seen, require_seen
from remit.errors import NotFound, StreamMoved
from remit.identity import Principal, Right, require
from remit.ids import MissionId, StreamId
from remit.ledger import Commit, Draft, PutRecord
from remit.missions import (
    ActiveMission,
    Cancel,
    MissionState,
    Rest,
    StepState,
    Submission,
    decide,
    stream_of,
    submit,
)
from remit.state import Pointer

_PAGE_MAX = 1000
#: How often a cancellation is decided anew because the mission moved meanwhile.
_TRIES = 20
_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Missions:
    """Missions of one home."""

    core: Core

    async def submit(self, workflow: str, inputs: Mapping[str, Any], by: Principal) -> str:
        """Put a mission on record and return its id; `drive` moves it on.

        Raises:
            NotFound: there is no such workflow.
            InvalidInput: the inputs do not fit it.
            RightsExceeded: this person may not submit missions.
        """
        core = self.core
        found = core.door.controls.registry.workflow(workflow)
        return await submit(core.door, core.clock, core.ids, by, Submission(found, inputs, core.reader))

    async def drive(self, mission: str, by: Principal) -> dict[str, Any]:
        """Drive a mission until it waits for people, stands still or has ended.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
            HomeBusy: another process drives this home.
        """
        await require_seen(self.core, mission, by)
        async with self.core.driving():
            rest: Rest = await self.core.driver.drive(MissionId(mission))
        return {
            "mission": mission,
            "ended": rest.ended,
            "halted": rest.halted,
            "waiting_for_people": rest.waiting_for_people,
        }

    async def all(self, by: Principal) -> list[dict[str, Any]]:
        """The missions that this person sees, oldest first."""
        seen = await missions_seen(self.core, by)
        return [
            {
                "id": mission,
                "workflow": listed["workflow"],
                "principal": listed["principal"],
                "status": listed["status"],
                "waiting_for_people": listed.get("waiting_for_people", 0),
                "submitted_at": iso(listed["submitted_at_us"]),
                "ended_at": iso(listed.get("ended_at_us", 0)),
            }
            for mission, listed in await self.core.store.records("mission")
            if mission in seen
        ]

    async def open(self) -> list[str]:
        """Every mission that has not ended, for whoever drives them; names only."""
        return [key for key, listed in await self.core.store.records("mission") if listed["status"] not in _ENDED]

    async def require_seen(self, mission: str, by: Principal) -> None:
        """Return where this person sees the mission.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
        """
        await require_seen(self.core, mission, by)

    async def show(self, mission: str, by: Principal, *, bodies: bool = False) -> dict[str, Any]:
        """One mission: where it stands, its steps and its open questions; with `bodies`, what they read and wrote.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
        """
        await require_seen(self.core, mission, by)
        active = await self._load(mission)
        state = active.state
        assert state.submitted is not None
        balance = await self.core.store.balance(mission_balance(mission))
        waiting = bool(state.approvals) and not state.ready and not state.running
        return {
            "id": mission,
            "workflow": state.submitted.workflow,
            "principal": state.submitted.principal,
            "reader": state.submitted.reader,
            "status": "waiting" if waiting and not state.status.ended else state.status.value,
            "code": state.code,
            "detail": state.detail,
            "submitted_at": iso(state.submitted_at_us),
            "ended_at": iso(state.ended_at_us),
            "inputs": await self._open(mission, state.submitted.inputs) if bodies else None,
            "steps": [await self._step(mission, step, bodies=bodies) for step in _in_order(state)],
            "approvals": [
                {"id": approval, "step": asked.proposed[0].id if asked.proposed else asked.step, "rules": asked.rules}
                for approval, asked in sorted(state.approvals.items())
            ],
            "budget": {
                "limit_usd_micros": balance.limit if balance else 0,
                "used_usd_micros": balance.used if balance else 0,
                "held_usd_micros": balance.held if balance else 0,
            },
            "tokens": {"input": active.log.tokens_in, "output": active.log.tokens_out},
            "ledger": {"stream": active.stream, "entries": state.version},
        }

    async def events(
        self, mission: str, by: Principal, *, after: int = 0, wait_seconds: float = 0
    ) -> list[dict[str, Any]]:
        """What happened in a mission's life after this place in its stream; waits for something to happen if asked.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
        """
        await require_seen(self.core, mission, by)
        stream = stream_of(MissionId(mission))
        deadline = asyncio.get_running_loop().time() + min(wait_seconds, 30)
        while True:
            entries = await self.core.store.read(stream, after=after, limit=_PAGE_MAX)
            if entries or asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(0.05)
        return [
            {
                "seq": entry.seq,
                "entry": entry.ref,
                "at": iso(entry.at_us),
                "kind": entry.kind,
                "actor": entry.actor,
                **{key: value for key, value in entry.payload.items() if isinstance(value, (str, int, list))},
            }
            for entry in entries
        ]

    async def report(self, mission: str, by: Principal) -> dict[str, Any]:
        """The workflow's report of a mission, whatever its state; a workflow without one gives the mission itself.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
        """
        shown = await self.show(mission, by, bodies=True)
        shown["questions"] = {
            approval["id"]: await self._case(mission, approval["id"]) for approval in shown["approvals"]
        }
        workflow = self.core.door.controls.registry.workflow(shown["workflow"])
        if workflow.report is None:
            return shown
        module, _, name = workflow.report.partition(":")
        made: dict[str, Any] = getattr(importlib.import_module(module), name)(shown)
        return made

    async def cancel(self, mission: str, by: Principal) -> dict[str, Any]:
        """Take no new work; outcomes that are under way are still recorded.

        Raises:
            MissionEnded: it has ended before.
        """
        require(by, Right.SUBMIT)
        active = await self._load(mission)
        for _ in range(_TRIES):
            try:
                await self._cancel(active, by)
            except StreamMoved:
                await active.catch_up(self.core.store)
            else:
                return {"mission": mission, "status": "cancelled"}
        raise StreamMoved(f"{mission} kept moving; it was not cancelled.", hint="Cancel it again, or halt it first.")

    async def _cancel(self, active: ActiveMission, by: Principal) -> None:
        store, now_us = self.core.store, self.core.now_us
        drafts = tuple(
            Draft(active.stream, event.kind, event.payload(), by.actor, now_us, closes=event.closes)
            for event in decide(active.state, Cancel(by.id))
        )
        listed = await store.record("mission", active.id)
        writes = [PutRecord("mission", active.id, {**(listed or {}), "status": "cancelled", "waiting_for_people": 0})]
        for approval in active.state.approvals:
            if found := await store.record("approval", approval):
                asked = ApprovalRecord.from_json(found)
                closed = asked.closed("cancelled", "the mission was cancelled", now_us, by=by.id)
                writes.append(PutRecord("approval", approval, closed.to_json()))
        await store.commit(Commit(drafts, tuple(writes), expect=((active.stream, active.state.version),)))

    # --- inside

    async def _load(self, mission: str) -> ActiveMission:
        return await ActiveMission.load(MissionId(mission), self.core.store, self.core.door.vault)

    async def _step(self, mission: str, held: StepState, *, bodies: bool) -> dict[str, Any]:
        step = held.step
        shown: dict[str, Any] = {
            "id": step.id,
            "kind": step.kind.value,
            "target": step.target,
            "status": held.status.value,
            "attempt": held.attempt,
            "runs": held.runs,
            "agent": held.agent,
            "after": list(step.after),
            "code": held.code,
            "rules": list(held.rules),
            "detail": held.detail,
            "verdict": held.verdict.verdict if held.verdict else "",
            "answered_by": held.verdict.by if held.verdict else "",
            "stream": StreamId(f"step/{mission}/{step.id}/{held.attempt}"),
        }
        if bodies:
            shown["given"] = await self._open(mission, step.input)
            shown["output"] = await self._open(mission, held.output)
            shown["why"] = await self._open(mission, held.why)
            shown["ask"] = await self._open(mission, step.ask)
        return shown

    async def _open(self, mission: str, cid: str) -> Any:
        return await self.core.door.vault.open(Pointer(mission, cid)) if cid else None

    async def _case(self, mission: str, approval: str) -> dict[str, Any]:
        record = await self.core.store.record("approval", approval)
        if record is None:
            raise NotFound(f"There is no approval {approval}.")
        case: dict[str, Any] = await self._open(mission, record["case"])
        return {**case, "step": record["step"], "rules": record["rules"], "expires_at": iso(record["expires_at_us"])}


def _in_order(state: MissionState) -> list[StepState]:
    """Each step behind the one that proposed it, those of one plan by name: the same order every time."""

    def depth(held: StepState) -> int:
        return 0 if held.proposed_by is None else 1 + depth(state.steps[held.proposed_by])

    return sorted(state.steps.values(), key=lambda held: (depth(held), held.proposed_by or "", held.step.id))
