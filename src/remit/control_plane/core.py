"""What the services share."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from remit.clock import Clock
from remit.drivers import Driver
from remit.gateway import Door, Transport, micros_of
from remit.identity import Authenticator, KeyStorage
from remit.ids import Ids
from remit.ledger import Store
from remit.ledger.seal import Signer
from remit.missions import OPEN_MAX
from remit.registry import Kind, Place, StreamOfOthers, ToolSource
from remit.tools import Tool
from remit.triggers import Inbox, Outbox


@dataclass(slots=True)
class Core:
    """The parts of one home, put together by `bootstrap`."""

    home: Path
    store: Store
    door: Door
    driver: Driver
    clock: Clock
    ids: Ids
    signer: Signer
    #: Takes the tokens of agents outside.
    authenticator: Authenticator
    #: The secrets of the keys that sign those tokens.
    token_keys: KeyStorage
    kinds: Mapping[str, Kind]
    #: Makes the transport of a tool source.
    connect: Callable[[ToolSource], Transport]
    #: What reads and judges: a model's name, or the words for none.
    reader: str
    #: Takes the home's lease where this process does not hold it; refused while another one does.
    take_lease: Callable[[], Awaitable[None]]
    #: Lets another process drive the home; its next driver takes the lease over.
    let_go: Callable[[], None]
    #: How many missions of one person may be open at once.
    missions_open: int = OPEN_MAX
    #: False where a model is configured that may want a key, and none is set.
    model_key_set: bool = True
    #: The model's transport, where one is configured.
    model: Transport | None = None
    transports: dict[str, Transport] = field(default_factory=dict)
    #: Connects to a trigger's stream of others.
    open_inbox: Callable[[StreamOfOthers], Awaitable[Inbox]] | None = None
    #: Connects to where a subscription's events go.
    open_outbox: Callable[[Place], Awaitable[Outbox]] | None = None
    #: The secret that a reference names.
    secret: Callable[[str], Awaitable[str]] | None = None
    #: Sources that come with Remit, with the tools of each.
    built_in: Mapping[str, tuple[Transport, tuple[Tool, ...]]] = field(default_factory=dict)

    #: True where this process goes on driving while nothing is due.
    _keeps_lease: bool = False
    _drives: int = 0

    async def keep_lease(self) -> None:
        """Take the home's lease and keep it until this process ends.

        Raises:
            HomeBusy: another process drives this home.
        """
        await self.take_lease()
        self._keeps_lease = True

    @asynccontextmanager
    async def driving(self) -> AsyncIterator[None]:
        """Hold the lease while something is driven; afterwards another process may have it, unless it is kept.

        A person may think for a week at a prompt; nobody else is to wait for them.

        Raises:
            HomeBusy: another process drives this home.
        """
        self._drives += 1
        try:
            await self.take_lease()
            yield
        finally:
            self._drives -= 1
            if not self._drives and not self._keeps_lease and self.driver.idle:
                self.let_go()

    @property
    def now_us(self) -> int:
        """Now, in microseconds since 1970-01-01 UTC."""
        return micros_of(self.clock.now())


def iso(at_us: int) -> str:
    """An instant for people and JSON: ISO 8601 in UTC; empty for none."""
    if not at_us:
        return ""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
