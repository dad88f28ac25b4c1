"""`POST /hooks/NAME`: signed requests of others. The signature is the proof: no token, no name of this machine."""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from remit.api.problems import problem
from remit.control_plane import ControlPlane
from remit.errors import EventNotAuthentic, EventTooLarge, Overloaded, RemitError
from remit.ids import MissionId
from remit.triggers import Fate

PREFIX = "/hooks"
#: How many requests are read and taken at once; more are told to come again.
_AT_ONCE_MAX = 64
#: How long the sender may take to send its body.
_BODY_SECONDS = 10.0


class Hooks:
    """An ASGI application for the paths below `/hooks`."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except RemitError as no:
            answer = problem(no)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self._under_way >= _AT_ONCE_MAX:
            raise Overloaded("Too many events come at once.", retry_after_seconds=1.0)
        self._under_way += 1
        try:
            return await self._taken(request)
        finally:
            self._under_way -= 1

    async def _taken(self, request: Request) -> Response:
        path = request.url.path.removeprefix(f"{PREFIX}/")
        if request.method != "POST":
            raise EventNotAuthentic
        triggers = self._plane.triggers
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _read(request, triggers.bytes_max(path))
        except TimeoutError:
            raise EventTooLarge(f"Its body was not there within {_BODY_SECONDS:g} seconds.", rule="timeout") from None
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = await triggers.hook(path, headers, body)
        if told.error is not None:
            raise told.error
        for mission in told.missions:
            self._plane.core.driver.nudge(MissionId(mission))
        status = 202 if told.fate is Fate.TAKEN else 200
        return JSONResponse({"fate": told.fate.value}, status_code=status)


async def _read(request: Request, bytes_max: int) -> bytes:
    """The whole body.

    Raises:
        EventTooLarge: it has more bytes.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > bytes_max:
            raise EventTooLarge(f"It has more than {bytes_max} bytes.")
        parts.append(part)
    return b"".join(parts)
