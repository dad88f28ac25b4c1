"""How agents outside come in: their token and signature are verified, and their session is found or opened."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from remit.api.agents import agent_of
from remit.api.models.entering import Entered
from remit.control_plane import ControlPlane
from remit.errors import TokenUnknownKey
from remit.gateway import Bounds
from remit.identity import AgentIdentity
from remit.ids import MissionId
from remit.missions import Session

#: How many endpoints may ask to be told; more would be a leak.
_TELLS_MAX = 16


@dataclass(frozen=True, slots=True)
class Arrived:
    """An agent that was let in."""

    identity: AgentIdentity
    session: Session

    @property
    def bounds(self) -> Bounds:
        """What the token leaves of the agent's grants."""
        identity = self.identity
        if identity.budget_usd_micros is None:
            return Bounds(identity.tools)
        return Bounds(identity.tools, identity.token, identity.budget_usd_micros, tokens_above=identity.bounded_parents)

    @property
    def whose(self) -> tuple[str, str, str]:
        """Agent, principal and mission: two tokens with the same of them are one caller's."""
        return self.identity.agent, self.identity.principal, self.identity.mission or ""


class Entrance:
    """Verifies who comes. A token that names no mission gets a session of its own, for as long as it may live."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._on_close: list[Callable[[MissionId], None]] = []

    def when_closed(self, tell: Callable[[MissionId], None]) -> None:
        """Have `tell` called with each session that ends because its token has."""
        assert len(self._on_close) < _TELLS_MAX
        self._on_close.append(tell)

    async def enter(self, request: Request, body: bytes) -> Arrived:
        """Who sent this request, with the session in which its calls are made.

        Raises:
            Unauthenticated, NotAuthentic, RightsExceeded, ReplayWindowFull: as `Authenticator.authenticate`.
            MissionEnded, NotFound, InvalidInput: the mission that the token names takes no calls.
            HomeBusy, DriverReplaced: another process drives this home.
        """
        core = self._plane.core
        try:
            identity = await agent_of(request, body, core.authenticator)
        except TokenUnknownKey:
            # Another process of this home may have made the key a moment ago.
            if core.driver.company is None:
                raise
            await core.driver.company.look()
            identity = await agent_of(request, body, core.authenticator)
        return Arrived(identity, await self._plane.sessions.of_token(identity))

    async def __call__(self, request: Request, body: bytes) -> Entered:
        """Let the sender of a request in, for endpoints that read no more of the token than its tools."""
        arrived = await self.enter(request, body)
        return Entered(arrived.session, arrived.bounds)

    async def close_lapsed(self) -> None:
        """End the sessions whose token has ended, and let whoever keeps something for them know."""
        for mission in await self._plane.sessions.close_lapsed():
            for tell in self._on_close:
                tell(MissionId(mission))
