"""Telling others what happens in missions: at least once, in order, and on from where it stood after a restart."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import orjson

from remit.clock import Clock
from remit.gateway import micros_of
from remit.ids import StreamId
from remit.ledger import Commit, Draft, Entry, PutRecord, Store
from remit.registry import Subscription
from remit.triggers.connection import Connection, Health, until

_LOG = logging.getLogger("remit.subscriptions")
#: Table of the store: up to which place in the record each subscription has been told.
PLACE_TABLE = "subscription"
_MISSIONS = "mission/"
_PAGE = 100
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as it is told to others."""

    #: The entry's own name: the same each time that it is told.
    id: str
    kind: str
    #: Seconds since 1970-01-01 UTC.
    at: int
    body: bytes


class Outbox(Protocol):
    """A place where others read."""

    async def send(self, notice: Notice) -> None:
        """Hand the notice over, for good.

        Raises:
            EgressRefused, CredentialMissing, ToolUnreachable: it is not known to be there; send it again.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(slots=True)
class Telling:
    """Tells one subscription's events."""

    subscription: Subscription
    store: Store
    clock: Clock
    #: Connects; asked anew after a failure.
    open: Callable[[], Awaitable[Outbox]]
    #: The place in the record of a subscription that is new.
    newest: Callable[[], Awaitable[int]]
    #: What an entry says, for others.
    told: Callable[[Entry], Mapping[str, Any]]
    #: A number from 0 to 1, another one each time.
    jitter: Callable[[], float]
    #: Leases with their epochs, without which nothing is told any more.
    under: tuple[tuple[str, int], ...] = ()
    health: Health = field(default_factory=Health)
    _place: int = -1
    #: Since when the event at hand has been tried.
    _trying_since_us: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Tell until `stop` is set; a place that is away is tried again, ever more seldom.

        Raises:
            Fault: the record cannot be read or written.
        """
        await self._find_place()
        name = f"subscription {self.subscription.name}"
        await Connection(name, self.health, self.clock, self.jitter, _LOG).keep(self._tell, stop)

    async def _tell(self, stop: asyncio.Event) -> None:
        outbox: Outbox | None = None
        try:
            while not stop.is_set():
                entries = await self.store.read_prefix(_MISSIONS, after_idx=self._place, limit=_PAGE)
                async for entry, notice in self._wanted(entries):
                    if stop.is_set():
                        return
                    self._trying_since_us = self._trying_since_us or micros_of(self.clock.now())
                    outbox = outbox or await self.open()
                    await outbox.send(notice)
                    await self._stand_at(entry.idx)
                    self.health.read += 1
                    self.health.failures = 0
                    self.health.connected(self.clock)
                if entries:
                    await self._stand_at(entries[-1].idx)
                else:
                    await until(stop, _LOOK_SECONDS)
        finally:
            if outbox is not None:
                await outbox.close()

    async def _wanted(self, entries: Any) -> AsyncIterator[tuple[Entry, Notice]]:
        for entry in entries:
            if not self.subscription.wants(entry.kind):
                continue
            mission = entry.stream.removeprefix(_MISSIONS)
            listed = await self.store.record("mission", mission) or {}
            workflow = listed.get("workflow", "")
            if self.subscription.workflows and workflow not in self.subscription.workflows:
                continue
            if await self._is_over(entry):
                continue
            said = {"type": entry.kind, "mission": mission, "workflow": workflow, "data": dict(self.told(entry))}
            yield entry, Notice(entry.ref, entry.kind, entry.at_us // 1_000_000, orjson.dumps(said))

    async def _is_over(self, entry: Entry) -> bool:
        """True where the event was tried for too long; then that is on record, and the next one is told."""
        limit = timedelta(hours=self.subscription.give_up_hours)
        if not self._trying_since_us or entry.idx <= self._place:
            return False
        if micros_of(self.clock.now()) - self._trying_since_us < limit / timedelta(microseconds=1):
            return False
        stream = StreamId(f"subscription/{self.subscription.name}")
        payload = {"entry": entry.ref, "code": self.health.code, "failures": self.health.failures}
        draft = Draft(stream, "subscription.given_up", payload, "remit", micros_of(self.clock.now()))
        await self.store.commit(Commit((draft,), (self._standing(entry.idx),), also=self.under))
        self._place, self._trying_since_us = entry.idx, 0
        return True

    async def _find_place(self) -> None:
        kept = await self.store.record(PLACE_TABLE, self.subscription.name)
        if kept is None:
            await self._stand_at(await self.newest())
        else:
            self._place = kept["place"]

    async def _stand_at(self, place: int) -> None:
        if place > self._place:
            await self.store.commit(Commit((), (self._standing(place),), also=self.under))
            self._place, self._trying_since_us = place, 0

    def _standing(self, place: int) -> PutRecord:
        return PutRecord(PLACE_TABLE, self.subscription.name, {"place": place})
