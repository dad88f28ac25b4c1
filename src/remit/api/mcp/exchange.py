"""One POST: answered as JSON, or as a stream once there is anything to tell before the answer."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.types import Receive, Send

from remit.api.mcp.lines import CallLine
from remit.api.mcp.replay import Replay
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

    def __init__(
        self,
        send: Send,
        receive: Receive,
        *,
        streams: bool,
        hang_up_is_cancel: bool,
        keep: Callable[[], Replay] | None = None,
        primes: bool = False,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            send: to the caller.
            receive: from the caller.
            streams: the caller takes a stream.
            hang_up_is_cancel: a caller who leaves takes the request back.
            keep: opens what keeps the events of a stream; None where callers do not come back to one.
            primes: the caller takes an event that holds nothing but a place to go on from.
        """
        self._keep = keep
        self._primes = primes
        self._replay: Replay | None = None
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
            self._put(self._framed(message))

    async def finish(self, message: Mapping[str, Any], *, status: int = 200, headers: Any = ()) -> None:
        """Send the answer and end."""
        self._end()
        # A caller that left may come back for it.
        told = self._framed(message) if self._flushing is not None else b""
        if self._replay is not None:
            self._replay.end()
        if self._flushing is not None:
            await self._flushing
        if not self._started:
            await respond(self._send, status, orjson.dumps(message), headers=headers)
            return
        await self._send({"type": "http.response.body", "body": told, "more_body": False})

    def _framed(self, message: Mapping[str, Any]) -> bytes:
        if self._keep is None:
            return frame(message)
        self._replay = self._replay or self._keep()
        return self._replay.add(message)

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
        if self._primes and self._keep is not None:
            self._replay = self._replay or self._keep()
            self._put(self._replay.prime(self._replay.last))
        else:
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
