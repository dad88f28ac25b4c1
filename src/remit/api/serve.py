"""One process that serves REST v1 and drives all missions of a home, until it is told to end."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from remit.api.app import create_app
from remit.api.auth import Gate, is_loopback
from remit.api.doors import AgentDoors
from remit.api.entering import Entrance
from remit.api.problems import LastResort
from remit.control_plane import ControlPlane, Watch
from remit.errors import InvalidInput
from remit.identity import Principal

SERVE_FILE = "serve.json"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8321
#: How often the ledger's head is signed.
_SEAL_SECONDS = 5.0
#: Notes whose time is over are not read any more; every so many turns they are taken away, too.
_SWEEP_TURNS = 120
#: How long open connections may take to end; long polls are cut.
_GRACE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a client takes it."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


async def serve(
    plane: ControlPlane,
    principal: Callable[[], Principal],
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    allow_remote: bool = False,
    ready: Callable[[Address], None],
    ends: asyncio.Event | None = None,
) -> None:
    """Serve and drive until SIGTERM or SIGINT, or until `ends` where one is given; port 0 takes a free one, and `ready`
    is told which.

    Raises:
        InvalidInput: the address cannot be taken, or leaves this machine without `allow_remote`.
        HomeBusy: another process drives this home.
        DriverReplaced, StoreUnreachable: the driver had to stop; the server has ended with it.
    """
    if not allow_remote and not is_loopback(host):
        raise InvalidInput(
            f"{host} can be reached from other machines, and the token would cross the network in the clear.",
            hint="Serve on 127.0.0.1, or give --allow-remote behind a proxy that speaks TLS.",
        )
    with _bound(host, port) as sock:
        await plane.core.keep_lease()
        address = Address(host, sock.getsockname()[1])
        token = secrets.token_urlsafe(32)
        gate = Gate(create_app(plane, principal, driving=True), token=token, loopback_only=not allow_remote)
        doors = AgentDoors(plane, gate, loopback_only=not allow_remote)
        app = LastResort(doors)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACE_SECONDS
        )
        server = _Server(config)
        with _announced(plane.core.home / SERVE_FILE, address, token):
            await _run(plane, server, sock, lambda: ready(address), doors.entrance, ends)


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, port: int = 0, host: str = DEFAULT_HOST) -> AsyncIterator[Address]:
    """Serve an application until the block ends; on this machine alone and at a free port unless told otherwise."""
    with _bound(host, port) as sock:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACE_SECONDS
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield Address(host, sock.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


async def _run(
    plane: ControlPlane,
    server: "_Server",
    sock: socket.socket,
    ready: Callable[[], None],
    entrance: Entrance,
    ends: asyncio.Event | None,
) -> None:
    stop = asyncio.Event()

    def end() -> None:
        server.should_exit = True
        plane.live.end()
        stop.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT) if ends is None else ()
    for number in signals:
        loop.add_signal_handler(number, end)
    told = asyncio.create_task(_told(ends, end)) if ends is not None else None
    driving = asyncio.create_task(plane.core.driver.run(stop))
    # Whichever ends first takes the other with it: a server without its driver would promise what it cannot do.
    driving.add_done_callback(lambda _: end())
    sealing = asyncio.create_task(_tend(plane, entrance, stop))
    watching = asyncio.create_task(Watch(plane.core, plane.triggers).run(stop))
    watching.add_done_callback(lambda _: end())
    try:
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        await asyncio.wait({serving, asyncio.create_task(server.listening.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if server.listening.is_set():
            ready()
        await serving
    finally:
        end()
        if told is not None:
            told.cancel()
        for number in signals:
            loop.remove_signal_handler(number)
        await asyncio.gather(driving, sealing, watching, return_exceptions=True)
    driving.result()
    sealing.result()
    watching.result()
    await plane.ledger.seal()


async def _told(ends: asyncio.Event, end: Callable[[], None]) -> None:
    await ends.wait()
    end()


async def _tend(plane: ControlPlane, entrance: Entrance, stop: asyncio.Event) -> None:
    """What time alone makes due, besides the missions: sealing, ending sessions, forgetting what has lapsed."""
    for turn in count():
        if stop.is_set():
            return
        if turn % _SWEEP_TURNS == 0:
            await plane.memories.sweep()
        await plane.ledger.seal()
        await entrance.close_lapsed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEAL_SECONDS):
                await stop.wait()


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise InvalidInput(
            f"{host}:{port} cannot be taken: {error.strerror}.", hint="Name another with --port; 0 takes a free one."
        ) from error
    # Accepted connections inherit it. asyncio sets it only where the socket names its protocol, and this one does not;
    # without it each answer waits some 40 ms for the caller's acknowledgement of its head.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        yield sock


@contextlib.contextmanager
def _announced(path: Path, address: Address, token: str) -> Iterator[None]:
    """Tell the home's other commands where to go; only the owner may read it."""
    told = json.dumps({"address": address.url, "token": token, "pid": os.getpid()})
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(told)
    fresh.chmod(0o600)
    fresh.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """Leaves signals alone: the driver must end with the server, so `_run` hears them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
