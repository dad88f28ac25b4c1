"""Missions: submit, drive, look, cancel."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.approvals import ApprovalRecord
from remit.budgets import mission_balance
from remit.control_plane.core import Core, iso
from remit.control_plane.live import told
from remit.control_plane.seen import family_of, missions_seen, require_seen
from remit.control_plane.unhurried import unhurried
from remit.errors import NotFound, StreamMoved
from remit.identity import Principal, Right, require
from remit.ids import MissionId, StepId, StreamId
from remit.ledger import Commit, Draft, PutRecord, Write
from remit.missions import (
    ActiveMission,
    Cancel,
    MissionState,
    Rest,
    StepState,
    StepStatus,
    Submission,
    decide,
    release_reserve,
    stream_of,
    submit,
)
from remit.state import Pointer

_PAGE_MAX = 1000
#: How often a cancellation is decided anew because the mission moved meanwhile.
_TRIES = 20
#: What only people, time or the end of another mission move.
_RESTING = frozenset({"waiting", "paused", "queued"})
_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Missions:
    """Missions of one home."""

    core: Core

    async def submit(self, workflow: str, inputs: Mapping[str, Any], by: Principal, *, priority: str = "normal") -> str:
        """Put a mission on record and return its id; `drive` moves it on.

        Raises:
            NotFound: there is no such workflow.
            InvalidInput: the inputs do not fit it, or it may not be so urgent.
            RightsExceeded: this person may not submit missions.
            Overloaded: this person has too many open missions; it says when to come again.
        """
        core = self.core
        found = core.door.controls.registry.workflow(workflow)
        asked = Submission(found, inputs, core.reader, priority=priority, open_max=core.missions_open)
        return await submit(core.door, core.clock, core.ids, by, asked)

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
            "wakes_at": iso(0 if rest.ended else rest.wake_at_us or 0),
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
                "priority": listed.get("priority", "normal"),
                "waiting_for_people": listed.get("waiting_for_people", 0),
                "submitted_at": iso(listed["submitted_at_us"]),
                "ended_at": iso(listed.get("ended_at_us", 0)),
            }
            async for mission, listed in unhurried(await self.core.store.records("mission"))
            if mission in seen
        ]

    async def open(self) -> list[str]:
        """Missions that resources and halts may let go on: those that neither ended nor just wait; names only."""
        listed = await self.core.store.records("mission")
        return [key for key, told in listed if told["status"] not in _ENDED and told["status"] not in _RESTING]

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
        queued = await self.core.driver.queued(active.id)
        approvals = await self._questions(state)
        waiting = bool(approvals) and not state.ready and not state.running
        status = "paused" if state.paused else "waiting" if waiting else "queued" if queued else state.status.value
        uncertain = _uncertain(active)
        return {
            "id": mission,
            "workflow": state.submitted.workflow,
            "principal": state.submitted.principal,
            "reader": state.submitted.reader,
            "status": state.status.value if state.status.ended else status,
            "code": state.code,
            "detail": " ".join(filter(None, (state.detail, _told(uncertain) if state.status.ended else ""))),
            "uncertain": uncertain,
            "submitted_at": iso(state.submitted_at_us),
            "deadline_at": iso(state.deadline_at_us),
            "queued": queued.to_json() if queued else None,
            "paused_by": state.paused.by if state.paused else "",
            "ended_at": iso(state.ended_at_us),
            "inputs": await self._open(mission, state.submitted.inputs) if bodies else None,
            "undone": list(state.undone),
            "not_undone": [_why_not_undone(state, name) for name in state.not_undone],
            "steps": [await self._step(mission, step, bodies=bodies) for step in _in_order(state)],
            "approvals": approvals,
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
        return [told(entry) for entry in entries]

    async def report(self, mission: str, by: Principal) -> dict[str, Any]:
        """The workflow's report of a mission, whatever its state; a workflow without one gives the mission itself.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
        """
        shown = await self.show(mission, by, bodies=True)
        shown["questions"] = {
            approval["id"]: await self._case(approval["mission"], approval["id"]) for approval in shown["approvals"]
        }
        workflow = self.core.door.controls.registry.workflow(shown["workflow"])
        if workflow.report is None:
            return shown
        module, _, name = workflow.report.partition(":")
        made: dict[str, Any] = getattr(importlib.import_module(module), name)(shown)
        return made

    async def cancel(self, mission: str, by: Principal, *, undo: bool = True) -> dict[str, Any]:
        """Take no new work; outcomes that are under way are still recorded, and what can be undone is, before it ends.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it or may submit none.
            MissionEnded: it has ended before.
        """
        require(by, Right.SUBMIT)
        await require_seen(self.core, mission, by)
        active = await self._load(mission)
        for _ in range(_TRIES):
            try:
                status = await self._cancel(active, by, undo=undo)
            except StreamMoved:
                await active.catch_up(self.core.store)
            else:
                return {"mission": mission, "status": status}
        raise StreamMoved(f"{mission} kept moving; it was not cancelled.", hint="Cancel it again, or halt it first.")

    async def _cancel(self, active: ActiveMission, by: Principal, *, undo: bool) -> str:
        store, now_us = self.core.store, self.core.now_us
        events = decide(active.state, Cancel(by.id, undo))
        if not events:
            return active.state.status.value
        status = "cancelled" if any(event.closes for event in events) else "undoing"
        drafts = tuple(
            Draft(active.stream, event.kind, event.payload(), by.actor, now_us, event.version, closes=event.closes)
            for event in events
        )
        listed = await store.record("mission", active.id)
        writes: list[Write] = [
            PutRecord("mission", active.id, {**(listed or {}), "status": status, "waiting_for_people": 0}),
            *release_reserve(self.core.door.tenant, active, events),
        ]
        for approval in active.state.approvals:
            if found := await store.record("approval", approval):
                asked = ApprovalRecord.from_json(found)
                closed = asked.closed("cancelled", "the mission was cancelled", now_us, by=by.id)
                writes.append(PutRecord("approval", approval, closed.to_json()))
        await store.commit(Commit(drafts, tuple(writes), expect=((active.stream, active.state.version),)))
        return status

    # --- inside

    async def _load(self, mission: str) -> ActiveMission:
        return await ActiveMission.load(MissionId(mission), self.core.store, self.core.door.vault)

    async def _questions(self, state: MissionState) -> list[dict[str, Any]]:
        """What people are asked in the mission, and in those that its steps began."""
        found = [
            {
                "id": approval,
                "mission": state.id,
                "step": asked.proposed[0].id if asked.proposed else asked.step,
                "rules": asked.rules,
            }
            for approval, asked in sorted(state.approvals.items())
        ]
        if state.children:
            family = await family_of(self.core, state.id)
            records = [ApprovalRecord.from_json(value) for _, value in await self.core.store.records("approval")]
            found += [
                {"id": record.id, "mission": record.mission, "step": record.step, "rules": record.rules}
                for record in records
                if record.mission in family and record.mission != state.id and not record.verdict
            ]
        return found

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
            "until": iso(_until_us(held)),
            "mission": held.child,
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


def _until_us(held: StepState) -> int:
    """When time alone moves the step on: what it is parked for ends, or it may be tried again; 0 for never."""
    if held.status is StepStatus.PARKED:
        return held.until_us
    return held.not_before_us if held.status is StepStatus.READY else 0


def _uncertain(active: ActiveMission) -> list[dict[str, str]]:
    """Writes of which nobody knows whether they took effect: begun, without an outcome, and under way no more."""
    state = active.state
    return [
        {"step": step, "tool": recorded.permit["tool"], "stream": recorded.stream, "key": recorded.permit["key"]}
        for step, recorded in active.log.uncertain()
        if state.status.ended or state.steps[step].code == "effect_uncertain"
    ]


def _told(uncertain: Sequence[Mapping[str, str]]) -> str:
    """What the end of a mission says of them; names only."""
    if not uncertain:
        return ""
    which = ", ".join(f"{one['tool']} in step {one['step']}" for one in uncertain)
    return f"It is not known whether these took effect: {which}. Look in the target system."


def _in_order(state: MissionState) -> list[StepState]:
    """Each step behind the one that proposed it, those of one plan by name: the same order every time."""

    def depth(held: StepState) -> int:
        return 0 if held.proposed_by is None else 1 + depth(state.steps[held.proposed_by])

    return sorted(state.steps.values(), key=lambda held: (depth(held), held.proposed_by or "", held.step.id))


def _why_not_undone(state: MissionState, name: str) -> dict[str, str]:
    """What stood in the way: how the step that would undo it ended, or how it stood itself."""
    undoing = next((held for held in state.steps.values() if held.undoes == name), None)
    held = undoing or state.steps[StepId(name)]
    return {"step": name, "status": held.status.value, "code": held.code, "undo": undoing.step.id if undoing else ""}
