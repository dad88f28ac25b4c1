"""The store on one SQLite file."""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from remit.adapters.sqlite.connection import connect, translated
from remit.errors import StoreUnreachable
from remit.ids import DEFAULT_TENANT, StreamId
from remit.ledger import (
    HOME_LEASE,
    Balance,
    Batch,
    Commit,
    Entry,
    Head,
    RememberedView,
    Result,
    after_prefix,
    is_narrow,
    settle,
    stored_entry,
)
from remit.ledger.grouping import Grouping, RecentBodies

#: The last entry of each stream of a JSON list, and whether any of the stream's entries closed it.
_HEADS = """
    SELECT asked.value, last.seq, last.hash, EXISTS (SELECT 1 FROM entry WHERE stream = asked.value AND closes)
    FROM json_each(?) AS asked
    CROSS JOIN entry AS last ON last.idx = (SELECT idx FROM entry WHERE stream = asked.value ORDER BY seq DESC LIMIT 1)
"""

_TAKE = """
    INSERT INTO lease (name, epoch, holder) VALUES (?, 1, ?)
    ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1, holder = excluded.holder RETURNING epoch
"""


#: All streams are found by their names, a few new entries by their place (`+` keeps a column from choosing the index).
_ALL_HEADS = "SELECT stream, max(seq) FROM entry WHERE stream >= ? AND stream < ? AND idx > ? GROUP BY stream"
_NEW_HEADS = "SELECT stream, max(seq) FROM entry WHERE +stream >= ? AND +stream < ? AND idx > ? GROUP BY stream"

#: Entries of the few streams of one mission, found by their names however long the record is.
_PREFIX_BY_NAME = """
    SELECT idx, stream, seq, hash, canonical FROM entry WHERE idx IN (
        SELECT idx FROM entry INDEXED BY entry_by_stream
        WHERE stream >= ? AND stream < ? AND +idx > ? ORDER BY idx LIMIT ?
    ) ORDER BY idx
"""
#: Entries of a whole kind of streams, walked in the order of writing from a place on.
_PREFIX_BY_PLACE = """
    SELECT idx, stream, seq, hash, canonical FROM entry
    WHERE +stream >= ? AND +stream < ? AND idx > ? ORDER BY idx LIMIT ?
"""


