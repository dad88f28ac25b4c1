"""A durable consumer of a JetStream stream."""

from collections.abc import Mapping, Sequence
from typing import Any

from remit.adapters.nats.connect import connect
from remit.errors import ToolUnreachable
from remit.registry import StreamOfOthers
from remit.triggers import Message

#: After this long without an answer the server delivers a message again.
_ACK_SECONDS = 30.0
_PENDING_MAX = 1_000
_HEADER_ID = "Nats-Msg-Id"


async def open_nats(stream: StreamOfOthers, secret: str, *, ack_seconds: float = _ACK_SECONDS) -> "NatsInbox":
    """Connect, and make the consumer where it is not there.

    Raises:
        EgressRefused, CredentialRefused, ToolUnreachable: the server is not reached, or has no such stream.
    """
    from nats.errors import Error  # noqa: PLC0415 -- an extra

    connection = await connect(stream.url, stream.network, stream.credential, secret)
    try:
        jetstream = connection.jetstream()
        born = (await jetstream.stream_info(stream.stream)).created
        await _require_consumer(jetstream, stream, ack_seconds)
        pulling = await jetstream.pull_subscribe_bind(consumer=stream.reader, stream=stream.stream)
    except (Error, TimeoutError) as error:
        await connection.close()
        told = getattr(error, "description", None) or type(error).__name__
        raise ToolUnreachable(f"The stream {stream.stream} cannot be read: {told}.", rule="stream") from None
    except BaseException:
        await connection.close()
        raise
    return NatsInbox(connection, pulling, f"{stream.stream}/{born}")


async def _require_consumer(jetstream: Any, stream: StreamOfOthers, ack_seconds: float) -> None:
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 -- an extra
    from nats.js.errors import NotFoundError  # noqa: PLC0415 -- an extra

    try:
        there = (await jetstream.consumer_info(stream.stream, stream.reader)).config
    except NotFoundError:
        begin = DeliverPolicy.ALL if stream.from_oldest else DeliverPolicy.NEW
        wanted = ConsumerConfig(
            durable_name=stream.reader,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=begin,
            filter_subject=stream.subject or None,
            ack_wait=ack_seconds,
            max_ack_pending=_PENDING_MAX,
        )
        await jetstream.add_consumer(stream.stream, wanted)
        return
    if (there.filter_subject or "") != stream.subject:
        raise ToolUnreachable(
            f"The consumer {stream.reader} reads the subject {there.filter_subject or 'of all'!r}.",
            hint="Give the trigger another `durable`, or take the consumer away.",
            rule="stream",
        )


class NatsInbox:
    """Messages of one consumer."""

    def __init__(self, connection: Any, pulling: Any, stream: str) -> None:
        self._connection = connection
        self._pulling = pulling
        self._stream = stream

    async def take(self, at_most: int, seconds: float) -> Sequence[Message]:
        from nats.errors import Error  # noqa: PLC0415 -- an extra
        from nats.errors import TimeoutError as NothingCame  # noqa: PLC0415 -- an extra

        try:
            found = await self._pulling.fetch(at_most, timeout=seconds)
        except (NothingCame, TimeoutError):
            found = []
        except Error as error:
            raise ToolUnreachable(f"The stream cannot be read: {type(error).__name__}.", rule="stream") from None
        if not self._connection.is_connected:
            raise ToolUnreachable("The connection was lost.", rule="not_connected")
        return [NatsMessage(message, self._stream) for message in found]

    async def close(self) -> None:
        await self._connection.close()


class NatsMessage:
    """One message."""

    def __init__(self, message: Any, stream: str) -> None:
        self._message = message
        meta = message.metadata
        headers = message.headers or {}
        #: A publisher's own id, or the message's place in this very stream, not in one of its name before.
        self.id: str = headers.get(_HEADER_ID) or f"{stream}/{meta.sequence.stream}"
        self.body: bytes = message.data
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in headers.items()}
        self.subject: str = message.subject
        self.tries: int = meta.num_delivered

    async def done(self) -> None:
        await self._message.ack()

    async def later(self, seconds: float) -> None:
        await self._message.nak(delay=seconds)
