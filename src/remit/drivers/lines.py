"""So many missions of a workflow at once, where many processes drive: places on record, and a fair line before them.

A place is the mission's, not the process's: whoever takes the mission over from a dead process has its place with it.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from remit.drivers.driver import concurrent_of
from remit.drivers.turns import Flow, Queued
from remit.errors import BudgetExhausted
from remit.ids import MissionId
from remit.ledger import Commit, MoveBalance, OpenBalance, PutRecord, Store, Write
from remit.missions import PRIORITIES, ActiveMission, Performer

#: Missions that have a place, and those that stand in line, by workflow and mission.
_PLACES, _LINE = "mission_place", "mission_line"
#: What is listed of missions that need no place.
_RESTING = frozenset({"waiting", "paused", "halted", "completed", "failed", "cancelled"})
QUEUED = "queued"


@dataclass(slots=True)
class Lines:
    """The places of a home's workflows, and the lines before them."""

    store: Store
    performer: Performer

    async def enter(self, mission: ActiveMission, epoch: int) -> Queued | None:
        """Take a place for the mission, or let it stand in line; None where it has one, or needs none.

        Raises:
            DriverReplaced: another process has taken the mission over.
            StoreUnreachable: nothing was taken.
        """
        flow = _flow_of(mission)
        if mission.state.status.ended or await self.store.record(_PLACES, mission.id) is not None:
            return None
        key, most = _key(flow.workflow, mission.id), concurrent_of(self.performer, flow.workflow)
        in_line = await self.store.record(_LINE, key) is not None
        if not most:
            if in_line:
                await self._write(mission.id, epoch, PutRecord(_LINE, key, None))
            return None
        if await self._take(mission.id, flow, most, epoch):
            return None
        listed = await self.store.record("mission", mission.id) or {}
        still = {**listed, "status": QUEUED, "version": mission.state.version, "wake_at_us": None}
        stands = {**flow._asdict(), "since_us": mission.state.submitted_at_us}
        await self._write(mission.id, epoch, PutRecord("mission", mission.id, still), PutRecord(_LINE, key, stands))
        # Who left between the two looks saw nobody in line.
        if await self._take(mission.id, flow, most, epoch):
            return None
        return Queued(flow.workflow, most, len(await self.store.records(_LINE, _key(flow.workflow))))

    async def leave(self, mission: MissionId, epoch: int) -> str:
        """Give the mission's place back; the workflow in whose line others may go on, or none.

        Raises:
            DriverReplaced: another process has taken the mission over, and its place with it.
            StoreUnreachable: it stays taken until the sweep finds it.
        """
        held = await self.store.record(_PLACES, mission)
        if held is None:
            return ""
        workflow = str(held["workflow"])
        gone = PutRecord(_PLACES, mission, None), PutRecord(_LINE, _key(workflow, mission), None)
        await self._write(mission, epoch, MoveBalance(_balance(workflow), held=-1), *gone)
        return workflow

    async def next(self, workflow: str) -> list[MissionId]:
        """Whose turn it is in the workflow's line, as many as there are free places: who has fewest places is first."""
        line = await self.store.records(_LINE, _key(workflow))
        if not line:
            return []
        taken = Counter(
            str(held["principal"]) for _, held in await self.store.records(_PLACES) if held["workflow"] == workflow
        )
        most = concurrent_of(self.performer, workflow)
        free = most - taken.total() if most else len(line)
        waiting = sorted(line, key=lambda stands: (-PRIORITIES[stands[1]["priority"]], stands[1]["since_us"]))
        chosen: list[MissionId] = []
        while waiting and len(chosen) < free:
            at = min(range(len(waiting)), key=lambda place: (taken[waiting[place][1]["principal"]], place))
            key, stands = waiting.pop(at)
            taken[stands["principal"]] += 1
            chosen.append(MissionId(key.rpartition("/")[2]))
        return chosen

    async def forgotten(self) -> list[MissionId]:
        """Missions that should be looked at: whose turn has come unheard, and which left without giving back."""
        found = []
        for mission, _ in await self.store.records(_PLACES):
            listed = await self.store.record("mission", mission) or {}
            if listed.get("status") in _RESTING:
                found.append(MissionId(mission))
        workflows = {str(stands["workflow"]) for _, stands in await self.store.records(_LINE)}
        for workflow in sorted(workflows):
            found += await self.next(workflow)
        return found

    async def queued(self, mission: MissionId) -> Queued | None:
        """Why the mission is not driven though it has work; None where it is, or rests."""
        listed = await self.store.record("mission", mission) or {}
        if listed.get("status") != QUEUED:
            return None
        workflow = str(listed["workflow"])
        line = await self.store.records(_LINE, _key(workflow))
        return Queued(workflow, concurrent_of(self.performer, workflow), len(line))

    async def _take(self, mission: MissionId, flow: Flow, most: int, epoch: int) -> bool:
        balance = _balance(flow.workflow)
        with suppress(BudgetExhausted):
            await self._write(
                mission,
                epoch,
                OpenBalance(balance, most),
                MoveBalance(balance, held=1),
                PutRecord(_PLACES, mission, flow._asdict()),
                PutRecord(_LINE, _key(flow.workflow, mission), None),
            )
            return True
        return False

    async def _write(self, mission: MissionId, epoch: int, *writes: Write) -> None:
        await self.store.commit(Commit((), writes, epoch=epoch, lease=self.performer.door.lease_of(mission)))


def _flow_of(mission: ActiveMission) -> Flow:
    submitted = mission.state.submitted
    assert submitted is not None, "it was loaded"
    return Flow(submitted.principal, submitted.priority, submitted.workflow)


def _balance(workflow: str) -> str:
    return f"workflow/{workflow}"


def _key(workflow: str, mission: str = "") -> str:
    return f"{workflow}/{mission}"
