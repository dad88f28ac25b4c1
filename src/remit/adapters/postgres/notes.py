"""Names that are noted once for all processes: beside the record, on a connection of their own.

They are durable before they are answered, and move nothing that others look at: a request that is signed wakes nobody.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psycopg

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.connection import Away, connect, translated

#: A name whose time is over may be noted anew.
_NOTE = b"""
    INSERT INTO once AS noted (tenant, space, name, until_us)
    SELECT %(tenant)s, space, name, until_us
    FROM unnest(%(spaces)s::text[], %(names)s::text[], %(untils)s::bigint[]) AS given (space, name, until_us)
    ON CONFLICT (tenant, space, name) DO UPDATE SET until_us = excluded.until_us WHERE noted.until_us < %(now)s
    RETURNING space, name
"""
_FORGET = b"DELETE FROM once WHERE tenant = %(tenant)s AND until_us < %(now)s"
#: How many names are noted in one statement, and how often those are taken away whose time is over.
_GROUP_MAX, _FORGET_EVERY_US = 500, 30_000_000


class _Asked(NamedTuple):
    space: str
    name: str
    until_us: int
    now_us: int


class Notes:
    """One process's way to the names that were noted."""

    def __init__(self, address: StoreAddress, tenant: str) -> None:
        self._address = address
        self._tenant = tenant
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="remit-notes")
        self._connection: psycopg.Connection | None = None
        self._away = Away()
        self._waiting: list[tuple[_Asked, asyncio.Future[bool]]] = []
        self._pump: asyncio.Task[None] | None = None
        self._forgot_us = 0

    async def note(self, space: str, name: str, until_us: int, now_us: int) -> bool:
        """Note a name; names that come while others are noted go together."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((_Asked(space, name, until_us, now_us), done))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._note_all())
        return await done

    def close(self) -> None:
        """Let go of the connection; who still waits is told that nothing is known."""
        self._away.over.set()
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()

    # --- inside

    async def _note_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting[:_GROUP_MAX], self._waiting[_GROUP_MAX:]
            try:
                told = await loop.run_in_executor(self._thread, self._note, [asked for asked, _ in group])
            except Exception as error:  # noqa: BLE001 -- nobody may wait for ever
                for _, done in group:
                    if not done.cancelled():
                        done.set_exception(error)
                        done.exception()  # a caller that went away must not leave a warning behind
            else:
                for (_, done), new in zip(group, told, strict=True):
                    if not done.cancelled():
                        done.set_result(new)

    def _note(self, group: Sequence[_Asked]) -> list[bool]:
        # In one order for every process, so that none waits for another in a circle.
        firsts = {(asked.space, asked.name): asked for asked in sorted(group, reverse=True)}
        wanted = sorted(firsts)
        given = {
            "tenant": self._tenant,
            "spaces": [space for space, _ in wanted],
            "names": [name for _, name in wanted],
            "untils": [firsts[one].until_us for one in wanted],
            "now": min(asked.now_us for asked in group),
        }
        with translated(self._address):
            new = set(self._patiently(given))
        told = []
        for asked in group:
            one = (asked.space, asked.name)
            told.append(one in new)
            new.discard(one)  # the same name twice in one group: the first has it
        return told

    def _patiently(self, given: dict[str, object]) -> list[tuple[str, str]]:
        """A server that is away is waited for. What a lost connection left open counts as noted, by somebody."""
        for last, pause in self._away.pauses():
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = connect(self._address, self._tenant, writes=True)
                found = self._connection.execute(_NOTE, given, prepare=True).fetchall()
                self._forget(self._connection, given)
            except psycopg.Error as error:
                if last or not self._away.means(error, self._connection):
                    raise
                if self._connection is not None:
                    self._connection.close()
            else:
                return found
            pause()
        raise AssertionError("the last try returns or raises")

    def _forget(self, connection: psycopg.Connection, given: dict[str, object]) -> None:
        now_us = given["now"]
        assert isinstance(now_us, int)
        if now_us - self._forgot_us >= _FORGET_EVERY_US:
            self._forgot_us = now_us
            connection.execute(_FORGET, given)
