"""The control plane: every service of one home in one frozen dataclass. This is Remit's public Python surface."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from remit.control_plane.approvals import Approvals
from remit.control_plane.beside import Beside, Enrolment, read_enrolment
from remit.control_plane.companion import Companion
from remit.control_plane.control import Control, NewStep, PlanChange
from remit.control_plane.core import Core, iso
from remit.control_plane.doctor import Doctor
from remit.control_plane.explain import Explain
from remit.control_plane.halts import Halts
from remit.control_plane.leasing import Leasing
from remit.control_plane.ledger import Ledger
from remit.control_plane.live import LiveEvents
from remit.control_plane.memories import Memories
from remit.control_plane.missions import Missions
from remit.control_plane.numbers import Numbers
from remit.control_plane.policies import Policies
from remit.control_plane.resources import Resources, kinds
from remit.control_plane.sending import Sending
from remit.control_plane.sessions import Sessions
from remit.control_plane.sidecar_accounts import SidecarAccounts
from remit.control_plane.sidecar_bundles import SidecarBundles
from remit.control_plane.sidecar_records import SidecarRecords
from remit.control_plane.sidecars import Enrolled, Sidecars
from remit.control_plane.skills import Skills, Standing, Wanted
from remit.control_plane.sources import Sources
from remit.control_plane.states import States
from remit.control_plane.token_view import authenticator_of
from remit.control_plane.tokens import Tokens
from remit.control_plane.triggers import Triggers
from remit.control_plane.watch import Watch
from remit.control_plane.ways_out import Way
from remit.control_plane.workflows import Workflows
from remit.identity import Principal
from remit.missions import Given


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The services of one home; `bootstrap.open_home` builds it."""

    core: Core
    resources: Resources
    policies: Policies
    missions: Missions
    approvals: Approvals
    halts: Halts
    ledger: Ledger
    explain: Explain
    doctor: Doctor
    numbers: Numbers
    sessions: Sessions
    sources: Sources
    tokens: Tokens
    skills: Skills
    triggers: Triggers
    live: LiveEvents
    control: Control
    states: States
    memories: Memories
    sidecars: Sidecars
    sidecar_bundles: SidecarBundles
    sidecar_accounts: SidecarAccounts
    sidecar_records: SidecarRecords
    workflows: Workflows

    @classmethod
    def of(cls, core: Core) -> "ControlPlane":
        """The services over these parts."""
        return cls(
            core,
            Resources(core),
            Policies(core),
            Missions(core),
            Approvals(core),
            Halts(core),
            Ledger(core),
            Explain(core),
            Doctor(core),
            Numbers(core),
            Sessions(core),
            Sources(core),
            Tokens(core),
            Skills(core),
            Triggers(core),
            LiveEvents(core),
            Control(core),
            States(core),
            Memories(core),
            Sidecars(core),
            SidecarBundles(core),
            SidecarAccounts(core),
            SidecarRecords(core),
            Workflows(core),
        )

    async def close(self) -> None:
        """Give up what is under way, let go of sources and of the store; nothing on record is lost."""
        await self.core.driver.stop()
        for transport in self.core.transports.values():
            await transport.close()
        await self.core.store.close()
        self.core.let_go()


@asynccontextmanager
async def closing(plane: ControlPlane) -> AsyncIterator[ControlPlane]:
    """Close the plane at the end of the block."""
    try:
        yield plane
    finally:
        await plane.close()


__all__ = [
    "Beside",
    "Companion",
    "Control",
    "ControlPlane",
    "Core",
    "Enrolled",
    "Enrolment",
    "Given",
    "Leasing",
    "NewStep",
    "PlanChange",
    "Principal",
    "Sending",
    "Skills",
    "Standing",
    "Triggers",
    "Wanted",
    "Watch",
    "Way",
    "authenticator_of",
    "closing",
    "iso",
    "kinds",
    "read_enrolment",
]
