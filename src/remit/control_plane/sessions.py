"""Sessions: the open steps of agents outside, found or opened for whoever comes to the door."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.control_plane.core import Core
from remit.errors import DriverReplaced, InvalidInput, MissionEnded, NotFound, PriceUnknown, RightsExceeded
from remit.identity import AgentIdentity, Principal
from remit.ids import MissionId
from remit.ledger import Commit, PutRecord
from remit.missions import OWN_SESSIONS, SESSION_STEP, SESSION_WORKFLOW, Opening, Session, SharedSession, open_session
from remit.quantities import Money
from remit.registry import AgentVersion

_CURRENCY = "USD"
#: How long after its end a token may still be taken, for the clocks' sake.
_GRACE_US = 30_000_000
#: So many open sessions are looked at each time, whether another process closed them.
_LOOKED_AT_MAX = 20
#: How long a process that opens the same session is given before it is looked at again.
_OPENING_SECONDS = 0.05


@dataclass(slots=True)
class Sessions:
    """The sessions of one home that this process has begun."""

    core: Core
    _open: dict[MissionId, Session] = field(default_factory=dict)
    _beginning: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: The session of each token that came here, and when the token can no longer be alive.
    _by_token: dict[str, tuple[str, int]] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(
        self,
        agent: str,
        by: Principal,
        *,
        inputs: Mapping[str, Any] | None = None,
        budget_usd_micros: int | None = None,
    ) -> Session:
        """Open a session: a mission of its own, in which the agent acts for this person.

        Args:
            agent: `NAME` or `NAME@VERSION`, whose `run` is `connected`.
            by: the person on whose behalf.
            inputs: what the person gave it to work on.
            budget_usd_micros: a lower limit than the agent's own.

        Raises:
            NotFound: there is no such agent.
            InvalidInput: the agent is not connected from outside.
            RightsExceeded: this person may not submit missions.
            HomeBusy: another process drives this home.
        """
        version = self._connected(agent)
        limit = self._limit(version)
        if budget_usd_micros is not None:
            limit = min(limit, budget_usd_micros)
        core = self.core
        opening = Opening(version, inputs or {}, limit, core.reader)
        mission = await open_session(core.door, core.clock, core.ids, by, opening)
        return await self.of(mission)

    async def of_token(self, identity: AgentIdentity) -> Session:
        """The session in which whoever came with this token works: the named mission's, or one of the token's own.

        A session of the token's own is found again after a restart, and is closed by `close_lapsed`.

        Raises:
            RightsExceeded, MissionEnded, NotFound, InvalidInput, HomeBusy, DriverReplaced: as `open` and `of`.
        """
        mission = identity.mission or self._of(identity.token)
        if mission is None:
            async with self._opening:
                mission = self._of(identity.token) or await self._open_for(identity)
                self._by_token[identity.token] = mission, identity.expires_at_us + _GRACE_US
        return await self.of(mission, agent=identity.agent, principal=identity.principal)

    async def close_lapsed(self) -> list[str]:
        """Close the sessions of tokens that can no longer be alive; which ones of those that were open here."""
        now_us = self.core.now_us
        closed = [mission for mission, ends_us in self._by_token.values() if ends_us < now_us]
        self._by_token = {token: told for token, told in self._by_token.items() if told[1] >= now_us}
        for token, opened in await self.core.store.records(OWN_SESSIONS):
            if opened["expires_at_us"] < now_us:
                await self.close(opened["mission"])
                await self.core.store.commit(Commit((), (PutRecord(OWN_SESSIONS, token, None),)))
                closed.append(opened["mission"])
        for mission in closed:
            self._forget(MissionId(mission))  # another process may have closed it
        if self.core.driver.company is not None:
            await self._forget_ended()
        return list(dict.fromkeys(closed))

    def _of(self, token: str) -> str | None:
        told = self._by_token.get(token)
        return None if told is None else told[0]

    async def _open_for(self, identity: AgentIdentity) -> str:
        opened = await self.core.store.record(OWN_SESSIONS, identity.token)
        if opened is not None:
            return str(opened["mission"])
        version, by = self._connected(identity.agent), self.core.door.controls.registry.principal(identity.principal)
        limit = min(self._limit(version), identity.budget_usd_micros or self._limit(version))
        ends_us = identity.expires_at_us + _GRACE_US
        opening = Opening(version, {}, limit, self.core.reader, identity.token, ends_us)
        core = self.core
        await core.take_lease()
        if core.driver.company is None:
            return await open_session(core.door, core.clock, core.ids, by, opening)
        # Its first requests may come to two processes at once: a token has one session.
        lease = f"{OWN_SESSIONS}/{identity.token}"
        epoch = await core.store.take("", lease)
        try:
            if (found := await core.store.record(OWN_SESSIONS, identity.token)) is not None:
                return str(found["mission"])
            return await open_session(core.door, core.clock, core.ids, by, opening, under=((lease, epoch),))
        except DriverReplaced:
            await asyncio.sleep(_OPENING_SECONDS)
            return await self._open_for(identity)

    async def of(self, mission: str, *, agent: str = "", principal: str = "") -> Session:
        """The session that this mission holds, begun in this process if it was not.

        Raises:
            NotFound: there is no such mission, or it holds no session.
            RightsExceeded: the session is another agent's or another person's.
            MissionEnded: the session is over.
            HomeBusy, DriverReplaced: another process drives this home.
        """
        session = self._open.get(MissionId(mission))
        if session is None:
            async with self._beginning:
                session = self._open.get(MissionId(mission)) or await self._begin(MissionId(mission))
        # What the agent read through another process counts from here on, whatever it asks for now.
        await session.see()
        if session.ended:
            self._forget(session.mission)
            raise MissionEnded(f"The session {mission} is over.", rule="session_over")
        if agent not in {"", session.agent} or principal not in {"", session.principal}:
            raise RightsExceeded(f"The session {mission} is not this agent's.", rule="session_of_another")
        return session

    async def close(self, mission: str, *, failed: str = "", output: Any = None) -> None:
        """End a session; calls that wait for a person are carried out all the same once one has answered.

        Raises:
            NotFound, HomeBusy, DriverReplaced: as `of`.
        """
        try:
            session = await self.of(mission)
        except MissionEnded:
            return
        await session.close(failed=failed, output=output)
        self._forget(session.mission)
        self.core.driver.nudge(session.mission)

    async def _begin(self, mission: MissionId) -> Session:
        core = self.core
        await core.keep_lease()
        active = await core.driver.hold(mission)
        step = active.state.steps.get(SESSION_STEP)
        submitted = active.state.submitted
        if step is None or submitted is None or submitted.workflow != SESSION_WORKFLOW:
            raise NotFound(f"{mission} holds no session.")
        performer, epoch = core.driver.performer, core.driver.epoch_of(mission)
        company = core.driver.company
        if company is None:
            session = Session(performer, active, epoch)
        else:
            session = SharedSession(performer, active, epoch, company)
        if not session.ended:
            await session.begin()
            self._open[mission] = session
            core.driver.nudge(mission)  # from now on time alone may make something due
        return session

    async def _forget_ended(self) -> None:
        """Let go of sessions that other processes closed, a few at a time."""
        for mission, session in list(self._open.items())[:_LOOKED_AT_MAX]:
            await session.see()
            if self._open.get(mission) is not session:
                continue
            if session.ended:
                self._forget(mission)
            else:
                self._open[mission] = self._open.pop(mission)  # behind the others; never away while it is awaited

    def _forget(self, mission: MissionId) -> None:
        self._open.pop(mission, None)
        self.core.driver.let_go_of(mission)

    def _connected(self, agent: str) -> AgentVersion:
        version = self.core.door.controls.registry.agent(agent)
        if not version.connected:
            raise InvalidInput(
                f"{version.ref} is run by Remit itself.",
                hint="Give the agent `run: {connected: true}` where it is a program of its own.",
            )
        return version

    def _limit(self, version: AgentVersion) -> int:
        budget = version.budget
        if budget.currency != _CURRENCY:
            rates = self.core.door.controls.rates
            converted: Money | None = rates.convert(budget, _CURRENCY) if rates else None
            if converted is None:
                raise PriceUnknown(f"The budget of {version.ref} is in {budget.currency}, without a rate.")
            budget = converted
        return budget.micros
