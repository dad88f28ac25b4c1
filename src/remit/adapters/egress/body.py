"""An answer's body as it arrives: bounded, unpacked within the bound, and without the credential."""

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import httpx

from remit.adapters.secrets import Scrubber
from remit.errors import AnswerTooLong, ToolUnreachable

#: What a chunk may unpack to at once.
_PIECE_BYTES = 1 << 16
_PACKED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class _Source(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Body(httpx.AsyncByteStream):
    """Reads one answer."""

    def __init__(self, source: _Source, *, host: str, bytes_max: int, packed: str, scrubber: Scrubber) -> None:
        self._source = source
        self._host = host
        self._bytes_max = bytes_max
        self._unpack = zlib.decompressobj(_PACKED[packed]) if packed in _PACKED else None
        self._scrubber = scrubber
        self._read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._source:
            for piece in self._pieces(chunk):
                self._count(piece)
                if scrubbed := self._scrubber.feed(piece):
                    yield scrubbed
        if held := self._scrubber.end():
            yield held

    async def aclose(self) -> None:
        await self._source.aclose()

    def _count(self, piece: bytes) -> None:
        self._read += len(piece)
        if self._read > self._bytes_max:
            raise AnswerTooLong(f"The answer of {self._host} has more than {self._bytes_max} bytes.")

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        """The chunk unpacked piece by piece: what was packed a thousandfold is not unpacked at once."""
        if self._unpack is None:
            yield chunk
            return
        while chunk:
            try:
                piece = self._unpack.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                raise ToolUnreachable(f"The answer of {self._host} is packed in a way that cannot be read.") from None
            chunk = self._unpack.unconsumed_tail
            if piece:
                yield piece
