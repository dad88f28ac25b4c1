"""Open streams on which callers hear what belongs to no request: what they may use has changed, a resource changed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.types import Receive, Send

from remit.api.entering import Arrived
from remit.api.mcp.clients import Listening
from remit.api.mcp.wire import INVALID_PARAMS, META, STREAM, Rejected, frame, notification
from remit.control_plane import ControlPlane
from remit.errors import RemitError

#: How often a stream looks whether its caller's tools have changed.
_LOOK_SECONDS = 1.0
_PING_SECONDS = 15.0
_HEADERS = [(b"content-type", STREAM), (b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
_TOOLS_CHANGED = "notifications/tools/list_changed"

Put = Callable[[Mapping[str, Any]], Awaitable[None]]


class Listeners:
    """Streams of one process."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def handshake(
        self, listening: Listening, arrived: Arrived, source: str, receive: Receive, send: Send
    ) -> None:
        """The stream of a client that began with a handshake; ends when it, or its session, does."""

        async def opened(_put: Put) -> None:
            return None

        await self._serve(listening, arrived, source, receive, send, opened, tools=True)

    async def modern(
        self, number: Any, params: Mapping[str, Any], arrived: Arrived, source: str, receive: Receive, send: Send
    ) -> None:
        """`subscriptions/listen`: acknowledged with what will be told, and told under the request's own id."""
        wanted = params.get("notifications")
        if not isinstance(wanted, dict):
            raise Rejected(INVALID_PARAMS, "`notifications` says what to tell.")
        granted = {"toolsListChanged": True} if wanted.get("toolsListChanged") is True else {}
        own = {f"{META}subscriptionId": number}

        async def opened(put: Put) -> None:
            await put(
                notification("notifications/subscriptions/acknowledged", {"notifications": granted, "_meta": own})
            )

        await self._serve(Listening(), arrived, source, receive, send, opened, tools=bool(granted), meta=own)

    async def _serve(
        self,
        listening: Listening,
        arrived: Arrived,
        source: str,
        receive: Receive,
        send: Send,
        opened: Callable[[Put], Awaitable[None]],
        *,
        tools: bool,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        async def put(message: Mapping[str, Any]) -> None:
            await send({"type": "http.response.body", "body": frame(message), "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b": listening\n\n", "more_body": True})
        await opened(put)
        left = asyncio.ensure_future(_left(receive))
        seen, quiet = self._offered(arrived, source), 0.0
        try:
            while not left.done() and not arrived.session.ended and self._lives(arrived):
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        message = await listening.waiting.get()
                    if not message:
                        break
                    await put(message)
                except TimeoutError:
                    quiet += _LOOK_SECONDS
                    now = self._offered(arrived, source)
                    if tools and now != seen:
                        await put(notification(_TOOLS_CHANGED, {"_meta": meta} if meta else {}))
                    seen = now
                    if quiet >= _PING_SECONDS:
                        quiet = 0.0
                        await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
        except asyncio.CancelledError:
            return  # the server ends, and takes what is open with it
        finally:
            left.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _lives(self, arrived: Arrived) -> bool:
        return self._plane.core.now_us < arrived.identity.expires_at_us

    def _offered(self, arrived: Arrived, source: str) -> frozenset[str]:
        try:
            tools = arrived.session.tools(arrived.identity.tools)
        except RemitError:
            return frozenset()  # the person or the agent is gone: nothing is offered any more
        return frozenset(tool.pin for tool in tools if not source or tool.source == source)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
