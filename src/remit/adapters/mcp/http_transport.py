"""A tool server over streamable HTTP: one pooled client for the source, and no more of the protocol than calls need."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from remit.adapters.egress import EgressClient, EgressTransport
from remit.adapters.mcp.answers import result
from remit.adapters.mcp.governed import capabilities_of, definitions_of, is_request
from remit.adapters.mcp.http_session import HttpSession
from remit.adapters.mcp.offered import Offered
from remit.adapters.mcp.rounds import answered
from remit.errors import AnswerTooLong, ToolUnreachable
from remit.gateway.transport import Line, ToolResult
from remit.tools import Tool

IDEMPOTENCY_KEY = "remit/idempotency-key"
_PAGES_MAX = 1000
_OWNERS_MAX = 64


class McpHttpTransport:
    """Carries calls to a server at an address."""

    def __init__(self, url: str, egress: EgressTransport, *, timeout_seconds: float = 60.0) -> None:
        """Describe the server; nothing is connected yet.

        Args:
            url: its address.
            egress: the source's way out, with its credential.
            timeout_seconds: how long a call may take where its tool does not say less.
        """
        self._client = EgressClient(egress)
        self._url = url
        self._shared = HttpSession(self._client, url)
        #: Sessions that are one owner's alone, by owner, the longest unused first.
        self._private: dict[str, HttpSession] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._timeout_seconds = timeout_seconds
        #: What the server offers in each session.
        self._offered: WeakKeyDictionary[HttpSession, Offered] = WeakKeyDictionary()
        #: Where a tool's arguments go besides the body, by its pin.
        self._mirrors: dict[str, Mapping[tuple[str, ...], str]] = {}

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        return await self._call(self._shared, tool, arguments, idempotency_key, None)

    async def call_on(
        self, line: Line, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> ToolResult:
        return await self._call(self._session(line), tool, arguments, idempotency_key, line)

    async def request(self, line: Line, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        session = self._session(line)

        async def send(given: Mapping[str, Any]) -> Mapping[str, Any]:
            return await session.request(method, given, seconds=self._timeout_seconds, line=line, may_leave=True)

        return await answered(send, params, line, seconds=self._timeout_seconds)

    async def offers(self) -> Mapping[str, Any]:
        return await self._shared.offers(seconds=self._timeout_seconds)

    async def hang_up(self, owner: str) -> None:
        names = [name for name in self._private if name == owner or (owner.endswith("|") and name.startswith(owner))]
        await asyncio.gather(*(self._private.pop(name).close() for name in names))

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return await self._definitions(self._shared)

    async def offered(self, line: Line | None = None) -> Sequence[Mapping[str, Any]]:
        session = self._shared if line is None else self._session(line)
        await session.offers(seconds=self._timeout_seconds)
        kept = self._offered.get(session)
        if kept is None:
            kept = self._offered[session] = Offered(lambda: self._definitions(session))
        return await kept.current(lambda: (session.agreed, session.changes))

    async def close(self) -> None:
        sessions, self._private = [self._shared, *self._private.values()], {}
        await asyncio.gather(*(session.close() for session in sessions), *self._ending)
        await self._client.close()

    async def _call(
        self, session: HttpSession, tool: Tool, arguments: Mapping[str, Any], key: str, line: Line | None
    ) -> ToolResult:
        governed = is_request(tool)
        method = tool.local_name if governed else "tools/call"
        params = dict(arguments)
        if not governed:
            params = {"name": tool.local_name, "arguments": params, "_meta": {IDEMPOTENCY_KEY: key}}
        headers = {} if governed else self._mirrored(tool, arguments)
        seconds, may_leave = min(tool.timeout_seconds, self._timeout_seconds), governed or not tool.sink

        async def send(given: Mapping[str, Any]) -> Mapping[str, Any]:
            return await session.request(
                method, given, seconds=seconds, line=line, may_leave=may_leave, headers=headers
            )

        try:
            return result(await answered(send, params, line, seconds=seconds), method)
        except AnswerTooLong as long:
            # The call was carried out and answered; only nobody can take the answer.
            return ToolResult(content=None, error=long.detail)

    async def _definitions(self, session: HttpSession) -> Sequence[Mapping[str, Any]]:
        capabilities = capabilities_of(await session.offers(seconds=self._timeout_seconds))
        tools = await self._tools(session) if capabilities.get("tools") is not None else ()
        return definitions_of(tools, capabilities)

    async def _tools(self, session: HttpSession) -> list[Any]:
        """Every tool on every page, as the server defines it."""
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            params = {} if cursor is None else {"cursor": cursor}
            outcome = await session.request("tools/list", params, seconds=self._timeout_seconds)
            page = outcome.get("result")
            if not isinstance(page, dict) or not isinstance(page.get("tools"), list):
                said = outcome.get("error") or {}
                raise ToolUnreachable(f"The server does not list its tools: {said.get('message', 'no list came')}")
            found += page["tools"]
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str):
                return found
        raise ToolUnreachable(f"The server's list of tools has more than {_PAGES_MAX} pages.")

    def _session(self, line: Line) -> HttpSession:
        """The owner's own session; beyond the most that are kept, the longest unused one is ended."""
        if not line.owner:
            return self._shared
        session = self._private.pop(line.owner, None) or HttpSession(self._client, self._url, line)
        self._private[line.owner] = session
        if len(self._private) > _OWNERS_MAX:
            ending = asyncio.ensure_future(self._private.pop(next(iter(self._private))).close())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        return session

    def _mirrored(self, tool: Tool, arguments: Mapping[str, Any]) -> Mapping[str, str]:
        """Arguments that the tool's schema asks to see in headers too (`x-mcp-header`, revision 2026-07-28)."""
        mirrors = self._mirrors.get(tool.pin)
        if mirrors is None:
            mirrors = self._mirrors[tool.pin] = _mirrors(tool.input_schema)
        if not mirrors:
            return {}
        from mcp.shared.inbound import mcp_param_headers  # noqa: PLC0415 - 0.4 s, and few servers ask for it

        return mcp_param_headers(mirrors, arguments)


def _mirrors(schema: Mapping[str, Any]) -> Mapping[tuple[str, ...], str]:
    if b'"x-mcp-header"' not in orjson.dumps(schema):
        return {}
    from mcp.shared.inbound import x_mcp_header_map  # noqa: PLC0415 - 0.4 s, and few servers ask for it

    return x_mcp_header_map(schema)
