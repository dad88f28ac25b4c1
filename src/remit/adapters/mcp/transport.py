"""One source's server, started when first needed and again when it has died."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remit.adapters.mcp.server import Launch, ServerProcess
from remit.adapters.sandbox import Limits
from remit.errors import InvalidSetting, ToolUnavailable
from remit.gateway.transport import ToolResult
from remit.tools import Tool

if TYPE_CHECKING:
    from remit.adapters.mcp.session import Session

_log = logging.getLogger(__name__)

_START_SECONDS = 30.0
#: Endings of names that hold secrets; a credential reaches a source by reference, never by inheritance.
_SECRET_ENDINGS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIALS")


class McpStdioTransport:
    """Carries calls to a server over its standard input and output."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env_allow: Sequence[str] = (),
        timeout_seconds: float = 60.0,
        memory_bytes: int | None = None,
        processes: int | None = None,
        cpu_seconds: int | None = None,
        env: Mapping[str, str] | None = None,
        bundled: bool = False,
        allow_unsandboxed: bool = False,
        readable: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        network: bool = False,
        start_seconds: float = _START_SECONDS,
    ) -> None:
        """Describe the server; nothing is started yet.

        Args:
            command: the program and its arguments.
            cwd: its working folder, which it may write; None gives every process an empty one that goes with it.
            env_allow: variables that it inherits besides PATH and LANG.
            timeout_seconds: how long a call may take where its tool does not say less.
            memory_bytes: address space of each of its processes; None, here and below, leaves what Remit has.
            processes: processes and threads of its user, see `Limits`.
            cpu_seconds: processor time.
            env: variables that it gets with these values.
            bundled: the server comes with Remit and may run without walls where bubblewrap is missing.
            allow_unsandboxed: so may this one, though it does not.
            readable: files and folders that it sees behind the walls.
            writable: those that it may change there, besides its working folder.
            network: it may reach the network from behind them.
            start_seconds: how long it may take from start to agreed protocol.

        Raises:
            InvalidSetting: the command is empty, or `env_allow` names a secret.
        """
        if not command:
            raise InvalidSetting("The source's command is empty.")
        if secret := [name for name in env_allow if name.upper().endswith(_SECRET_ENDINGS)]:
            raise InvalidSetting(
                f"{', '.join(secret)} may not be inherited by a tool source.", hint="Use `credential: {ref: ...}`."
            )
        self._launch = Launch(
            command=tuple(command),
            folder=cwd,
            env_allow=tuple(env_allow),
            env=dict(env or {}),
            limits=Limits(memory_bytes=memory_bytes, processes=processes, cpu_seconds=cpu_seconds),
            bundled=bundled,
            allow_unsandboxed=allow_unsandboxed,
            readable=tuple(readable),
            writable=tuple(writable),
            network=network,
        )
        self._timeout_seconds = timeout_seconds
        self._start_seconds = start_seconds
        self._session: Session | None = None
        #: With those that were replaced and still end.
        self._sessions: set[Session] = set()
        self._starting: asyncio.Task[Session] | None = None
        self._warned = False
        self._closed = False

    @property
    def sandboxed(self) -> bool:
        """Whether the server runs behind bubblewrap on this machine."""
        return self._launch.sandboxed

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        session = await self._opened()
        seconds = min(tool.timeout_seconds, self._timeout_seconds)
        return await session.call(tool.local_name, arguments, key=idempotency_key, seconds=seconds)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        session = await self._opened()
        return [
            {"name": tool.name, "description": tool.description or "", "inputSchema": tool.input_schema}
            for tool in await session.tools(self._timeout_seconds)
        ]

    async def close(self) -> None:
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await asyncio.gather(*(session.close() for session in self._sessions))

    async def _opened(self) -> "Session":
        """The session that takes the next call; concurrent callers wait for the same start."""
        if self._closed:
            raise ToolUnavailable("The source is closed.", rule="not_sent")
        if self._session is not None and self._session.usable:
            return self._session
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        try:
            return await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            if self._closed:
                raise ToolUnavailable("The source was closed while it started.", rule="not_sent") from None
            raise

    async def _start(self) -> "Session":
        await asyncio.to_thread(self._check_walls)
        try:
            server = await ServerProcess.start(self._launch)
        except OSError as error:
            raise ToolUnavailable(f"The server cannot be started: {error.strerror}.", rule="not_sent") from error
        try:
            # The server starts while its client is being imported.
            session = (await asyncio.to_thread(_session_class))(server)
        except BaseException:
            await server.stop()
            raise
        self._sessions = {known for known in self._sessions if not known.ended} | {session}
        await session.opened(self._start_seconds)
        self._session = session
        return session

    def _check_walls(self) -> None:
        if not self._launch.allowed:
            raise ToolUnavailable(
                "bubblewrap is missing or may not work here, and the server is not Remit's own.",
                hint="Install bubblewrap, or set REMIT_ALLOW_UNSANDBOXED=1.",
                rule="sandbox_required",
            )
        if not self.sandboxed and not self._warned:
            self._warned = True
            # Whoever runs it is told once a process; `remit doctor` says it again for each source.
            if "told" not in _TOLD:
                _TOLD.add("told")
                _log.warning(
                    "Remit's own tool servers run without a sandbox here: bubblewrap is missing or may not work."
                )


#: What was said once in this process.
_TOLD: set[str] = set()


def _session_class() -> "type[Session]":
    from remit.adapters.mcp.session import Session  # noqa: PLC0415 - imports the mcp client: 0.4 s at best

    return Session
