"""Server-sent events (WHATWG HTML, section 9.2), each with its place: a client that drops goes on from there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from remit.control_plane.live import Told
from remit.errors import InvalidInput, RemitError

MEDIA_TYPE = "text/event-stream"
#: How routes tell of it in the OpenAPI description.
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}
#: A client that does not take what is sent to it for so long is left; it may come again.
SEND_SECONDS = 30.0
#: After how many milliseconds a client that was cut off should come again.
_RETRY_MS = 1000


def wants_stream(request: Request) -> bool:
    """True where the client asks for a stream instead of one answer."""
    return MEDIA_TYPE in request.headers.get("accept", "")


def place_of(request: Request) -> int | None:
    """Where the client was cut off; None where it begins.

    Raises:
        InvalidInput: it names no place.
    """
    given = request.headers.get("last-event-id")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise InvalidInput("Last-Event-ID is not the id of an event.")
    return int(given)


class EventStream(Response):
    """What is told, as long as the client takes it."""

    media_type = MEDIA_TYPE

    def __init__(self, first: Told, rest: AsyncIterator[Told]) -> None:
        super().__init__()
        self._first = first
        self._rest = rest

    @classmethod
    async def of(cls, told: AsyncIterator[Told]) -> "EventStream":
        """The stream of what is told, once there is something; errors before that are raised as such."""
        return cls(await anext(told), told)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- the form of ASGI
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._rest.aclose()  # type: ignore[attr-defined]  # it is a generator, which can be closed

    async def _send(self, send: Send) -> None:
        async def out(data: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": data, "more_body": more})

        await out(f"retry: {_RETRY_MS}\n\n".encode() + written(self._first))
        try:
            async for told in self._rest:
                await out(written(told))
        except RemitError as error:
            await out(written(Told("end", value={"reason": error.code})))
        await out(b"", more=False)


def written(told: Told) -> bytes:
    """The lines of one event; what has no place leaves the client's place as it was."""
    if told.kind == "alive":
        return b": alive\n\n"
    place = f"id: {told.place}\n" if told.kind == "event" else ""
    return f"{place}event: {told.kind}\ndata: ".encode() + orjson.dumps(dict(told.value)) + b"\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
