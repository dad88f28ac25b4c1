"""A consumer group's place in a Redis stream."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from remit.adapters.redis.connect import connect, translated
from remit.registry import StreamOfOthers
from remit.triggers import Message

#: One name: only the process that drives the home reads, and the next one takes over what it left.
_CONSUMER = "remit"
_PENDING_MAX = 1_000
#: An entry that was not answered for so long, and that nobody put off, is delivered again.
_IDLE_MS = 60_000


async def open_redis(stream: StreamOfOthers, secret: str) -> "RedisInbox":
    """Connect, and make the group where it is not there.

    Raises:
        EgressRefused, CredentialRefused, ToolUnreachable: the server is not reached, or holds something else there.
    """
    from redis.exceptions import ResponseError  # noqa: PLC0415 -- an extra

    client = await connect(stream.url, stream.network, stream.credential, secret)
    inbox = RedisInbox(client, stream)
    try:
        async with translated(stream.stream):
            try:
                begin = "0" if stream.from_oldest else "$"
                await client.xgroup_create(stream.stream, stream.reader, id=begin, mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
    except BaseException:
        await inbox.close()
        raise
    return inbox


class RedisInbox:
    """Entries for one group."""

    def __init__(self, client: Any, stream: StreamOfOthers) -> None:
        self._client = client
        self._stream = stream
        #: When what was put off comes again, by this loop's clock; None where all that is left is to come at once.
        self._later: dict[bytes, float] | None = None

    async def take(self, at_most: int, seconds: float) -> Sequence[Message]:
        async with translated(self._stream.stream):
            if left := await self._left(at_most):
                return left
            key, group = self._stream.stream, self._stream.reader
            found = await self._client.xreadgroup(
                group, _CONSUMER, {key: ">"}, count=at_most, block=max(int(seconds * 1000), 1)
            )
            return [self._message(name, fields, 1) for _, entries in found or () for name, fields in entries]

    async def close(self) -> None:
        await self._client.aclose()

    async def answered(self, name: bytes) -> None:
        """The entry's fate is on record."""
        async with translated(self._stream.stream):
            await self._client.xack(self._stream.stream, self._stream.reader, name)
        if self._later is not None:
            self._later.pop(name, None)

    def put_off(self, name: bytes, seconds: float) -> None:
        """Deliver the entry again after this time."""
        assert self._later is not None
        self._later[name] = _now() + seconds

    async def _left(self, at_most: int) -> list[Message]:
        """Entries that were delivered and not answered, and are to come again now."""
        key, group = self._stream.stream, self._stream.reader
        pending = await self._client.xpending_range(key, group, min="-", max="+", count=_PENDING_MAX)
        due = {one["message_id"]: one["times_delivered"] for one in pending if self._is_due(one)}
        if self._later is None:
            self._later = {}
        names = list(due)[:at_most]
        if not names:
            return []
        claimed = await self._client.xclaim(key, group, _CONSUMER, 0, names)
        there = {name: fields for name, fields in claimed if fields}
        for name in names:
            if name not in there:
                await self.answered(name)  # it was taken out of the stream meanwhile
        return [self._message(name, fields, due[name] + 1) for name, fields in there.items()]

    def _is_due(self, pending: Mapping[str, Any]) -> bool:
        if self._later is None:
            return True  # the process before this one left it
        at = self._later.get(pending["message_id"])
        return bool(pending["time_since_delivered"] >= _IDLE_MS) if at is None else at <= _now()

    def _message(self, name: bytes, fields: Mapping[bytes, bytes], tries: int) -> "RedisMessage":
        return RedisMessage(self, name, _body(fields, self._stream.field.encode()), tries)


class RedisMessage:
    """One entry."""

    headers: Mapping[str, str] = {}
    subject = ""

    def __init__(self, inbox: RedisInbox, name: bytes, body: bytes, tries: int) -> None:
        self._inbox = inbox
        self._name = name
        self.id = name.decode()
        self.body = body
        self.tries = tries

    async def done(self) -> None:
        await self._inbox.answered(self._name)

    async def later(self, seconds: float) -> None:
        self._inbox.put_off(self._name, seconds)


def _body(fields: Mapping[bytes, bytes], field: bytes) -> bytes:
    if field in fields:
        return fields[field]
    return orjson.dumps(
        {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
