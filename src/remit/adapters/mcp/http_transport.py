"""A tool server over streamable HTTP: one pooled client for the source, and no more of the protocol than calls need."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from remit.adapters.egress import EgressClient, EgressTransport
from remit.adapters.mcp.answers import read_result
from remit.adapters.mcp.http_session import HttpSession
from remit.adapters.mcp.messages import Answered
from remit.adapters.mcp.offered import Offered
from remit.errors import AnswerTooLong, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import Line, ToolResult
from remit.tools import Tool

IDEMPOTENCY_KEY = "remit/idempotency-key"
_PAGES_MAX = 1000


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
        self._session = HttpSession(self._client, url)
        self._timeout_seconds = timeout_seconds
        self._offered = Offered(self.definitions)
        #: Where a tool's arguments go besides the body, by its pin.
        self._mirrors: dict[str, Mapping[tuple[str, ...], str]] = {}

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        name = tool.local_name
        params = {"name": name, "arguments": dict(arguments), "_meta": {IDEMPOTENCY_KEY: idempotency_key}}
        try:
            raw = await self._session.request(
                "tools/call",
                params,
                seconds=min(tool.timeout_seconds, self._timeout_seconds),
                name=name,
                headers=self._mirrored(tool, arguments),
            )
        except Answered as error:
            return ToolResult(content=None, error=error.message)
        except AnswerTooLong as long:
            # The call was carried out and answered; only nobody can take the answer.
            return ToolResult(content=None, error=long.detail)
        return read_result(raw)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            page = await self._page({} if cursor is None else {"cursor": cursor})
            tools = page.get("tools")
            if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
                raise ToolUnreachable("The server's list of tools is not in the protocol's form.")
            found += tools
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str):
                return found
        raise ToolUnreachable(f"The server's list of tools has more than {_PAGES_MAX} pages.")

    async def offered(self, line: Line | None = None) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002 -- one session for all
        return await self._offered.current(lambda: (self._session.agreed, self._session.changes))

    async def close(self) -> None:
        try:
            await self._session.close()
        finally:
            await self._client.close()

    async def _page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._session.request("tools/list", params, seconds=self._timeout_seconds)
        except Answered as error:
            raise ToolUnavailable(f"The server does not list its tools: {error.message}") from None

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
