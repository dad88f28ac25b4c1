"""`POST /agent/v1/tokens`: an agent that came with its token asks for a narrower one, for an agent that helps it."""

from collections.abc import Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from remit.api.agents import agent_of
from remit.api.problems import problem
from remit.api.tokens import PartBody
from remit.control_plane import ControlPlane
from remit.errors import InvalidInput, NotFound, RemitError

PREFIX = "/agent"
PATH = f"{PREFIX}/v1/tokens"
_BODY_BYTES_MAX = 64 << 10


class PassingOn:
    """An ASGI application for the paths below `/agent`; people come to `/api/v1/tokens` instead."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer: Response = await self._narrowed(request)
        except RemitError as no:
            answer = problem(no)
            if no.status == 401:
                answer.headers["www-authenticate"] = "Bearer"
        await answer(scope, receive, send)

    async def _narrowed(self, request: Request) -> Response:
        if (request.method, request.url.path) != ("POST", PATH):
            raise NotFound(f"Agents ask for narrower tokens with POST {PATH}, and for nothing else below {PREFIX}.")
        body = await bounded(request, _BODY_BYTES_MAX)
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
