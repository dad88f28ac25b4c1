"""The tests' real server, over HTTP: in both eras of the protocol, and with a door of its own."""

import asyncio
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from starlette.requests import Request
from starlette.responses import JSONResponse

TOKEN = "marker-0c9a-token"


def an_app(*, legacy: bool = False, token: str = "", **options: Any) -> Any:
    """A fresh server.

    Args:
        legacy: it knows the revisions that begin with a handshake only.
        token: what it wants to see as a bearer token; it echoes what it got when it says no.
        options: of the protocol's own server: `json_response`, `stateless_http`.
    """
    seen: list[dict[str, Any]] = []
    app = _tools(seen).streamable_http_app(**options)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            seen.append({"method": request.method, **dict(request.headers)})
            if (no := _refused(request, legacy=legacy, token=token)) is not None:
                await no(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


def _refused(request: Request, *, legacy: bool, token: str) -> JSONResponse | None:
    given = request.headers.get("authorization", "")
    if token and given != f"Bearer {token}":
        return JSONResponse({"error": f"bad {given}"}, 401, {"www-authenticate": "Bearer"})
    if legacy and request.headers.get("mcp-protocol-version") == "2026-07-28":
        error = {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)
    return None


def _tools(seen: list[dict[str, Any]]) -> MCPServer:
    server = MCPServer("test", version="1.2.3")

    @server.tool()
    async def echo(text: str) -> dict[str, Any]:
        """Say it again."""
        return {"text": text}

    @server.tool(structured_output=False)
    async def plain(text: str) -> str:
        return text

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def refuse() -> dict[str, Any]:
        """Say no on purpose."""
        raise ToolError("not today")

    @server.tool()
    async def sleep(seconds: float, ctx: Context) -> dict[str, Any]:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            seen.append({"cancelled": ctx.request_id})
            raise
        return {"slept": seconds}

    @server.tool()
    async def report(ctx: Context) -> dict[str, Any]:
        """Says something on the way, and asks for something that nobody offers."""
        await ctx.report_progress(1, 2)
        return {"reported": True}

    @server.tool()
    async def meta(ctx: Context) -> dict[str, Any]:
        return {"meta": dict(ctx.request_context.meta or {})}

    @server.tool()
    async def big(size: int) -> dict[str, Any]:
        return {"text": "x" * size}

    @server.tool()
    async def told() -> dict[str, Any]:
        """What was cancelled, and the requests so far."""
        return {"seen": seen}

    return server
