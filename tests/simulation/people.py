"""The people of a simulated life, and what they do to it: answer, answer twice, answer without the right, halt, change
the policy, set the clocks.
"""

import asyncio
from datetime import timedelta
from random import Random

from tests.simulation.job import LIMITS, policy_file
from tests.simulation.world import World

from remit.control_plane import ControlPlane, Given, Principal
from remit.errors import (
    AlreadyAnswered,
    ApprovalExpired,
    MissionEnded,
    NotFound,
    RemitError,
    RightsExceeded,
    StreamMoved,
)

#: By how much clocks jump, in seconds: after a suspended machine, a wrong time server, a month, more than a year.
_JUMPS = (1.0, -1.0, 90.0, -90.0, 86_400.0, -86_400.0, 31 * 86_400.0, 31 * 86_400.0, 400 * 86_400.0)


class People:
    """They act through one process's control plane, by the services that a command or a page uses."""

    def __init__(self, world: World, plane: ControlPlane, random: Random) -> None:
        self.world = world
        self.plane = plane
        self.random = random

    @property
    def owner(self) -> Principal:
        """Who may do everything."""
        return self.plane.core.door.controls.registry.principal("owner")

    async def disturb(self, missions: list[str]) -> None:
        """While missions run: a halt that stands for a while, or clocks that jump."""
        chance = self.random.random()
        if chance < 0.12:
            await asyncio.sleep(self.random.random() * 0.2)
            scopes = ["tenant", "agent/planner", "agent/planner@1.0.0", "tool/sim__pay", "tool/sim__read"]
            scope = self.random.choice([*scopes, f"mission/{missions[0]}"])
            await self.plane.halts.set(scope, "to see", self.owner)
            self._seen("halt set")
            await asyncio.sleep(self.random.choice([0.1, 3.0, 3.0]))
        elif chance < 0.22:
            await asyncio.sleep(self.random.random() * 0.3)
            jump = self.random.choice(_JUMPS)
            self.world.offset += timedelta(seconds=jump)
            self._seen("clock forward" if jump > 0 else "clock back")
        elif chance < 0.25:
            await asyncio.sleep(self.random.random() * 0.5)
            await self._cancel(self.random.choice(missions))

    async def attend(self) -> None:
        """Lift what stands still, and answer what is asked."""
        for halt in await self.plane.halts.all():
            try:
                await self.plane.halts.lift(halt["scope"], self.owner)
            except NotFound:
                continue  # somebody else has just lifted it
            self._seen("halt lifted")
        if self.random.random() < 0.06:
            self.world.offset += timedelta(hours=self.random.choice([1.5, 2.5, 5.0]))
            return  # they sleep on it
        for asked in await self.plane.approvals.all(self.owner):
            if asked["about"] == "approval" and self.random.random() < 0.2:
                await self._replace_policy()
            if self.random.random() < 0.15:
                await self._answer_without_right(asked["id"])
            await self._answer(asked["id"])

    async def _cancel(self, mission: str) -> None:
        try:
            await self.plane.missions.cancel(mission, self.owner, undo=self.random.random() < 0.8)
        except (MissionEnded, StreamMoved):
            return  # it ended, or moved on and on
        self._seen("cancelled")

    async def _replace_policy(self) -> None:
        """The verdict that is about to be given binds the policy that was in force when it was asked for."""
        await self.plane.resources.apply([policy_file(self.random.choice(LIMITS))], self.owner)
        self._seen("policy replaced")

    async def _answer_without_right(self, approval: str) -> None:
        clerk = self.plane.core.door.controls.registry.principal("clerk")
        try:
            await self.plane.approvals.answer(Given(approval, "approve"), clerk)
        except RightsExceeded:
            self._seen("answered without the right")
        except RemitError:
            pass
        else:
            self.world.wrong(f"{approval} was answered by the clerk")

    async def _answer(self, approval: str) -> None:
        verdicts = [self.random.choice(["approve", "approve", "reject"])]
        if self.random.random() < 0.25:
            verdicts.append(self.random.choice(["approve", "reject"]))
        if self.random.random() < 0.5:  # two people at once, or one after the other
            results = await asyncio.gather(*(self._give(approval, verdict) for verdict in verdicts))
        else:
            results = [await self._give(approval, verdict) for verdict in verdicts]
        if sum(results) > 1:
            self.world.wrong(f"{approval} was answered twice")

    async def _give(self, approval: str, verdict: str) -> bool:
        try:
            await self.plane.approvals.answer(Given(approval, verdict), self.owner)
        except AlreadyAnswered:
            self._seen("answered twice")
        except MissionEnded:
            self._seen("answered after the end")
        except ApprovalExpired:
            self._seen("answered too late")
        else:
            return True
        return False

    def _seen(self, weather: str) -> None:
        self.world.counts[weather] += 1
