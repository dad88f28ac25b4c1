"""The control plane: every service of one home in one frozen dataclass. This is Remit's public Python surface."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from remit.control_plane.approvals import Approvals
from remit.control_plane.core import Core, iso
from remit.control_plane.doctor import Doctor
from remit.control_plane.explain import Explain
from remit.control_plane.halts import Halts
from remit.control_plane.ledger import Ledger
from remit.control_plane.missions import Missions
from remit.control_plane.numbers import Numbers
from remit.control_plane.policies import Policies
from remit.control_plane.resources import Resources, kinds
from remit.control_plane.sessions import Sessions
from remit.control_plane.skills import Skills, Standing, Wanted
from remit.control_plane.sources import Sources
from remit.control_plane.token_view import authenticator_of
from remit.control_plane.tokens import Tokens
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
    "ControlPlane",
    "Core",
    "Given",
    "Principal",
    "Skills",
    "Standing",
    "Wanted",
    "authenticator_of",
    "closing",
    "iso",
    "kinds",
]
