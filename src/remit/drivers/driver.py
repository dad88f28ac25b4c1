"""What drives missions, as the services see it; which one is chosen when a home is opened."""

import asyncio
from typing import Protocol

from remit.drivers.duties import Duties
from remit.drivers.turns import Queued
from remit.errors import FactExists
from remit.gateway import Door
from remit.ids import MissionId
from remit.ledger import Journal
from remit.missions import ActiveMission, Company, Performer, Rest
from remit.planning import StepKind


class Driver(Protocol):
    """Keeps the missions of one home moving."""

    @property
    def performer(self) -> Performer:
        """Carries out steps in this process."""
        ...

    @property
    def idle(self) -> bool:
        """True where nothing is driven now."""
        ...

    async def drive(self, mission: MissionId) -> Rest:
        """Drive one mission until it waits for people, stands still or has ended."""
        ...

    async def hold(self, mission: MissionId) -> ActiveMission:
        """The mission as this process works on it, for an agent outside that works in it too."""
        ...

    def epoch_of(self, mission: MissionId) -> int:
        """The epoch of the lease under which this process works in the mission that it holds."""
        ...

    def let_go_of(self, mission: MissionId) -> None:
        """No agent outside works in this mission through this process any more."""
        ...

    @property
    def company(self) -> Company | None:
        """The other processes through which an agent may work in one session; None where there are none."""
        ...

    @property
    def duties(self) -> Duties | None:
        """What one process of the home does for all; None where there is one process."""
        ...

    async def queued(self, mission: MissionId) -> Queued | None:
        """Why the mission is not driven though it has work; None where it is, or rests."""
        ...

    def nudge(self, mission: MissionId) -> None:
        """Something happened to this mission: have it looked at now."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all missions moving until `stop` is set."""
        ...

    async def stop(self) -> None:
        """Give up what is under way; it goes on from its tape under the next driver."""
        ...


def concurrent_of(performer: Performer, workflow: str) -> int:
    """How many missions of the workflow are driven at once, as is in force now; 0 for no bound."""
    found = performer.door.controls.registry.workflows.get(workflow)
    return 0 if found is None else found.limits.concurrent


async def load(mission: MissionId, door: Door, journal: Journal, epoch: int) -> ActiveMission:
    """Fold a mission, and settle what a crash left open in it.

    Raises:
        NotFound, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be loaded.
        DriverReplaced: another driver has taken over.
    """
    active = await ActiveMission.load(mission, journal, door.vault)
    apart = active.state.connected and door.session_lease_of(mission) != door.lease_of(mission)
    but = {name for name, held in active.state.steps.items() if apart and held.step.kind is StepKind.CONNECTED}
    while True:
        try:
            await door.recover(mission, epoch, active.log, but=but)
        except FactExists:
            # The driver before this one may still be recording outcomes meanwhile.
            await active.catch_up_calls(journal)
        else:
            return active
