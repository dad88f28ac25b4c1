"""One POST: answered as JSON, or as a stream once there is anything to tell before the answer."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import Receive, Send

from remit.api.mcp.lines import CallLine
from remit.api.mcp.wire import JSON, STREAM, frame

#: A stream or a call that is silent for so long gets a comment, so that nobody between takes it for dead.
_PING_SECONDS = 15.0
#: A caller is watched for hanging up only once its call takes this long.
_WATCH_SECONDS = 0.2
_STREAM_HEADERS = [
    (b"content-type", STREAM),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class Exchange:
    """The response to one request. Costs no task of its own while nothing is told before the answer."""

    def __init__(self, send: Send, receive: Receive, *, streams: bool, hang_up_is_cancel: bool) -> None:
        self._send = send
        self._receive = receive
        self._streams = streams
        self._watches = hang_up_is_cancel
        self._line: CallLine | None = None
        self._waiting: list[bytes] = []
        self._flushing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._started = False

    def begin(self, line: CallLine) -> None:
        """Watch over the request whose line this is."""
        self._line = line
        loop = asyncio.get_running_loop()
        if self._watches:
            self._timers.append(loop.call_later(_WATCH_SECONDS, self._watch))
        if self._streams:
            self._timers.append(loop.call_later(_PING_SECONDS, self._ping))

    def emit(self, message: Mapping[str, Any]) -> None:
        """Tell something before the answer; dropped where the caller takes no stream."""
        if self._streams:
            self._put(frame(message))

    async def finish(self, message: Mapping[str, Any], *, status: int = 200, headers: Any = ()) -> None:
        """Send the answer and end."""
        self._end()
        if self._flushing is not None:
            await self._flushing
        if not self._started:
            await respond(self._send, status, orjson.dumps(message), headers=headers)
            return
        await self._send({"type": "http.response.body", "body": frame(message), "more_body": False})

    def _end(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _put(self, data: bytes) -> None:
        self._waiting.append(data)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        if not self._started:
            self._started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        while self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def _ping(self) -> None:
        self._put(b": still here\n\n")
        self._timers = [asyncio.get_running_loop().call_later(_PING_SECONDS, self._ping)]

    def _watch(self) -> None:
        self._watching = asyncio.create_task(self._until_hung_up())

    async def _until_hung_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._line is not None:
            self._line.leave()


async def respond(send: Send, status: int, body: bytes = b"", *, headers: Any = ()) -> None:
    """A whole response at once."""
    told = [(b"content-length", str(len(body)).encode()), *headers]
    if body:
        told.append((b"content-type", JSON))
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})
