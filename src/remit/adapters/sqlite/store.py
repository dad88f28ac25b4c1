"""The store on one SQLite file."""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from remit.adapters.sqlite.connection import connect, translated
from remit.errors import RemitError, StoreCorrupted, StoreUnreachable
from remit.ids import DEFAULT_TENANT, StreamId
from remit.ledger import Balance, Batch, Commit, Entry, Head, PutBlob, Result, parse, settle

#: Heads, balances and facts kept in memory between transactions; beyond it they are read again.
_CACHED_MAX = 50_000
#: How many bodies are kept in memory after they were written, and the largest of them: 4 MB in all at the most.
_RECENT_MAX, _RECENT_BYTES_MAX = 2_000, 2_000
#: The last entry of each stream of a JSON list, and whether any of the stream's entries closed it.
_HEADS = """
    SELECT asked.value, last.seq, last.hash, EXISTS (SELECT 1 FROM entry WHERE stream = asked.value AND closes)
    FROM json_each(?) AS asked
    CROSS JOIN entry AS last ON last.idx = (SELECT idx FROM entry WHERE stream = asked.value ORDER BY seq DESC LIMIT 1)
"""


class SqliteStore:
    """One file; reads on one connection, writes grouped on another in a thread of its own."""

    def __init__(self, path: Path, tenant: str = DEFAULT_TENANT) -> None:
        self.path = path
        self.tenant = tenant
        self._reading = connect(path)
        self._writing = connect(path)
        self._view = _SqliteView(self._writing)
        self._recent = _RecentBodies()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="remit-journal")
        self._waiting: list[tuple[Commit, asyncio.Future[tuple[Entry, ...]]]] = []
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        self._seen = self._data_version()

    # --- Journal

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Join the next group; return when it is durable."""
        if self._closed:
            raise StoreUnreachable(f"{self.path.name} was closed.")
        done: asyncio.Future[tuple[Entry, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commit, done))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._write_groups())
        # A caller that is cancelled cancels this future alone: the commit may be on its way to the disk already.
        return await done

    async def read(self, stream: StreamId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of one stream."""
        rows = self._rows(
            "SELECT idx, stream, seq, hash, canonical FROM entry WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
            (stream, after, limit),
        )
        return [_entry(*row) for row in rows]

    async def read_prefix(self, prefix: str, *, after_idx: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of all streams with this prefix, in the order of writing."""
        if not prefix:
            rows = self._rows(
                "SELECT idx, stream, seq, hash, canonical FROM entry WHERE idx > ? ORDER BY idx LIMIT ?",
                (after_idx, limit),
            )
        else:
            rows = self._rows(
                "SELECT idx, stream, seq, hash, canonical FROM entry "
                "WHERE stream >= ? AND stream < ? AND idx > ? ORDER BY idx LIMIT ?",
                (prefix, _after(prefix), after_idx, limit),
            )
        return [_entry(*row) for row in rows]

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
            (table, prefix, _after(prefix)),
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

    # --- Lease

    async def take(self, holder: str) -> int:
        """Raise the epoch; a group that is being written finishes first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, holder)

    def _take(self, holder: str) -> int:
        with translated(self.path):
            self._writing.execute("BEGIN IMMEDIATE")
            try:
                self._writing.execute("UPDATE lease SET epoch = epoch + 1, holder = ?", (holder,))
                (epoch,) = self._writing.execute("SELECT epoch FROM lease").fetchone()
                self._writing.execute("COMMIT")
            except BaseException:
                self._writing.execute("ROLLBACK")
                raise
            self._view.forget()  # its own writes are not what `begin` looks for
        return int(epoch)

    async def changed(self) -> bool:
        """True where another process has written since the last time this was asked."""
        # Asked on the writing connection, whose own writes do not count.
        now = await asyncio.get_running_loop().run_in_executor(self._thread, self._data_version)
        seen, self._seen = self._seen, now
        return seen != now

    async def close(self) -> None:
        """Write what waits, then close the file."""
        self._closed = True
        if self._pump is not None:
            await asyncio.gather(self._pump, return_exceptions=True)
        self._thread.shutdown()
        self._reading.close()
        self._writing.close()

    # --- inside

    async def _write_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            results = await self._results([commit for commit, _ in group])
            for (_, done), result in zip(group, results, strict=True):
                if done.cancelled():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                    done.exception()  # a caller that went away must not leave a warning behind
                else:
                    done.set_result(result)

    async def _results(self, commits: list[Commit]) -> Sequence[tuple[Entry, ...] | Exception]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self.write_group, commits)
        except RemitError as error:
            return [error] * len(commits)
        except Exception as error:  # noqa: BLE001 -- one caller's mistake, such as a value that is no JSON: nobody may wait for ever
            if len(commits) == 1:
                return [error]
            # Whose mistake it is shows when each is written alone; the others are as good as before.
            return [(await self._results([commit]))[0] for commit in commits]

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


