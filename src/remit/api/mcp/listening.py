"""Open streams on which callers hear what belongs to no request: what they may use has changed, a resource changed."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Send

from remit.api.entering import Arrived
from remit.api.mcp.clients import Listening
from remit.api.mcp.replay import Replay, Shelf
from remit.api.mcp.wire import INVALID_PARAMS, META, STREAM, Rejected, notification
from remit.control_plane import ControlPlane
from remit.errors import RemitError

#: How often a stream looks whether its caller's tools have changed.
_LOOK_SECONDS = 1.0
_PING_SECONDS = 15.0
_HEADERS = [(b"content-type", STREAM), (b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
_TOOLS_CHANGED = "notifications/tools/list_changed"

_PING = b": still here\n\n"


class Listeners:
    """Streams of one process."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def handshake(
        self,
        listening: Listening,
        after: int,
        arrived: Arrived,
        source: str,
        receive: Receive,
        send: Send,
        *,
        primes: bool,
    ) -> None:
        """The stream of a client that began with a handshake, from what came after this event; ends when it, or its
        session, does. With `primes` it has an event at once, to go on from.
        """
        await self._serve(listening, after, arrived, source, receive, send, tools=True, primes=primes)

    async def resumed(self, replay: Replay, after: int, receive: Receive, send: Send) -> None:
        """What was told on the stream of a request after this event, until its answer."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        left = asyncio.ensure_future(_left(receive))
        try:
            while not left.done():
                for number, data in replay.after(after):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                    after = number
                if replay.ended:
                    break
                if not await replay.more(after, _PING_SECONDS):
                    await send({"type": "http.response.body", "body": _PING, "more_body": True})
        except asyncio.CancelledError:
            return  # as below
        finally:
            left.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def modern(
        self, number: Any, params: Mapping[str, Any], arrived: Arrived, source: str, receive: Receive, send: Send
    ) -> None:
        """`subscriptions/listen`: acknowledged with what will be told, and told under the request's own id."""
        wanted = params.get("notifications")
        if not isinstance(wanted, dict):
            raise Rejected(INVALID_PARAMS, "`notifications` says what to tell.")
        granted = {"toolsListChanged": True} if wanted.get("toolsListChanged") is True else {}
        own = {f"{META}subscriptionId": number}

        listening = Listening(Shelf().open(""))
        listening.replay.add(
            notification("notifications/subscriptions/acknowledged", {"notifications": granted, "_meta": own})
        )
        await self._serve(listening, 0, arrived, source, receive, send, tools=bool(granted), meta=own)

    async def _serve(
        self,
        listening: Listening,
        sent: int,
        arrived: Arrived,
        source: str,
        receive: Receive,
        send: Send,
        *,
        tools: bool,
        primes: bool = False,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        listening.connection += 1
        listening.connected, connection, replay = True, listening.connection, listening.replay
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        begun = b": listening\n\n" + (replay.prime(sent) if primes else b"")
        await send({"type": "http.response.body", "body": begun, "more_body": True})
        left = asyncio.ensure_future(_left(receive))
        quiet = 0.0
        if listening.seen is None:
            listening.seen = self._offered(arrived, source)
        try:
            while not left.done() and listening.connection == connection and self._goes_on(arrived):
                for number, data in replay.after(sent):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                    sent = number
                if replay.ended:
                    break
                if await replay.more(sent, _LOOK_SECONDS):
                    continue
                quiet += _LOOK_SECONDS
                now = self._offered(arrived, source)
                if tools and now != listening.seen:
                    replay.add(notification(_TOOLS_CHANGED, {"_meta": meta} if meta else {}))
                listening.seen = now
                if quiet >= _PING_SECONDS:
                    quiet = 0.0
                    await send({"type": "http.response.body", "body": _PING, "more_body": True})
        except asyncio.CancelledError:
            return  # the server ends, and takes what is open with it
        finally:
            left.cancel()
            if listening.connection == connection:
                listening.connected = False
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _goes_on(self, arrived: Arrived) -> bool:
        return not arrived.session.ended and self._lives(arrived)

    def _lives(self, arrived: Arrived) -> bool:
        return self._plane.core.now_us < arrived.identity.expires_at_us

    def _offered(self, arrived: Arrived, source: str) -> frozenset[str]:
        try:
            tools = arrived.session.usable(arrived.identity.tools)
        except RemitError:
            return frozenset()  # the person or the agent is gone: nothing is offered any more
        return frozenset(tool.pin for tool in tools if not source or tool.source == source)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
