"""A Redis stream that others read."""

from typing import Any

from remit.adapters.redis.connect import connect, translated
from remit.registry import Place
from remit.triggers import Notice


async def open_redis_outbox(place: Place, secret: str) -> "RedisOutbox":
    """A client; it connects when the first notice is sent.

    Raises:
        EgressRefused, ToolUnreachable: the server may not be reached, or has no address.
    """
    return RedisOutbox(await connect(place.url, place.network, place.credential, secret), place)


class RedisOutbox:
    """Adds entries with `id`, `type` and `body`."""

    def __init__(self, client: Any, place: Place) -> None:
        self._client = client
        self._place = place

    async def send(self, notice: Notice) -> None:
        entry = {"id": notice.id, "type": notice.kind, "body": notice.body}
        async with translated(self._place.stream):
            await self._client.xadd(self._place.stream, entry, maxlen=self._place.length_max, approximate=True)

    async def close(self) -> None:
        await self._client.aclose()
