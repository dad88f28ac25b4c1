"""How agents outside come in: their token and signature are verified, and their session is found or opened."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from remit.api.agents import agent_of
from remit.api.models.entering import Entered
from remit.control_plane import ControlPlane
from remit.errors import RemitError
from remit.identity import AgentIdentity
from remit.ids import MissionId
from remit.missions import Session

_PER_SECOND = 1_000_000
_TELLS_MAX = 16
#: How long after its end a token may still be taken, for the clocks' sake.
_SKEW_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Arrived:
    """An agent that was let in."""

    identity: AgentIdentity
    session: Session

    @property
    def whose(self) -> tuple[str, str, str]:
        """Agent, principal and mission: two tokens with the same of them are one caller's."""
        return self.identity.agent, self.identity.principal, self.identity.mission or ""


class Entrance:
    """Verifies who comes. A token that names no mission gets a session of its own, for as long as it may live."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        #: The mission of each token that named none.
        self._own: dict[str, asyncio.Future[MissionId]] = {}
        self._closing: set[asyncio.Task[None]] = set()
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
        identity = await agent_of(request, body, self._plane.core.authenticator)
        mission = identity.mission or await self._own_mission(identity)
        session = await self._plane.sessions.of(mission, agent=identity.agent, principal=identity.principal)
        return Arrived(identity, session)

    async def __call__(self, request: Request, body: bytes) -> Entered:
        """Let the sender of a request in, for endpoints that read no more of the token than its tools."""
        arrived = await self.enter(request, body)
        return Entered(arrived.session, arrived.identity.tools)

    async def _own_mission(self, identity: AgentIdentity) -> MissionId:
        opening = self._own.get(identity.token)
        if opening is None:
            opening = self._own[identity.token] = asyncio.ensure_future(self._open(identity))
        try:
            return await asyncio.shield(opening)
        except RemitError:
            self._own.pop(identity.token, None)
            raise

    async def _open(self, identity: AgentIdentity) -> MissionId:
        person = self._plane.core.door.controls.registry.principal(identity.principal)
        session = await self._plane.sessions.open(identity.agent, person, budget_usd_micros=identity.budget_usd_micros)
        left = (identity.expires_at_us - self._plane.core.now_us) / _PER_SECOND + _SKEW_SECONDS
        asyncio.get_running_loop().call_later(left, self._expire, identity.token, session.mission)
        return session.mission

    def _expire(self, token: str, mission: MissionId) -> None:
        self._own.pop(token, None)
        closing = asyncio.ensure_future(self._close(mission))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self, mission: MissionId) -> None:
        for tell in self._on_close:
            tell(mission)
        try:
            await self._plane.sessions.close(mission)
        except RemitError:
            return  # the store or the lease is gone: whoever has them finds the mission at its deadline
