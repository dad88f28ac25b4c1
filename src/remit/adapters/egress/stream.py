"""A connection that sends a request in one piece: its head waits for its body, and goes when an answer is read."""

import ssl
from typing import Any

import httpcore

#: A longer request goes in several pieces.
_PIECE_BYTES = 1 << 16


class WholeRequests(httpcore.AsyncNetworkStream):
    """Holds what is written until it is much, or until something is read: half as many packets and system calls."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._held = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's form
        await self._flush(timeout)
        try:
            return await self._stream.read(max_bytes, timeout)
        except ssl.SSLError as error:
            # With TLS 1.3 a server says only here that it does not take the certificate of whoever asks.
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's form
        self._held += buffer
        if len(self._held) > _PIECE_BYTES:
            await self._flush(timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's form
    ) -> httpcore.AsyncNetworkStream:
        return WholeRequests(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def _flush(self, seconds: float | None) -> None:
        if self._held:
            held, self._held = self._held, b""
            try:
                await self._stream.write(held, seconds)
            except ssl.SSLError as error:
                raise httpcore.WriteError(str(error)) from error
