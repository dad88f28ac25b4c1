"""Clients over a source's way out: a small one for Remit's own adapters, and httpx's for libraries that want one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from remit.adapters.egress.transport import CONNECT_SECONDS, EgressTransport, outcome_of
from remit.errors import CredentialRefused, EgressRefused, ToolUnavailable, ToolUnreachable


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """Without parameters, in small letters; empty where it is not told."""
        return media_type(self.headers)


def media_type(headers: httpx.Headers) -> str:
    """The content's type without parameters, in small letters; empty where it is not told."""
    told: str = headers.get("content-type", "")
    return told.partition(";")[0].strip().lower()


class EgressClient:
    """Sends one source's requests."""

    def __init__(self, transport: EgressTransport) -> None:
        self._transport = transport
        self._closed = False

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", seconds: float
    ) -> Reply:
        """Send, and read the answer to its end, all within `seconds`.

        Raises:
            ToolUnavailable: it is sure that nothing was done (EgressRefused, CredentialMissing, not connected).
            AnswerTooLong: the answer is longer than the source's network declares.
            ToolUnreachable: there was no answer, or not all of it.
        """
        try:
            async with asyncio.timeout(seconds), self.open(method, url, headers=headers, content=content) as response:
                return Reply(response.status_code, response.headers, await response.aread())
        except TimeoutError:
            raise ToolUnreachable(f"The source did not answer in {seconds:g} seconds.", rule="timeout") from None

    @asynccontextmanager
    async def open(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> AsyncIterator[httpx.Response]:
        """Send, and give the answer with its body still to be read; the caller bounds the time.

        Raises:
            ToolUnavailable, ToolUnreachable: as `send` says.
        """
        if self._closed:
            raise ToolUnavailable("The source is closed.", rule="not_sent")
        try:
            request = httpx.Request(method, url, headers=headers, content=content)
        except httpx.InvalidURL:
            raise EgressRefused("The source's address is none that can be read.", rule="egress_address") from None
        try:
            response = await self._transport.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise outcome_of(error, request.url.host) from None

    @property
    def credential(self) -> str:
        """Where the source's credential stands; empty where it has none."""
        return self._transport.credential

    def refused(self, told: str = "", *, rule: str = "") -> CredentialRefused:
        """The source did not take the credential, which is read anew for the next request; the error for that."""
        return self._transport.refused(told, rule=rule)

    async def close(self) -> None:
        """Let go of the connections; what comes later is refused."""
        self._closed = True
        await self._transport.aclose()


def httpx_client(transport: EgressTransport, *, seconds: float) -> httpx.AsyncClient:
    """A client of httpx for a library that sends through one; it decides nothing of its own.

    Its log names each request's address at INFO; a credential in the address is put in below it and does not show.
    """
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
    )
