"""Reading messages of others: acknowledged only once their fate is on record, brought again where it is not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remit.clock import Clock
from remit.errors import InvalidEvent
from remit.registry import Trigger
from remit.triggers.connection import Connection, Health
from remit.triggers.incoming import Incoming, read_body
from remit.triggers.intake import Fate, Intake, Told

_LOG = logging.getLogger("remit.triggers")
BATCH = 32
_WAIT_SECONDS = 2.0
_RETRY_SECONDS_MAX = 300.0


class Message(Protocol):
    """One message of a stream, until it is answered."""

    @property
    def id(self) -> str:
        """The same each time that the message is delivered."""
        ...

    @property
    def body(self) -> bytes: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def subject(self) -> str: ...

    @property
    def tries(self) -> int:
        """How often it was delivered, this time included."""
        ...

    async def done(self) -> None:
        """Its fate is on record; it is not delivered again."""
        ...

    async def later(self, seconds: float) -> None:
        """Deliver it again, not before this time."""
        ...


class Inbox(Protocol):
    """A durable place in a stream of others."""

    async def take(self, at_most: int, seconds: float) -> Sequence[Message]:
        """The next messages, some of them delivered before; none where none comes in this time.

        Raises:
            EgressRefused, CredentialMissing, ToolUnreachable: the server is not reached, or has no such stream.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(slots=True)
class Consumer:
    """Reads one trigger's stream."""

    trigger: Trigger
    intake: Intake
    #: Connects; asked anew after a failure.
    open: Callable[[], Awaitable[Inbox]]
    #: What is done with each fate: missions are woken, numbers counted.
    told: Callable[[Trigger, Told], None]
    clock: Clock
    #: A number from 0 to 1, another one each time.
    jitter: Callable[[], float]
    health: Health = field(default_factory=Health)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set; a server that is away is tried again, ever more seldom."""
        name = f"trigger {self.trigger.name}"
        await Connection(name, self.health, self.clock, self.jitter, _LOG).keep(self._read, stop)

    async def _read(self, stop: asyncio.Event) -> None:
        inbox = await self.open()
        self.health.connected(self.clock)
        try:
            while not stop.is_set():
                messages = await _first(stop, inbox.take(BATCH, _WAIT_SECONDS))
                self.health.failures = 0  # not before: a server that lets in and then fails is not asked in a storm
                if messages:
                    ended = await asyncio.gather(*map(self.take, messages), return_exceptions=True)
                    for error in ended:
                        if error is not None:
                            raise error
        finally:
            await inbox.close()

    async def take(self, message: Message) -> None:
        """Let one message have its effect, and answer it."""
        self.health.read += 1
        last_try = message.tries >= self.trigger.tries_max
        told = await self._told(message, last_try=last_try)
        self.told(self.trigger, told)
        if told.fate is Fate.REFUSED:
            await message.later(min(2.0**message.tries, _RETRY_SECONDS_MAX))
        else:
            await message.done()

    async def _told(self, message: Message, *, last_try: bool) -> Told:
        at = self.clock.now().isoformat()
        try:
            body = read_body(message.body)
        except InvalidEvent as error:
            # It will never be read, however often it is delivered.
            empty = Incoming(message.id, None, at, message.headers, message.subject)
            return await self.intake.set_aside(self.trigger, empty, error)
        incoming = Incoming(message.id, body, at, message.headers, message.subject)
        return await self.intake.take(self.trigger, incoming, last_try=last_try)


async def _first(stop: asyncio.Event, taking: Awaitable[Sequence[Message]]) -> Sequence[Message]:
    """What is taken, or nothing where `stop` is set meanwhile."""
    task, stopping = asyncio.ensure_future(taking), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else ()
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)
