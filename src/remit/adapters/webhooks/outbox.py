"""A webhook of others."""

from collections.abc import Awaitable, Callable

from remit.adapters.egress import EgressClient
from remit.clock import Clock
from remit.errors import ToolUnreachable
from remit.registry import Place
from remit.triggers import Notice, sign


class WebhookOutbox:
    """Sends each notice as one request; any answer from 200 to 299 takes it."""

    def __init__(self, client: EgressClient, place: Place, secret: Callable[[], Awaitable[str]], clock: Clock) -> None:
        self._client = client
        self._place = place
        self._secret = secret
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        # The time is that of sending, so that a receiver with a tolerance takes what is sent again later.
        seconds = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(await self._secret(), notice.id, seconds, notice.body),
        }
        place = self._place
        reply = await self._client.send(
            "POST", place.url, headers=headers, content=notice.body, seconds=place.timeout_seconds
        )
        if reply.status in {401, 403}:
            self._client.refused()
        if not 200 <= reply.status < 300:
            raise ToolUnreachable(f"The webhook answered {reply.status}.", rule=f"http_{reply.status}")

    async def close(self) -> None:
        await self._client.close()
