"""One source's server, started when first needed and again when it has died."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from remit.adapters.mcp.answers import result
from remit.adapters.mcp.governed import capabilities_of, definitions_of, is_request
from remit.adapters.mcp.offered import Offered
from remit.adapters.mcp.server import Launch, ServerProcess
from remit.adapters.mcp.session import Session
from remit.adapters.sandbox import Limits
from remit.errors import InvalidSetting, ToolUnavailable
from remit.gateway.transport import Line, ToolResult
from remit.tools import Tool

_log = logging.getLogger(__name__)

_START_SECONDS = 30.0
_OWNERS_MAX = 64
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
        credential: tuple[str, Callable[[], Awaitable[str]]] | None = None,
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
            credential: a variable that it gets, and what gives its value: asked at each call, so that a server which
                has an older one is replaced.
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
        self._credential = credential
        #: With which variables each session's server was started.
        self._given: WeakKeyDictionary[Session, Mapping[str, str]] = WeakKeyDictionary()
        self._session: Session | None = None
        #: Sessions that are one owner's alone, by owner, the longest unused first.
        self._private: dict[str, Session] = {}
        self._dialling = asyncio.Lock()
        #: With those that were replaced and still end.
        self._sessions: set[Session] = set()
        self._starting: asyncio.Task[Session] | None = None
        #: What each session's server offers; every process may be another one.
        self._offered: WeakKeyDictionary[Session, Offered] = WeakKeyDictionary()
        self._warned = False
        self._closed = False

    @property
    def sandboxed(self) -> bool:
        """Whether the server runs behind bubblewrap on this machine."""
        return self._launch.sandboxed

    async def _variables(self) -> Mapping[str, str]:
        """The credential as it stands now.

        Raises:
            CredentialMissing: it cannot be read; nothing was called.
        """
        if self._credential is None:
            return {}
        name, read = self._credential
        return {name: await read()}

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        return await self._call(await self._opened(), tool, arguments, idempotency_key, None)

    async def call_on(
        self, line: Line, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> ToolResult:
        session = await (self._dialled(line) if line.owner else self._opened())
        return await self._call(session, tool, arguments, idempotency_key, line)

    async def request(self, line: Line, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        session = await (self._dialled(line) if line.owner else self._opened())
        return await session.ask(method, params, seconds=self._timeout_seconds, line=line)

    async def offers(self) -> Mapping[str, Any]:
        return (await self._opened()).offers

    async def hang_up(self, owner: str) -> None:
        for name in [
            name for name in self._private if name == owner or (owner.endswith("|") and name.startswith(owner))
        ]:
            await self._private.pop(name).close()

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return await self._definitions(await self._opened())

    async def _definitions(self, session: Session) -> Sequence[Mapping[str, Any]]:
        capabilities = capabilities_of(session.offers)
        offered = await session.tools(self._timeout_seconds) if capabilities.get("tools") is not None else ()
        return definitions_of(offered, capabilities)

    async def offered(self, line: Line | None = None) -> Sequence[Mapping[str, Any]]:
        session = await (self._dialled(line) if line is not None and line.owner else self._opened())
        kept = self._offered.get(session)
        if kept is None:
            kept = self._offered[session] = Offered(lambda: self._definitions(session))
        return await kept.current(lambda: session.changes)

    async def close(self) -> None:
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await asyncio.gather(*(session.close() for session in self._sessions))

    async def _call(
        self, session: Session, tool: Tool, arguments: Mapping[str, Any], key: str, line: Line | None
    ) -> ToolResult:
        seconds = min(tool.timeout_seconds, self._timeout_seconds)
        name = tool.local_name
        if is_request(tool):
            return result(await session.ask(name, arguments, seconds=seconds, line=line), name)
        return await session.call(name, arguments, key=key, seconds=seconds, line=line, may_leave=not tool.sink)

    async def _dialled(self, line: Line) -> Session:
        """The owner's own session; beyond the most that are kept, the longest unused one is ended."""
        async with self._dialling:
            given = await self._variables()
            session = self._private.pop(line.owner, None)
            if session is None or not self._fits(session, given):
                session = await self._start(line, given)
            self._private[line.owner] = session
            if len(self._private) > _OWNERS_MAX:
                self._private.pop(next(iter(self._private))).retire()
            return session

    async def _opened(self) -> Session:
        """The session that takes the next call; concurrent callers wait for the same start."""
        while True:
            if self._closed:
                raise ToolUnavailable("The source is closed.", rule="not_sent")
            # Read anew each time round: of two callers neither goes back to an older credential.
            given = await self._variables()
            if self._session is not None and self._fits(self._session, given):
                return self._session
            if self._starting is None or self._starting.done():
                self._starting = asyncio.create_task(self._start_shared(given))
            try:
                session = await asyncio.shield(self._starting)
            except asyncio.CancelledError:
                if self._closed:
                    raise ToolUnavailable("The source was closed while it started.", rule="not_sent") from None
                raise
            if self._given[session] == given:
                return session

    def _fits(self, session: Session, given: Mapping[str, str]) -> bool:
        """Whether the session may take a further call; one with an older credential ends after those that it has."""
        if session.usable and self._given[session] != given:
            session.retire()
        return session.usable

    async def _start_shared(self, given: Mapping[str, str]) -> Session:
        self._session = await self._start(None, given)
        return self._session

    async def _start(self, line: Line | None, given: Mapping[str, str]) -> Session:
        await asyncio.to_thread(self._check_walls)
        try:
            server = await ServerProcess.start(self._launch, given)
        except OSError as error:
            raise ToolUnavailable(f"The server cannot be started: {error.strerror}.", rule="not_sent") from error
        session = Session(server, line)
        self._given[session] = given
        self._sessions = {known for known in self._sessions if not known.ended} | {session}
        await session.opened(self._start_seconds)
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
