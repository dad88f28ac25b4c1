"""A subject of JetStream that others read."""

from typing import Any

from remit.adapters.nats.connect import connect
from remit.errors import ToolUnreachable
from remit.registry import Place
from remit.triggers import Notice

_ACK_SECONDS = 5.0


async def open_nats_outbox(place: Place, secret: str) -> "NatsOutbox":
    """Connect.

    Raises:
        EgressRefused, CredentialRefused, ToolUnreachable: the server is not reached.
    """
    return NatsOutbox(await connect(place.url, place.network, place.credential, secret), place.stream)


class NatsOutbox:
    """Publishes, and waits until the stream has it; the server drops what it had under the same id of late."""

    def __init__(self, connection: Any, subject: str) -> None:
        self._connection = connection
        self._subject = subject

    async def send(self, notice: Notice) -> None:
        from nats.errors import Error  # noqa: PLC0415 -- an extra

        headers = {"Nats-Msg-Id": notice.id, "Remit-Event": notice.kind}
        try:
            await self._connection.jetstream().publish(
                self._subject, notice.body, timeout=_ACK_SECONDS, headers=headers
            )
        except (Error, TimeoutError) as error:
            told = type(error).__name__
            raise ToolUnreachable(f"No stream has taken {self._subject}: {told}.", rule="stream") from None

    async def close(self) -> None:
        await self._connection.close()
