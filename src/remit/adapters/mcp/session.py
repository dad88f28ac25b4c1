"""One session with one server process, held by one task from its first message to its last.

The client's cancel scopes must be entered and left by the same task, so the keeper task does both, and a call runs in
a task of its own that its caller merely awaits: a caller who is cancelled takes back the call and nothing else.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, TypeVar, cast

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client, ClientSession, MCPError
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter, ValidationError

from remit.adapters.mcp.answers import result
from remit.adapters.mcp.server import ServerProcess
from remit.errors import ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult

_log = logging.getLogger(__name__)

IDEMPOTENCY_KEY = "remit/idempotency-key"
_ANSWER = TypeAdapter[types.CallToolResult | types.InputRequiredResult](
    types.CallToolResult | types.InputRequiredResult
)
_UNANSWERED = frozenset({types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT})
#: A line beyond this is no answer but a fault; the server is ended.
_LINE_BYTES_MAX = 64 << 20
_CHUNK_BYTES = 1 << 16
_PAGES_MAX = 1000

T = TypeVar("T")
_Incoming = MemoryObjectSendStream[SessionMessage | Exception]
_Outgoing = MemoryObjectReceiveStream[SessionMessage]


class Session:
    """The calls in flight with one server. It answers for the process: when it is over, the process is gone."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._over = asyncio.Event()
        self._calls: set[asyncio.Task[Any]] = set()
        self._retiring = False
        self._heard = 0
        self._ready: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep())

    @property
    def usable(self) -> bool:
        """Whether a further call may be given to it."""
        return not (self._retiring or self._over.is_set() or self._keeper.done() or self._server.ended)

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._keeper.done()

    async def opened(self, seconds: float) -> None:
        """Return when the server has agreed on a protocol.

        Raises:
            ToolUnreachable: it ended, spoke nonsense, or took longer than `seconds`; nothing was called.
        """
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._ready)
        except TimeoutError:
            raise ToolUnavailable(f"The server did not answer in {seconds:g} seconds.", rule="not_sent") from None
        finally:
            if not self._ready.done():
                await self.close()

    async def call(self, name: str, arguments: Mapping[str, Any], *, key: str, seconds: float) -> ToolResult:
        meta = cast("types.RequestParamsMeta", {IDEMPOTENCY_KEY: key})
        params = types.CallToolRequestParams(name=name, arguments=dict(arguments), _meta=meta)
        request = types.CallToolRequest(params=params)
        try:
            # Not `ClientSession.call_tool`: it checks what the door checks, and lists the tools for it.
            return result(await self._handed(lambda session: session.send_request(request, _ANSWER), seconds))
        except MCPError as error:
            if error.code in _UNANSWERED:
                raise ToolUnreachable("The server ended during the call.") from None
            return ToolResult(content=None, error=error.message)

    async def tools(self, seconds: float) -> Sequence[types.Tool]:
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            page = await self._page(cursor, seconds)
            found += page.tools
            if (cursor := page.next_cursor) is None:
                return found
        raise ToolUnreachable(f"The server's list of tools has more than {_PAGES_MAX} pages.")

    async def close(self) -> None:
        """End the server; calls in flight end as unreachable."""
        self._over.set()
        if not self._ready.done():
            self._keeper.cancel()  # it waits for a server that may never answer
        await asyncio.wait([self._keeper])

    def retire(self) -> None:
        """Take no further call, and end once those in flight are answered."""
        self._retiring = True
        self._end_when_idle()

    async def _page(self, cursor: str | None, seconds: float) -> types.ListToolsResult:
        params = types.PaginatedRequestParams(cursor=cursor)
        try:
            return await self._handed(lambda session: session.list_tools(params=params), seconds)
        except MCPError as error:
            raise ToolUnreachable(f"The server does not list its tools: {error.message}") from None

    async def _handed(self, send: Callable[[ClientSession], Awaitable[T]], seconds: float) -> T:
        """Run one request beside the caller, so that the caller's end is not the session's."""
        session = await asyncio.shield(self._ready)
        heard = self._heard
        call = asyncio.create_task(_sent(send, session))
        self._calls.add(call)
        call.add_done_callback(self._finished)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(call)
        except TimeoutError:
            if self._heard == heard:
                self.retire()  # it said nothing to anyone in all this time: the next call gets a new server
            raise ToolUnreachable(f"The server did not answer in {seconds:g} seconds.") from None
        except ValidationError:
            raise ToolUnreachable("The server's answer is not in the protocol's form.") from None
        finally:
            call.cancel()

    def _finished(self, call: asyncio.Task[Any]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # seen: whoever still waits has it, and nobody need be told that nobody waits
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._retiring and not self._calls:
            self._over.set()

    async def _keep(self) -> None:
        """Open the session, hold it until it is over, and end the server whatever happens."""
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(_client(self._wire()))
                self._ready.set_result(client.session)
                await self._over.wait()
        except Exception as error:  # noqa: BLE001 - the task's edge: what ends the session is told to those who wait for it
            self._fail(error)
        finally:
            self._over.set()
            await self._server.stop()
            if not self._ready.done():
                self._fail(None)

    def _fail(self, error: Exception | None) -> None:
        if self._ready.done():
            _log.warning("The session with server process %d ended: %s", self._server.pid, type(error).__name__)
            return
        why = self._server.last_words or "it ended before it answered"
        self._ready.set_exception(ToolUnavailable(f"The server did not start: {why}.", rule="not_sent"))
        self._ready.exception()  # seen, for the case that every caller has left

    @asynccontextmanager
    async def _wire(self) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Any], MemoryObjectSendStream[Any]]]:
        arrived, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, leaving = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as pumps:
            pumps.start_soon(self._read, arrived)
            pumps.start_soon(self._write, leaving)
            try:
                yield incoming, outgoing
            finally:
                pumps.cancel_scope.cancel()
                for stream in (arrived, incoming, outgoing, leaving):
                    stream.close()

    async def _read(self, arrived: _Incoming) -> None:
        """Hand on the server's lines; at their end, the session is over."""
        rest = bytearray()
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
            while (chunk := await self._server.output.read(_CHUNK_BYTES)) and len(rest) < _LINE_BYTES_MAX:
                self._heard += 1
                rest += chunk
                if b"\n" in chunk:
                    *lines, rest = rest.split(b"\n")
                    for line in lines:
                        await _deliver(line, arrived)
        arrived.close()
        self._over.set()

    async def _write(self, leaving: _Outgoing) -> None:
        with suppress(ConnectionError):
            async for item in leaving:
                self._server.input.write(
                    item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
                )
                await self._server.input.drain()
        self._over.set()


def _client(wire: Transport) -> Client:
    identity = types.Implementation(name="remit", version=version("remit"))
    return Client(wire, mode="auto", cache=None, client_info=identity)


async def _sent(send: Callable[[ClientSession], Awaitable[T]], session: ClientSession) -> T:
    return await send(session)


async def _deliver(line: bytes | bytearray, arrived: _Incoming) -> None:
    if not line.strip():
        return
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        _log.warning("A server wrote a line that is no JSON-RPC message (%d bytes); it is skipped.", len(line))
        return
    await arrived.send(SessionMessage(message))
