"""Keeping at work on a server of others: how it is, and trying again, ever more seldom, while it is away."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from remit.clock import Clock
from remit.errors import RemitError

_BACKOFF_FIRST_SECONDS, _BACKOFF_MAX_SECONDS = 0.5, 60.0


@dataclass(slots=True)
class Health:
    """How a connection to a server of others is."""

    #: starting, connected, or away.
    state: str = "starting"
    #: Since when, ISO 8601 in UTC.
    since: str = ""
    code: str = ""
    reason: str = ""
    failures: int = 0
    read: int = 0

    def connected(self, clock: Clock) -> None:
        """It answers."""
        if self.state != "connected":
            self.state, self.since = "connected", clock.now().isoformat()
            self.code = self.reason = ""

    def away(self, error: RemitError, clock: Clock) -> bool:
        """It does not; True where it did before."""
        news = self.state != "away"
        if news:
            self.state, self.since = "away", clock.now().isoformat()
        self.failures += 1
        self.code, self.reason = error.code, str(error)
        return news


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection that is worked on until it is told to stop."""

    #: What it belongs to, for the log: `trigger NAME`.
    name: str
    health: Health
    clock: Clock
    #: A number from 0 to 1, another one each time.
    jitter: Callable[[], float]
    log: logging.Logger

    async def keep(self, work: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
        """Do `work` until `stop` is set; a server that is away is tried again, ever more seldom."""
        while not stop.is_set():
            try:
                await work(stop)
            except RemitError as error:
                self._away(error)
            except Exception as error:  # noqa: BLE001 -- whatever a client raises, the connection is kept up
                # Where it was, and not what it says: a client's error may quote its address with the password in it.
                frame = traceback.extract_tb(error.__traceback__)[-1]
                self.log.error("%s: %s at %s:%d", self.name, type(error).__name__, frame.filename, frame.lineno)  # noqa: TRY400 -- as said
                self._away(RemitError(f"{type(error).__name__} in the client."))
            if not stop.is_set():
                await until(stop, backoff_seconds(self.health.failures, self.jitter()))

    def _away(self, error: RemitError) -> None:
        if self.health.away(error, self.clock):
            self.log.warning("%s: its server is away: %s", self.name, error.code)


def backoff_seconds(failures: int, jitter: float) -> float:
    """How long to wait after so many failures in a row: doubled each time, with up to a half on top."""
    base: float = min(_BACKOFF_FIRST_SECONDS * 2 ** min(max(failures - 1, 0), 20), _BACKOFF_MAX_SECONDS)
    return base * (1 + jitter / 2)


async def until(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
