"""The store on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import psycopg

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.connection import connect, translated
from remit.adapters.postgres.holding import Holding
from remit.adapters.postgres.notes import Notes
from remit.adapters.postgres.readers import Readers
from remit.adapters.postgres.schema import prepare
from remit.adapters.postgres.writer import Writer
from remit.errors import StoreCorrupted, StoreUnreachable
from remit.ids import DEFAULT_TENANT, StreamId
from remit.ledger import HOME_LEASE, Balance, Commit, Entry, PutBlob, Result, after_prefix, is_narrow, stored_entry
from remit.ledger.grouping import Grouping, RecentBodies

#: A new name for the process that writes, and where the record stands.
_NAMED = "SELECT gen_random_uuid()::text, version, home, filling FROM log WHERE tenant = %s"
_BIND = "UPDATE log SET home = %(home)s WHERE tenant = %(tenant)s AND home IN ('', %(home)s) RETURNING home"
_HEALTH = """
    SELECT current_setting('server_version'), current_setting('fsync')::bool, current_setting('full_page_writes')::bool,
        (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
"""
_ENTRIES = "SELECT idx, stream, seq, hash, canonical FROM entry WHERE tenant = %s"
#: Entries of the few streams of one mission, found by their names however long the record is. A prepared query is
#: planned without its values, so that each says which index it wants by keeping the other column from being one.
_PREFIX_BY_NAME = """
    WITH named AS MATERIALIZED (
        SELECT idx FROM entry WHERE tenant = %s AND stream >= %s AND stream < %s AND idx + 0 > %s
    )
    SELECT idx, stream, seq, hash, canonical FROM entry
    WHERE tenant = %s AND idx = ANY (ARRAY(SELECT idx FROM named ORDER BY idx LIMIT %s)) ORDER BY idx
"""
#: Entries of a whole kind of streams, walked in the order of writing from a place on.
_PREFIX_BY_PLACE = f"{_ENTRIES} AND stream || '' >= %s AND stream || '' < %s AND idx > %s ORDER BY idx LIMIT %s"
#: All streams are found by their names, a few new entries by their place.
_ALL_HEADS = (
    "SELECT stream, max(seq) FROM entry WHERE tenant = %s AND stream >= %s AND stream < %s AND idx > %s GROUP BY stream"
)
_NEW_HEADS = _ALL_HEADS.replace("stream >=", "stream || '' >=").replace("stream <", "stream || '' <")


class PostgresStore:
    """One database; reads in a few threads, writes grouped in one of their own."""

    def __init__(self, address: StoreAddress, tenant: str = DEFAULT_TENANT, *, fills: bool = False) -> None:
        """Open the store, and make its tables where there are none; `fills` opens one into which a copy is under way.

        Raises:
            StoreUnreachable: the server does not answer, or the role lacks rights.
            StoreCorrupted: the copy of a record into it did not end; or as `prepare`.
            StoreTooNew, InvalidSetting: as `prepare`.
        """
        self.address = address
        self.tenant = tenant
        with translated(address):
            self._connection, (name, version, home, filling) = _prepared(address, tenant)
        if filling and not fills:
            self._connection.close()
            raise StoreCorrupted(
                f"{address.shown} holds a part of a record: a copy into it did not end.",
                hint="Run the same `remit store copy` again; it goes on where it stopped.",
            )
        #: The key of the ledger that belongs to the home whose record this is; empty where none was begun.
        self.home = home
        self._writer = Writer(address, tenant, self._connection, name, version)
        self._recent = RecentBodies()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="remit-journal")
        self._groups = Grouping(self._thread, self.write_group)
        self._readers = Readers(address, tenant)
        self._holding = Holding(address, tenant)
        self._notes = Notes(address, tenant)
        self._closed = False

    def bind(self, home: str) -> bool:
        """Make this the record of the home whose ledger's key is given; False where it is another home's."""
        with translated(self.address):
            bound = self._connection.execute(_BIND, {"tenant": self.tenant, "home": home}).fetchone()
        return bound is not None

    # --- Journal

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Join the next group; return when it is durable."""
        if self._closed:
            raise StoreUnreachable(f"{self.address.shown} was closed.")
        return await self._groups.commit(commit)

    def write_group(self, commits: Sequence[Commit]) -> list[Result]:
        """Write a group as one transaction, in the writer's thread; each member has its own result."""
        results = self._writer.write_group(commits)
        for commit, result in zip(commits, results, strict=True):
            if isinstance(result, tuple):
                self._recent.keep([write for write in commit.writes if isinstance(write, PutBlob)])
        return results

    async def read(self, stream: StreamId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of one stream."""
        found = await self._rows(
            f"{_ENTRIES} AND stream = %s AND seq > %s ORDER BY seq LIMIT %s", self.tenant, stream, after, limit
        )
        return [stored_entry(*row) for row in found]

    async def read_prefix(self, prefix: str, *, after_idx: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of all streams with this prefix, in the order of writing."""
        if not prefix:
            found = await self._rows(f"{_ENTRIES} AND idx > %s ORDER BY idx LIMIT %s", self.tenant, after_idx, limit)
        else:
            query, more = (_PREFIX_BY_NAME, (self.tenant,)) if is_narrow(prefix) else (_PREFIX_BY_PLACE, ())
            found = await self._rows(query, self.tenant, prefix, after_prefix(prefix), after_idx, *more, limit)
        return [stored_entry(*row) for row in found]

    async def rows(self, *, after_idx: int = 0, limit: int = 1000) -> Sequence[tuple[int, bytes, str]]:
        """The stored bytes and hashes."""
        query = "SELECT idx, canonical, hash FROM entry WHERE tenant = %s AND idx > %s ORDER BY idx LIMIT %s"
        return await self._rows(query, self.tenant, after_idx, limit)

    # --- Records

    async def record(self, table: str, key: str) -> Any | None:
        """One document."""
        query = "SELECT value FROM record WHERE tenant = %s AND tbl = %s AND key = %s"
        found = await self._rows(query, self.tenant, table, key)
        return orjson.loads(found[0][0]) if found else None

    async def records(self, table: str, prefix: str = "") -> Sequence[tuple[str, Any]]:
        """Documents by prefix."""
        query = "SELECT key, value FROM record WHERE tenant = %s AND tbl = %s AND key >= %s AND key < %s ORDER BY key"
        found = await self._rows(query, self.tenant, table, prefix, after_prefix(prefix))
        return [(key, orjson.loads(value)) for key, value in found]

    async def blob(self, space: str, cid: str) -> bytes | None:
        """A body."""
        if (recent := self._recent.get((space, cid))) is not None:
            return recent
        query = "SELECT data FROM blob WHERE tenant = %s AND space = %s AND cid = %s"
        found = await self._rows(query, self.tenant, space, cid)
        return found[0][0] if found else None

    async def balance(self, name: str) -> Balance | None:
        """A balance."""
        query = "SELECT name, lim, used, held FROM balance WHERE tenant = %s AND name = %s"
        found = await self._rows(query, self.tenant, name)
        return Balance(*found[0]) if found else None

    async def holding(self, prefix: str) -> Sequence[str]:
        """Balances that hold something."""
        query = "SELECT name FROM balance WHERE tenant = %s AND name >= %s AND name < %s AND held > 0 ORDER BY name"
        return [name for (name,) in await self._rows(query, self.tenant, prefix, after_prefix(prefix))]

    # --- Lease

    async def take(self, holder: str, lease: str = HOME_LEASE) -> int:
        """Raise the epoch; a group that is being written, here or elsewhere, finishes first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.take, holder, lease)

    # --- Once

    async def once(self, space: str, name: str, *, until_us: int, now_us: int) -> bool:
        """Note a name."""
        if self._closed:
            raise StoreUnreachable(f"{self.address.shown} was closed.")
        return await self._notes.note(space, name, until_us, now_us)

    async def hold(self) -> None:
        """Take the courtesy lock of whoever drives this home, on any machine.

        Raises:
            HomeBusy: another process drives it.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._holding.take)

    def release(self) -> None:
        """Let another process drive this home."""
        self._holding.let_go()

    async def health(self) -> tuple[bool, str]:
        """Whether the server keeps what it confirms, and what this session may do that it should not."""
        ((version, fsync, pages, unbound),) = await self._rows(_HEALTH)
        told = [f"PostgreSQL {version} at {self.address.shown}"]
        told += [f"{name} is off: a crash may lose or tear what was confirmed" for name, on in
                 (("fsync", fsync), ("full_page_writes", pages)) if not on]  # fmt: skip
        if unbound:
            told.append("row-level security does not bind this role: connect as one that is no superuser")
        return fsync and pages, "; ".join(told)

    async def changed(self) -> bool:
        """True where another process has written since the last time this was asked."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.changed)

    async def place(self) -> int:
        """The last entry's place."""
        ((place,),) = await self._rows("SELECT coalesce(max(idx), 0) FROM entry WHERE tenant = %s", self.tenant)
        return int(place)

    async def heads(self, prefix: str, *, after_idx: int = 0) -> Sequence[tuple[StreamId, int]]:
        """Streams and their last entries' numbers."""
        found = await self._rows(
            _NEW_HEADS if after_idx else _ALL_HEADS, self.tenant, prefix, after_prefix(prefix), after_idx
        )
        return sorted((StreamId(stream), int(seq)) for stream, seq in found)

    async def close(self) -> None:
        """Write what waits, then let go of the server."""
        self._closed = True
        self._writer.hurry()
        await self._groups.finish()
        self.shut()

    def shut(self) -> None:
        """Let go of the server; what was accepted has its answer."""
        self._closed = True
        self._thread.shutdown()
        self._readers.close()
        self._holding.let_go()
        self._notes.close()
        self._writer.close()

    # --- inside

    async def _rows(self, query: str, *values: Any) -> list[Any]:
        if self._closed:
            raise StoreUnreachable(f"{self.address.shown} was closed.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers.threads, self._readers.rows, query, values)


def _prepared(address: StoreAddress, tenant: str) -> tuple[psycopg.Connection, tuple[str, int, str, bool]]:
    connection = connect(address, tenant, writes=True)
    try:
        prepare(connection, address.shown)
        connection.execute("INSERT INTO log (tenant) VALUES (%s) ON CONFLICT DO NOTHING", (tenant,))
        connection.execute("DELETE FROM writer WHERE tenant = %s AND seen < now() - interval '7 days'", (tenant,))
        row = connection.execute(_NAMED, (tenant,)).fetchone()
        assert row is not None, "it was made above"
    except BaseException:
        connection.close()
        raise
    return connection, row
