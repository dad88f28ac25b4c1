"""Server-sent events (WHATWG HTML, section 9.2), as far as the Model Context Protocol uses them."""

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event; one without data carries an id to resume from, or nothing."""

    data: bytes
    #: The last that the stream has told so far; empty where it told none.
    id: str
    #: Milliseconds to wait before coming back, if the stream told any.
    retry_ms: int | None = None


async def events(chunks: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """The events of a stream; an unfinished one at its end is dropped, as the standard says."""
    data: list[bytes] = []
    last_id, told, retry_ms = "", False, None
    async for line in _lines(chunks):
        if line:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            match field:
                case b"data":
                    data.append(value)
                    told = True
                case b"id" if b"\0" not in value:
                    last_id, told = value.decode("utf-8", "replace"), True
                case b"retry" if value.isdigit() and len(value) < 9:
                    retry_ms, told = int(value), True
        elif told:
            yield Event(b"\n".join(data), last_id, retry_ms)
            data, told = [], False


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        rest += chunk
        # A carriage return at the end may be half of a line's end.
        whole = rest[:-1] if rest.endswith(b"\r") else rest
        *lines, left = _LINE_END.split(whole)
        rest = left + rest[len(whole) :]
        for line in lines:
            yield line
