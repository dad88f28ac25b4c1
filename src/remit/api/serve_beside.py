"""One process beside an agent: the whole door, the record and the lease, and an address of the agent's own."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.types import Receive, Scope, Send

from remit.api.doors import AgentDoors
from remit.api.entering import Entrance
from remit.api.names import unguessable
from remit.api.own_door import OwnDoor, Tokens
from remit.api.problems import problem
from remit.api.serve import listening
from remit.clock import Clock
from remit.control_plane import Companion, ControlPlane
from remit.errors import MissionEnded, NotFound
from remit.identity import ConfirmationKey, RequestSigner, Wish
from remit.ids import MissionId
from remit.ledger import Commit, PutRecord
from remit.sidecars import TABLE

ENV_FILE = "agent.env"
#: Keeps the secret in the agent's addresses over a restart.
_AGENT_FILE = "agent.secret"
_TOKEN_SECONDS = 600
_SEAL_SECONDS = 5.0
#: How long the end of the session may take.
_REST_SECONDS = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

#: Runs the agent, told of these addresses; its exit code.
Work = Callable[[Mapping[str, str]], Awaitable[int]]


@dataclass(slots=True)
class AgentSession:
    """The session in which the agent beside this door works; found again after a crash."""

    plane: ControlPlane
    agent: str
    principal: str

    async def mission(self) -> str:
        """The session's mission: the one before, while it is open and of the agent's current version."""
        plane = self.plane
        registry = plane.core.door.controls.registry
        kept = await plane.core.store.record(TABLE, "session")
        if kept is not None:
            try:
                session = await plane.sessions.of(kept["mission"])
            except (MissionEnded, NotFound):
                pass
            else:
                if session.agent == registry.agent(self.agent).ref:
                    return session.mission
                await plane.sessions.close(session.mission)
        opened = await plane.sessions.open(self.agent, registry.principal(self.principal))
        await plane.core.store.commit(Commit((), (PutRecord(TABLE, "session", {"mission": opened.mission}),)))
        return opened.mission

    async def token(self, jwk: Mapping[str, str]) -> tuple[str, float]:
        """A token for the session that confirms this key, and when it ends."""
        plane = self.plane
        person = plane.core.door.controls.registry.principal(self.principal)
        wish = Wish(mission=await self.mission(), seconds=_TOKEN_SECONDS, confirmed=ConfirmationKey.of(jwk))
        issued = await plane.tokens.issue(self.agent, self.principal, person, wish)
        return issued["token"], datetime.fromisoformat(issued["expires_at"]).timestamp()

    async def close(self, failed: str) -> None:
        """End the session and see its mission come to rest."""
        kept = await self.plane.core.store.record(TABLE, "session")
        if kept is None:
            return
        await self.plane.sessions.close(kept["mission"], failed=failed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST_SECONDS):
                await self.plane.core.driver.drive(MissionId(kept["mission"]))


async def serve_beside(
    plane: ControlPlane,
    companion: Companion,
    clock: Clock,
    *,
    port: int,
    ready: Callable[[str], None],
    work: Work | None = None,
) -> int:
    """Serve the agent until it ends, or until SIGTERM or SIGINT where none is started here; its exit code.

    Raises:
        HomeBusy: another process drives this home.
        DriverReplaced, StoreUnreachable: the driver had to stop; the door has ended with it.
    """
    await plane.core.keep_lease()
    bundle = companion.beside.bundle
    session = AgentSession(plane, bundle["agent"], bundle["principal"])
    doors = AgentDoors(plane, _nobody)
    stop, failed = asyncio.Event(), "not_started"
    async with _kept_going(plane, companion, doors.entrance, stop) as going:
        await session.mission()
        try:
            async with _agents_address(plane, session, doors, clock, port) as (url, addresses):
                ready(url)
                code = await _until_done(going, stop, work, addresses)
                failed = f"exit_{code}" if code else ""
        finally:
            await session.close(failed)
    await plane.ledger.seal()
    await companion.finish()
    return code


@contextlib.asynccontextmanager
async def _agents_address(
    plane: ControlPlane, session: AgentSession, doors: AgentDoors, clock: Clock, port: int
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Where the agent comes in, and what it is told of it; the secret in it stays the same over a restart."""
    home = plane.core.home
    async with listening(doors) as door:
        agents = OwnDoor(door.url, Tokens(session.token, RequestSigner.generate(), clock), _secret(home / _AGENT_FILE))
        try:
            async with listening(agents, port) as address:
                addresses = agents.addresses(address.url)
                _write_private(home / ENV_FILE, "".join(f"{name}={value}\n" for name, value in addresses.items()))
                yield address.url, addresses
        finally:
            (home / ENV_FILE).unlink(missing_ok=True)
            await agents.close()


@contextlib.asynccontextmanager
async def _kept_going(
    plane: ControlPlane, companion: Companion, entrance: Entrance, stop: asyncio.Event
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """All that goes on while the door is open; what of it ends by itself takes the rest with it."""
    driving = asyncio.create_task(plane.core.driver.run(stop))
    following = [
        asyncio.create_task(work) for work in (companion.follow(stop), companion.send(stop), companion.tend(stop))
    ]
    tending = asyncio.create_task(_tend(plane, entrance, stop))
    try:
        yield [driving, tending, *following]
    finally:
        stop.set()
        for task in following:
            task.cancel()  # a question that waits at the control plane
        await asyncio.gather(driving, tending, *following, return_exceptions=True)
    for task in (driving, tending, *following):
        if not task.cancelled():
            task.result()


async def _until_done(
    going: list[asyncio.Task[None]], stop: asyncio.Event, work: Work | None, addresses: Mapping[str, str]
) -> int:
    if work is not None:
        agent = asyncio.ensure_future(work(addresses))
        await asyncio.wait([agent, *going], return_when=asyncio.FIRST_COMPLETED)
        if agent.done():
            return agent.result()
        agent.cancel()
        return 1
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([told, *going], return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return 0


async def _tend(plane: ControlPlane, entrance: Entrance, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await plane.ledger.seal()
        await entrance.close_lapsed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEAL_SECONDS):
                await stop.wait()


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """A sidecar serves its agent; people come to the control plane."""
    if scope["type"] == "http":
        await problem(NotFound("A sidecar has no routes for people."))(scope, receive, send)


def _secret(path: Path) -> str:
    try:
        return path.read_text("ascii").strip() or _new_secret(path)
    except FileNotFoundError:
        return _new_secret(path)


def _new_secret(path: Path) -> str:
    secret = unguessable()
    _write_private(path, f"{secret}\n")
    return secret


def _write_private(path: Path, text: str) -> None:
    """Only the home's owner may read it."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
