"""The server's process: started with little, ended with all that it started."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import remit
from remit.adapters.sandbox import Limits, available, launch_command, wrapped
from remit.adapters.secrets import Scrubber

#: How long a server may take to end by itself once its input is closed, and again after it was asked to.
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.01
_ERROR_LINES = 20
_INHERITED = ("PATH", "LANG")


@dataclass(frozen=True, slots=True)
class Launch:
    """How a source's server is started."""

    command: tuple[str, ...]
    #: Working folder; None gives each process an empty one of its own that goes with it.
    folder: Path | None = None
    #: Names of this process's variables that the server receives besides PATH and LANG.
    env_allow: tuple[str, ...] = ()
    #: Variables that it receives with these values.
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    #: Comes with Remit: may run without walls where there are none.
    bundled: bool = False
    allow_unsandboxed: bool = False
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    network: bool = False

    @property
    def sandboxed(self) -> bool:
        return available()

    @property
    def allowed(self) -> bool:
        return self.sandboxed or self.bundled or self.allow_unsandboxed

    def environment(self, secret: Mapping[str, str]) -> dict[str, str]:
        names = (*_INHERITED, *self.env_allow)
        return {name: os.environ[name] for name in names if name in os.environ} | dict(self.env) | dict(secret)

    def behind_walls(self, folder: Path) -> list[str]:
        readable: list[Path] = list(self.readable)
        if self.bundled:
            readable += [Path(sys.prefix), Path(sys.base_prefix), Path(remit.__path__[0]).parent]
        elif (program := shutil.which(self.command[0])) is not None:
            readable += [Path(program).parent, Path(program).resolve().parent]
        return wrapped(self.command, folder=folder, readable=readable, writable=self.writable, network=self.network)


class ServerProcess:
    """A running server, leader of its own process group."""

    def __init__(self, process: Process, temporary: Path | None, scrubber: Scrubber) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        self.input = process.stdin
        self.output = process.stdout
        #: Takes the credential out of what the server says.
        self.scrubber = scrubber
        self._process = process
        self._temporary = temporary
        self._errors: deque[bytes] = deque(maxlen=_ERROR_LINES)
        self._error_reader = asyncio.create_task(self._read_errors(process.stderr))

    @classmethod
    async def start(cls, launch: Launch, secret: Mapping[str, str] | None = None) -> "ServerProcess":
        """Start the server; `secret` are variables that it receives and that nobody else is told.

        Raises:
            OSError: it cannot be started, or its folder cannot be made.
        """
        temporary = None if launch.folder else Path(tempfile.mkdtemp(prefix="remit-source-"))
        folder = launch.folder or temporary
        assert folder is not None
        sandboxed = await asyncio.to_thread(available)
        command = launch.behind_walls(folder) if sandboxed else list(launch.command)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch_command(command, launch.limits),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=folder,
                env=launch.environment(secret or {}),
                start_new_session=True,
            )
        except BaseException:
            _remove(temporary)
            raise
        return cls(process, temporary, Scrubber((secret or {}).values()))

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    @property
    def last_words(self) -> str:
        """The last line that the server wrote as an error; its own words, so for failures to start only."""
        if not self._errors:
            return ""
        return self.scrubber.whole(self._errors[-1]).decode(errors="replace").strip()[:200]

    async def stop(self) -> None:
        """End the server and whatever it started: close its input, ask, kill. Takes a few seconds at most."""
        with suppress(OSError):
            self.input.close()
        try:
            if not await self._ends_in(_GRACE_SECONDS):
                self._signal(signal.SIGTERM)
                await self._ends_in(_GRACE_SECONDS)
        finally:
            # Also what the leader left behind in its group, and also where nobody has the patience any more.
            self._signal(signal.SIGKILL)
            self._error_reader.cancel()
        await self._ends_in(_GRACE_SECONDS)
        # A grandchild that left the group may still hold a pipe, and only the transport can let go of ours.
        transport = getattr(self._process, "_transport", None)
        if transport is not None:
            transport.close()
        await asyncio.to_thread(_remove, self._temporary)

    async def _ends_in(self, seconds: float) -> bool:
        """Whether it ended; by looking, since waiting for it would also wait for everyone who holds its pipes."""
        end = asyncio.get_running_loop().time() + seconds
        while not self.ended:
            if asyncio.get_running_loop().time() >= end:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        """Keep the pipe empty; a server that writes many errors must not be stopped by them."""
        rest = b""
        while chunk := await stream.read(1 << 16):
            *lines, rest = (rest + chunk)[-(1 << 16) :].split(b"\n")
            self._errors.extend(line for line in lines if line.strip())
        if rest.strip():
            self._errors.append(rest)


def _remove(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
