"""One request and its answer over HTTP: as one JSON document, or as a stream of events that may break and go on."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from remit.adapters.egress import EgressClient, media_type
from remit.adapters.mcp import messages
from remit.adapters.mcp.events import events
from remit.adapters.mcp.messages import Agreed, Answered
from remit.errors import ToolUnavailable, ToolUnreachable

_ACCEPT = "application/json, text/event-stream"
_RESUMES_MAX = 5
_RESUME_SECONDS = 1.0

Heard = Callable[[Mapping[str, Any]], Awaitable[None]]


class SessionLost(Exception):
    """The server does not know the session any more; it did nothing."""


class Exchange:
    """Sends requests to one server's address."""

    def __init__(self, client: EgressClient, url: str) -> None:
        self._client = client
        self._url = url

    async def ask(
        self,
        body: bytes,
        number: int,
        agreed: Agreed | None,
        *,
        method: str,
        heard: Heard,
        name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any], str]:
        """The result of a request, and the session that the answer opened, if any.

        Args:
            body: the request.
            number: the number that it bears.
            agreed: the session that it belongs to; None for the one that opens it.
            method: what it asks for.
            heard: is told each message of the server's on the way that is no answer.
            name: of the tool, prompt or resource that it is about.
            headers: further ones.

        Raises:
            Answered: the server answered with an error of the protocol.
            SessionLost: it does not know the session.
            ToolUnavailable: it said that it does not serve the request; it did nothing.
            ToolUnreachable: it did not answer in form; what it did is not known.
        """
        sent = {**self._headers(agreed, method=method, name=name), **(headers or {})}
        async with self._client.open("POST", self._url, headers=sent, content=body) as response:
            session = response.headers.get("mcp-session-id", "")
            if response.status_code != httpx.codes.OK:
                await self._refused(response, agreed)
            if media_type(response.headers) == "application/json":
                return messages.outcome(messages.read(await response.aread())), session
            if media_type(response.headers) != "text/event-stream":
                raise ToolUnreachable("The server answers neither in JSON nor as a stream of events.")
            answer, last_id, wait_ms = await self._listen(response, number, heard)
        for _ in range(_RESUMES_MAX):
            if answer is not None:
                return messages.outcome(answer), session
            if not last_id:
                break
            await asyncio.sleep(_RESUME_SECONDS if wait_ms is None else wait_ms / 1000)
            answer, last_id, wait_ms = await self._resume(number, agreed, last_id, heard)
        raise ToolUnreachable("The server's stream ended before its answer.")

    async def tell(self, body: bytes, agreed: Agreed, *, method: str = "") -> None:
        """Send a notification or an answer; what the server says to it is of no account."""
        async with self._client.open("POST", self._url, headers=self._headers(agreed, method=method), content=body):
            pass

    async def listen(self, agreed: Agreed, heard: Heard, body: bytes = b"") -> bool:
        """Hear what the server says of its own accord until its stream ends; False where it offers none.

        Raises:
            ToolUnreachable: the stream broke, or cannot be had now.
        """
        method = "subscriptions/listen" if body else ""
        headers = {**self._headers(agreed, method=method), **({} if body else {"accept": "text/event-stream"})}
        async with self._client.open("POST" if body else "GET", self._url, headers=headers, content=body) as response:
            if response.status_code != httpx.codes.OK or media_type(response.headers) != "text/event-stream":
                return False
            await self._listen(response, None, heard)
            return True

    async def end(self, agreed: Agreed) -> None:
        """Tell the server that the session is over."""
        async with self._client.open("DELETE", self._url, headers=self._headers(agreed)):
            pass

    def _headers(self, agreed: Agreed | None, *, method: str = "", name: str = "") -> dict[str, str]:
        headers = {"accept": _ACCEPT, "content-type": "application/json"}
        if agreed is None:
            return headers
        headers["mcp-protocol-version"] = agreed.version
        if agreed.session:
            headers["mcp-session-id"] = agreed.session
        if agreed.modern:
            headers["mcp-method"] = method
            if name:
                headers["mcp-name"] = name
        return headers

    async def _listen(
        self, response: httpx.Response, number: int | None, heard: Heard
    ) -> tuple[dict[str, Any] | None, str, int | None]:
        """The answer in a stream, or None with where to go on and after how many milliseconds."""
        last_id, wait_ms = "", None
        try:
            async for event in events(response.aiter_raw()):
                last_id, wait_ms = event.id, event.retry_ms
                if not event.data:
                    continue
                message = messages.read(event.data)
                if "method" in message:
                    await heard(message)
                elif message.get("id") == number:
                    return message, last_id, wait_ms
        except httpx.TransportError:
            if not last_id:
                raise
        return None, last_id, wait_ms

    async def _resume(
        self, number: int, agreed: Agreed | None, last_id: str, heard: Heard
    ) -> tuple[dict[str, Any] | None, str, int | None]:
        headers = {**self._headers(agreed), "accept": "text/event-stream", "last-event-id": last_id}
        try:
            async with self._client.open("GET", self._url, headers=headers) as response:
                if response.status_code != httpx.codes.OK:
                    raise ToolUnreachable("The server's stream ended before its answer, and cannot be resumed.")
                answer, newer, wait_ms = await self._listen(response, number, heard)
                return answer, newer or last_id, wait_ms
        except ToolUnavailable as error:
            # The request itself was sent long before: what became of it is not known.
            raise ToolUnreachable(f"The server's stream ended before its answer. {error.detail}") from None

    async def _refused(self, response: httpx.Response, agreed: Agreed | None) -> None:
        """Say what an answer means that is no success.

        Raises:
            Answered, SessionLost, CredentialRefused, ToolUnavailable, ToolUnreachable: always one of them.
        """
        status = response.status_code
        if status in {401, 403}:
            raise self._client.refused(f"The server answered {status}.", rule=f"http_{status}")
        if status in {429, 503}:
            after = response.headers.get("retry-after", "")
            told = f"; it asks to wait {after} seconds" if after.isdigit() and len(after) < 7 else ""
            raise ToolUnavailable(f"The server answered {status}{told}.", rule=f"http_{status}")
        if media_type(response.headers) == "application/json":
            try:
                messages.outcome(messages.read(await response.aread()))
            except Answered:
                if status == 404 and agreed is not None and agreed.session:
                    raise SessionLost from None
                raise
            except ToolUnreachable:
                pass
        if status == 404 and agreed is not None and agreed.session:
            raise SessionLost
        if 400 <= status < 500:
            raise ToolUnavailable(f"The server answered {status}.", rule=f"http_{status}")
        raise ToolUnreachable(f"The server answered {status}.", rule=f"http_{status}")
