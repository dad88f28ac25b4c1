"""What agents ask below `/agent` with their own token: a narrower token for a helper, or one call of a tool."""

from collections.abc import Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from remit.api.agent_tools import TOOLS_PATH, call_tool
from remit.api.agents import agent_of
from remit.api.entering import Entrance
from remit.api.problems import problem
from remit.api.tokens import PartBody
from remit.control_plane import ControlPlane
from remit.errors import InvalidInput, NotFound, RemitError

PREFIX = "/agent"
PATH = f"{PREFIX}/v1/tokens"
_BODY_BYTES_MAX = 64 << 10
_CALL_BYTES_MAX = 4 << 20


class PassingOn:
    """An ASGI application for the paths below `/agent`; people come to `/api/v1/tokens` instead."""

    def __init__(self, plane: ControlPlane, entrance: Entrance) -> None:
        self._plane = plane
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer: Response = await self._answered(request)
        except RemitError as no:
            answer = problem(no)
            if no.status == 401:
                answer.headers["www-authenticate"] = "Bearer"
        await answer(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        path = request.url.path
        if request.method == "POST" and path.startswith(TOOLS_PATH) and len(path) > len(TOOLS_PATH):
            return await call_tool(request, await bounded(request, _CALL_BYTES_MAX), self._entrance)
        if (request.method, path) != ("POST", PATH):
            raise NotFound(
                f"Agents ask for narrower tokens with POST {PATH}, for a tool with POST {TOOLS_PATH}SOURCE__TOOL, and "
                f"for nothing else below {PREFIX}."
            )
        return await self._narrowed(request, await bounded(request, _BODY_BYTES_MAX))

    async def _narrowed(self, request: Request, body: bytes) -> Response:
        parent = await agent_of(request, body, self._plane.core.authenticator)
        asked = _read(PartBody.model_validate_json, body)
        told = await self._plane.tokens.delegate(parent, asked.agent, asked.wish())
        return JSONResponse(told, status_code=201, headers={"cache-control": "no-store"})


async def bounded(request: Request, bytes_max: int) -> bytes:
    """The whole body.

    Raises:
        InvalidInput: it has more bytes.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > bytes_max:
            raise InvalidInput(f"The request has more than {bytes_max} bytes.")
        parts.append(part)
    return b"".join(parts)


def _read(read: Callable[[bytes], PartBody], body: bytes) -> PartBody:
    try:
        return read(body)
    except ValidationError as error:
        # Names and messages only: the values that were sent may be secret.
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors()]
        raise InvalidInput("; ".join(faults) + ".") from None