class SqliteStore:
    """One file; reads on one connection, writes grouped on another in a thread of its own."""

    def __init__(self, path: Path, tenant: str = DEFAULT_TENANT) -> None:
        self.path = path
        self.tenant = tenant
        self._reading = connect(path)
        self._writing = connect(path)
        self._view = _SqliteView(self._writing)
        self._recent = RecentBodies()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="remit-journal")
        self._groups = Grouping(self._thread, self.write_group)
        self._closed = False
        self._seen = self._data_version()

    # --- Journal

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Join the next group; return when it is durable."""
        if self._closed:
            raise StoreUnreachable(f"{self.path.name} was closed.")
        return await self._groups.commit(commit)

    async def read(self, stream: StreamId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of one stream."""
        rows = self._rows(
            "SELECT idx, stream, seq, hash, canonical FROM entry WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
            (stream, after, limit),
        )
        return [stored_entry(*row) for row in rows]

    async def read_prefix(self, prefix: str, *, after_idx: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of all streams with this prefix, in the order of writing."""
        if not prefix:
            rows = self._rows(
                "SELECT idx, stream, seq, hash, canonical FROM entry WHERE idx > ? ORDER BY idx LIMIT ?",
                (after_idx, limit),
            )
        else:
            query = _PREFIX_BY_NAME if is_narrow(prefix) else _PREFIX_BY_PLACE
            rows = self._rows(query, (prefix, after_prefix(prefix), after_idx, limit))
        return [stored_entry(*row) for row in rows]

    async def rows(self, *, after_idx: int = 0, limit: int = 1000) -> Sequence[tuple[int, bytes, str]]:
        """The stored bytes and hashes."""
        query = "SELECT idx, canonical, hash FROM entry WHERE idx > ? ORDER BY idx LIMIT ?"
        return [(idx, bytes(canonical), digest) for idx, canonical, digest in self._rows(query, (after_idx, limit))]

    # --- Records

    async def record(self, table: str, key: str) -> Any | None:
        """One document."""
        rows = self._rows("SELECT value FROM record WHERE tbl = ? AND key = ?", (table, key))
        return orjson.loads(rows[0][0]) if rows else None

    async def records(self, table: str, prefix: str = "") -> Sequence[tuple[str, Any]]:
        """Documents by prefix."""
        rows = self._rows(
            "SELECT key, value FROM record WHERE tbl = ? AND key >= ? AND key < ? ORDER BY key",
            (table, prefix, after_prefix(prefix)),
        )
        return [(key, orjson.loads(value)) for key, value in rows]

    async def blob(self, space: str, cid: str) -> bytes | None:
        """A body."""
        if (recent := self._recent.get((space, cid))) is not None:
            return recent
        rows = self._rows("SELECT data FROM blob WHERE space = ? AND cid = ?", (space, cid))
        return bytes(rows[0][0]) if rows else None

    async def balance(self, name: str) -> Balance | None:
        """A balance."""
        rows = self._rows("SELECT name, lim, used, held FROM balance WHERE name = ?", (name,))
        return Balance(*rows[0]) if rows else None

    async def holding(self, prefix: str) -> Sequence[str]:
        """Balances that hold something."""
        query = "SELECT name FROM balance WHERE name >= ? AND name < ? AND held > 0 ORDER BY name"
        return [name for (name,) in self._rows(query, (prefix, after_prefix(prefix)))]

    # --- Lease

    async def take(self, holder: str, lease: str = HOME_LEASE) -> int:
        """Raise the epoch; a group that is being written finishes first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, holder, lease)

    def _take(self, holder: str, lease: str) -> int:
        with translated(self.path):
            self._writing.execute("BEGIN IMMEDIATE")
            try:
                (epoch,) = self._writing.execute(_TAKE, (lease, holder)).fetchone()
                self._writing.execute("COMMIT")
            except BaseException:
                self._writing.execute("ROLLBACK")
                raise
            self._view.forget()  # its own writes are not what `begin` looks for
        return int(epoch)

    # --- Once

    async def once(self, space: str, name: str, *, until_us: int, now_us: int) -> bool:
        """Note a name."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._note, space, name, until_us, now_us)

    def _note(self, space: str, name: str, until_us: int, now_us: int) -> bool:
        with translated(self.path):
            self._writing.execute("BEGIN IMMEDIATE")
            try:
                self._writing.execute("DELETE FROM once WHERE until_us < ?", (now_us,))
                noted = self._writing.execute("INSERT OR IGNORE INTO once VALUES (?, ?, ?)", (space, name, until_us))
                self._writing.execute("COMMIT")
            except BaseException:
                _roll_back(self._writing)
                raise
        return noted.rowcount == 1

    async def changed(self) -> bool:
        """True where another process has written since the last time this was asked."""
        # Asked on the writing connection, whose own writes do not count.
        now = await asyncio.get_running_loop().run_in_executor(self._thread, self._data_version)
        seen, self._seen = self._seen, now
        return seen != now

    async def place(self) -> int:
        """The last entry's place."""
        ((place,),) = self._rows("SELECT coalesce(max(idx), 0) FROM entry", ())
        return int(place)

    async def heads(self, prefix: str, *, after_idx: int = 0) -> Sequence[tuple[StreamId, int]]:
        """Streams and their last entries' numbers."""
        rows = self._rows(_NEW_HEADS if after_idx else _ALL_HEADS, (prefix, after_prefix(prefix), after_idx))
        return sorted((StreamId(stream), int(seq)) for stream, seq in rows)

    async def close(self) -> None:
        """Write what waits, then close the file."""
        self._closed = True
        await self._groups.finish()
        self._thread.shutdown()
        self._reading.close()
        self._writing.close()

    # --- inside

    def write_group(self, commits: Sequence[Commit]) -> list[Result]:
        """Write a group as one transaction, in the writer's thread; each member has its own result."""
        with translated(self.path):
            self._writing.execute("BEGIN IMMEDIATE")
            try:
                self._view.begin(commits)
                batch, results = settle(self._view, commits, tenant=self.tenant)
                self._insert(batch)
                self._writing.execute("COMMIT")
            except BaseException:
                self._view.forget()
                _roll_back(self._writing)
                raise
            self._view.remember(batch)
            self._recent.keep(batch.blobs)
        return results

    def _insert(self, batch: Batch) -> None:
        writing = self._writing
        writing.executemany(
            "INSERT INTO entry (idx, stream, seq, fact, hash, closes, canonical) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(e.idx, e.stream, e.seq, e.fact, e.hash, e.closes, canonical) for e, canonical in batch.entries],
        )
        writing.executemany(
            "INSERT OR IGNORE INTO blob (space, cid, data) VALUES (?, ?, ?)",
            [(blob.space, blob.cid, blob.data) for blob in batch.blobs],
        )
        kept = [(r.table, r.key, orjson.dumps(r.value)) for r in batch.records.values() if r.value is not None]
        gone = [(r.table, r.key) for r in batch.records.values() if r.value is None]
        writing.executemany("INSERT OR REPLACE INTO record (tbl, key, value) VALUES (?, ?, ?)", kept)
        writing.executemany("DELETE FROM record WHERE tbl = ? AND key = ?", gone)
        writing.executemany(
            "INSERT OR REPLACE INTO balance (name, lim, used, held) VALUES (?, ?, ?, ?)",
            [(b.name, b.limit, b.used, b.held) for b in batch.balances.values()],
        )

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        with translated(self.path):
            return self._reading.execute(query, values).fetchall()

    def _data_version(self) -> int:
        with translated(self.path):
            (version,) = self._writing.execute("PRAGMA data_version").fetchone()
        return int(version)


