"""The endpoint itself: `/a2a/AGENT` for messages, and the agent's card at its well-known place below."""

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from remit.api.entering import Entrance
from remit.api.passing_on import bounded
from remit.api.problems import problem
from remit.control_plane import ControlPlane
from remit.errors import NotFound, RemitError

if TYPE_CHECKING:
    from remit.api.a2a.tasks import Tasks

PREFIX = "/a2a"
_CARD = ".well-known/agent-card.json"
_BODY_BYTES_MAX = 4 << 20


class A2aEndpoint:
    """An ASGI application for `/a2a/AGENT`. Cards are for everybody who reaches the server; messages need a token."""

    def __init__(self, plane: ControlPlane, entrance: Entrance) -> None:
        self._plane = plane
        self._entrance = entrance
        self._tasks: Tasks | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answered(request)
        except RemitError as no:
            answer = problem(no)
            if no.status == 401:
                answer.headers["www-authenticate"] = "Bearer"
        await answer(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        agent, _, rest = request.url.path.removeprefix(PREFIX).strip("/").partition("/")
        if request.method == "GET" and rest == _CARD:
            return await self._card(request, agent)
        if request.method != "POST" or rest:
            raise NotFound(f"Messages go to POST {PREFIX}/AGENT; its card stands at {PREFIX}/AGENT/{_CARD}.")
        body = await bounded(request, _BODY_BYTES_MAX)
        arrived = await self._entrance.enter(request, body)
        self._plane.skills.offered(agent)
        tasks = await self._library()
        return await tasks.respond(_read_already(request, body), arrived, agent)

    async def _card(self, request: Request, agent: str) -> Response:
        version = self._plane.skills.offered(agent)
        await self._library()
        from remit.api.a2a.card import card_of  # noqa: PLC0415 - imports the library: half a second

        url = f"{request.url.scheme}://{request.headers.get('host', '')}{PREFIX}/{agent}"
        return JSONResponse(card_of(version, url), headers={"cache-control": "no-cache"})

    async def _library(self) -> "Tasks":
        if self._tasks is None:
            self._tasks = await asyncio.to_thread(self._made)
        return self._tasks

    def _made(self) -> "Tasks":
        from remit.api.a2a.tasks import Tasks  # noqa: PLC0415 - imports the library: half a second

        return Tasks(self._plane.skills)


def _read_already(request: Request, body: bytes) -> Request:
    """The request once more, for a reader that asks for its body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