class _RecentBodies:
    """Small bodies as they were just written, still encrypted: a plan's inputs are mostly used soon after.

    A body is named by its content: of two sealings either opens to the same, so what is kept here cannot become old.
    Filled by the writer's thread.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}
        self.get = self._kept.get

    def keep(self, blobs: Sequence[PutBlob]) -> None:
        kept = self._kept
        for blob in blobs:
            if len(blob.data) <= _RECENT_BYTES_MAX:
                kept.setdefault((blob.space, blob.cid), blob.data)
        while len(kept) > _RECENT_MAX:
            del kept[next(iter(kept))]


class _SqliteView:
    """What the writer looks at, inside its transaction; what nobody else can have changed is kept in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._heads: dict[StreamId, Head] = {}
        self._balances: dict[str, Balance] = {}
        self._last_idx: int | None = None
        self._epoch: int | None = None
        self._version = -1
        #: Streams that began under this view: all facts that they hold are known.
        self._facts: dict[StreamId, set[str]] = {}
        self._facts_count = 0

    def begin(self, commits: Sequence[Commit]) -> None:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or max(len(self._heads), len(self._balances), self._facts_count) > _CACHED_MAX:
            self.forget()
            self._version = version
        # A query costs ten times what it finds: the streams of a whole group are looked up together.
        streams = [draft.stream for commit in commits for draft in commit.entries]
        unknown = {stream: None for stream in streams if stream not in self._heads}
        if unknown:
            self._read_heads(list(unknown))

    def forget(self) -> None:
        self._heads.clear()
        self._balances.clear()
        self._facts.clear()
        self._facts_count = 0
        self._last_idx = None
        self._epoch = None

    def remember(self, batch: Batch) -> None:
        self._heads.update(batch.heads)
        self._balances.update(batch.balances)
        if not batch.entries:
            return
        self._last_idx = batch.entries[-1][0].idx
        for entry, _ in batch.entries:
            if entry.seq == 1:
                self._facts[entry.stream] = set()
            if entry.fact is not None and (facts := self._facts.get(entry.stream)) is not None:
                facts.add(entry.fact)
                self._facts_count += 1

    def head(self, stream: StreamId) -> Head:
        if stream not in self._heads:
            self._read_heads([stream])
        return self._heads[stream]

    def _read_heads(self, streams: Sequence[StreamId]) -> None:
        found = self._connection.execute(_HEADS, (orjson.dumps(streams).decode(),)).fetchall()
        self._heads.update(dict.fromkeys(streams, Head()))
        self._heads.update((stream, Head(seq, digest, closed=bool(closed))) for stream, seq, digest, closed in found)

    def has_fact(self, stream: StreamId, fact: str) -> bool:
        facts = self._facts.get(stream)
        if facts is not None:
            return fact in facts
        found = self._connection.execute("SELECT 1 FROM entry WHERE stream = ? AND fact = ?", (stream, fact)).fetchone()
        return found is not None

    def epoch(self) -> int:
        if self._epoch is None:
            (epoch,) = self._connection.execute("SELECT epoch FROM lease").fetchone()
            self._epoch = int(epoch)
        return self._epoch

    def balance(self, name: str) -> Balance | None:
        balance = self._balances.get(name)
        if balance is None:
            row = self._connection.execute(
                "SELECT name, lim, used, held FROM balance WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                return None
            balance = self._balances[name] = Balance(*row)
        return balance

    def last_idx(self) -> int:
        if self._last_idx is None:
            (last,) = self._connection.execute("SELECT coalesce(max(idx), 0) FROM entry").fetchone()
            self._last_idx = int(last)
        return self._last_idx


def _entry(idx: int, stream: str, seq: int, digest: str, canonical: bytes) -> Entry:
    try:
        entry = parse(canonical, idx=idx)
    except (ValueError, LookupError, TypeError) as error:
        raise StoreCorrupted(f"The entry {stream}@{seq} cannot be read.") from error
    if entry.hash != digest:
        raise StoreCorrupted(f"The entry {stream}@{seq} was changed: its bytes do not give its hash.")
    return entry


def _after(prefix: str) -> str:
    """The first text after every text that starts with `prefix`; names are below U+10FFFF."""
    return prefix + "\U0010ffff"


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        # SQLite rolls back by itself when the disk is full; anything else leaves the connection unusable.
        if connection.in_transaction:
            raise StoreUnreachable(f"The transaction could not be rolled back: {error}.") from error