class _SqliteView(RememberedView):
    """What the writer looks at, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection
        self._version = -1

    def begin(self, commits: Sequence[Commit]) -> None:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or self.full:
            self.forget()
            self._version = version
        # A query costs ten times what it finds: the streams of a whole group are looked up together.
        if unknown := self.unknown_streams(commits):
            self.learn_heads(unknown, self.look_up_heads(unknown))

    def look_up_heads(self, streams: Sequence[StreamId]) -> dict[StreamId, Head]:
        found = self._connection.execute(_HEADS, (orjson.dumps(streams).decode(),)).fetchall()
        return {stream: Head(seq, digest, closed=bool(closed)) for stream, seq, digest, closed in found}

    def look_up_fact(self, stream: StreamId, fact: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM entry WHERE stream = ? AND fact = ?", (stream, fact)).fetchone()
        return found is not None

    def look_up_epoch(self, lease: str) -> int:
        row = self._connection.execute("SELECT epoch FROM lease WHERE name = ?", (lease,)).fetchone()
        return 0 if row is None else int(row[0])

    def look_up_balance(self, name: str) -> Balance | None:
        row = self._connection.execute("SELECT name, lim, used, held FROM balance WHERE name = ?", (name,)).fetchone()
        return None if row is None else Balance(*row)

    def look_up_last_idx(self) -> int:
        (last,) = self._connection.execute("SELECT coalesce(max(idx), 0) FROM entry").fetchone()
        return int(last)


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        # SQLite rolls back by itself when the disk is full; anything else leaves the connection unusable.
        if connection.in_transaction:
            raise StoreUnreachable(f"The transaction could not be rolled back: {error}.") from error
