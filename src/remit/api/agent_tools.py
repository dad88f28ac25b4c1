"""`POST /agent/v1/tools/SOURCE__TOOL`: a call through the door for agents that speak plain HTTP.

Remit's own tools (working state, memory) are called like any other; MCP clients find the same at `/mcp`.
"""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from remit.api.context import finite
from remit.api.depth import is_too_deep
from remit.api.entering import Entrance
from remit.errors import InvalidInput

TOOLS_PATH = "/agent/v1/tools/"
_NAME_MAX = 200
_KEY_HEADER = "idempotency-key"


async def call_tool(request: Request, body: bytes, entrance: Entrance) -> Response:
    """Make the call for whoever sent it, and answer with its content; a refusal is a problem.

    Raises:
        InvalidInput: the body is no JSON object.
        RemitError: as `Session.call`.
    """
    arrived = await entrance.enter(request, body)
    tool = request.url.path.removeprefix(TOOLS_PATH)[:_NAME_MAX]
    key = request.headers.get(_KEY_HEADER, "")[:_NAME_MAX]
    answer = await arrived.session.call(tool, _arguments(body), bounds=arrived.bounds, idempotency_key=key)
    return JSONResponse({"content": answer.content}, headers={"cache-control": "no-store"})


def _arguments(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body or b"{}")
    except ValueError as error:
        raise InvalidInput("The body is no JSON.") from error
    if not isinstance(given, dict) or is_too_deep(given) or not finite(given):
        raise InvalidInput("The body is a JSON object: the tool's arguments.")
    return given
