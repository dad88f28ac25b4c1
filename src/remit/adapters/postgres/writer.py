"""Transactions of the process that writes, looked up again where the connection was lost in COMMIT."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
import psycopg

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.connection import Away, connect, translated
from remit.adapters.postgres.view import PostgresView, holding, roll_back
from remit.errors import StoreOutcomeUnknown, StoreUnreachable
from remit.ledger import Batch, Commit, Result, settle

#: All that a group writes, in one statement: a message and a plan for each row would cost more than the rows. Rows come
#: as JSON, which is quick to make and to read; bodies as they are.
_WRITE = b"""
    WITH entries AS (
        INSERT INTO entry (tenant, idx, stream, seq, fact, hash, closes, canonical)
        SELECT %(tenant)s, idx, stream, seq, fact, hash, closes, convert_to(canonical, 'UTF8')
        FROM json_to_recordset(%(entries)s::json) AS given
            (idx bigint, stream text, seq bigint, fact text, hash text, closes boolean, canonical text)
    ), bodies AS (
        INSERT INTO blob (tenant, space, cid, data)
        SELECT %(tenant)s, space, cid, data
        FROM unnest(%(spaces)s::text[], %(cids)s::text[], %(data)b::bytea[]) AS given (space, cid, data)
        ON CONFLICT DO NOTHING
    ), records AS (
        INSERT INTO record (tenant, tbl, key, value)
        SELECT %(tenant)s, tbl, key, convert_to(value, 'UTF8')
        FROM json_to_recordset(%(records)s::json) AS given (tbl text, key text, value text)
        ON CONFLICT (tenant, tbl, key) DO UPDATE SET value = excluded.value
    ), gone AS (
        DELETE FROM record USING json_to_recordset(%(gone)s::json) AS given (tbl text, key text)
        WHERE record.tenant = %(tenant)s AND record.tbl = given.tbl AND record.key = given.key
    ), balances AS (
        INSERT INTO balance (tenant, name, lim, used, held)
        SELECT %(tenant)s, name, lim, used, held
        FROM json_to_recordset(%(balances)s::json) AS given (name text, lim bigint, used bigint, held bigint)
        ON CONFLICT (tenant, name) DO UPDATE SET lim = excluded.lim, used = excluded.used, held = excluded.held
    )
    SELECT
"""
_SIGN = b"""
    WITH signed AS (
        INSERT INTO writer (tenant, id, written) VALUES (%(tenant)s, %(writer)s, %(number)s)
        ON CONFLICT (tenant, id) DO UPDATE SET written = excluded.written, seen = now()
    )
    UPDATE log SET last_idx = %(last_idx)s, version = version + 1 WHERE tenant = %(tenant)s
"""
_TAKE = b"""
    INSERT INTO lease (tenant, name, epoch, holder) VALUES (%(tenant)s, %(lease)s, 1, %(holder)s)
    ON CONFLICT (tenant, name) DO UPDATE SET epoch = lease.epoch + 1, holder = excluded.holder
"""
_WRITTEN = b"SELECT 1 FROM writer WHERE tenant = %(tenant)s AND id = %(writer)s AND written = %(number)s"

T = TypeVar("T")


class _InDoubt(Exception):
    """The connection was lost after COMMIT was sent and before it was answered."""

    def __init__(self, result: Any, cause: psycopg.Error) -> None:
        super().__init__()
        #: What is true where the transaction was written.
        self.result = result
        self.cause = cause


class Writer:
    """One connection that writes; each method runs in the writer's thread."""

    def __init__(
        self, address: StoreAddress, tenant: str, connection: psycopg.Connection, name: str, version: int
    ) -> None:
        self.address = address
        self.tenant = tenant
        self.view = PostgresView(tenant)
        self._id = name
        self._number = 0
        self._connection: psycopg.Connection | None = connection
        self._away = Away()
        #: The version at which `changed` was last asked, moved on by this process's own transactions.
        self._seen = version
        self._others = False

    def write_group(self, commits: Sequence[Commit]) -> list[Result]:
        """Write a group as one transaction; each member has its own result."""

        def attempt(connection: psycopg.Connection) -> list[Result]:
            with holding(self.view, connection, commits):
                self._note()
                batch, results = settle(self.view, commits, tenant=self.tenant)
                if _empty(batch):
                    return results
                given = _given(batch, self.tenant)
                self._commit(connection, _WRITE, given, self.view.last_idx() + len(batch.entries), results)
                self.view.remember(batch)
                return results

        return self._durably(attempt)

    def take(self, holder: str, lease: str) -> int:
        """Raise the lease's epoch."""

        def attempt(connection: psycopg.Connection) -> int:
            with holding(self.view, connection, ()):
                self._note()
                epoch = self.view.epoch(lease) + 1
                given = {"tenant": self.tenant, "lease": lease, "holder": holder}
                self._commit(connection, _TAKE, given, self.view.last_idx(), epoch)
                self.view.forget()
                return epoch

        return self._durably(attempt)

    def changed(self) -> bool:
        """True where another process has written since the last time this was asked."""
        with translated(self.address):
            version = self._patiently(self._version)
        changed, self._others = self._others or version != self._seen, False
        self._seen = version
        return changed

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()

    def hurry(self) -> None:
        """Stop waiting for a server that is away."""
        self._away.over.set()

    # --- inside

    def _version(self, connection: psycopg.Connection) -> int:
        row = connection.execute("SELECT version FROM log WHERE tenant = %s", (self.tenant,), prepare=True).fetchone()
        assert row is not None, "the tenant's row is made when the store is opened"
        return int(row[0])

    def _note(self) -> None:
        if self.view.version != self._seen:
            self._others = True
            self._seen = self.view.version

    def _commit(
        self,
        connection: psycopg.Connection,
        write: bytes,
        given: dict[str, Any],
        last_idx: int,
        result: list[Result] | int,
    ) -> None:
        """Send what is written, the process's signature and COMMIT in one trip."""
        self._number += 1
        signature = {"tenant": self.tenant, "writer": self._id, "number": self._number, "last_idx": last_idx}
        try:
            with connection.pipeline():
                connection.execute(write, given, prepare=True)
                connection.execute(_SIGN, signature, prepare=True)
                connection.execute("COMMIT")
        except psycopg.Error as error:
            if connection.closed:
                raise _InDoubt(result, error) from error
            raise
        self.view.version += 1
        self._seen += 1

    def _durably(self, attempt: Callable[[psycopg.Connection], T]) -> T:
        """Try until it is written or refused, and never twice what was written.

        Raises:
            StoreOutcomeUnknown: the server was lost in COMMIT and did not come back in time.
            StoreUnreachable: the server was lost before; nothing was written.
        """
        doubt: _InDoubt | None = None

        def once(connection: psycopg.Connection) -> T:
            nonlocal doubt
            if doubt is not None:
                result: T = doubt.result
                if self._was_written(connection):
                    return result
                doubt = None
            try:
                return attempt(connection)
            except _InDoubt as lost_in_commit:
                doubt = lost_in_commit
                raise lost_in_commit.cause from None

        try:
            with translated(self.address):
                return self._patiently(once)
        except StoreUnreachable as error:
            if doubt is None:
                raise
            raise StoreOutcomeUnknown(error.detail) from error

    def _was_written(self, connection: psycopg.Connection) -> bool:
        """Whether the last transaction of this process was written, once the session that sent it is over."""
        self.view.forget()
        try:
            # Whoever holds the record now, that session included, is waited for.
            self.view.begin(connection, ())
            signature = {"tenant": self.tenant, "writer": self._id, "number": self._number}
            if connection.execute(_WRITTEN, signature).fetchone() is None:
                return False
            self._seen += 1
            self._note()
            return True
        finally:
            roll_back(connection)

    def _patiently(self, work: Callable[[psycopg.Connection], T]) -> T:
        """Do `work` on a connection that lives; a server that is away is waited for."""
        for last, pause in self._away.pauses():
            try:
                if self._connection is None or self._connection.closed:
                    self.view.forget()
                    self._connection = connect(self.address, self.tenant, writes=True)
                return work(self._connection)
            except psycopg.Error as error:
                if last or not self._away.means(error, self._connection):
                    raise
                if self._connection is not None:
                    self._connection.close()
            pause()
        raise AssertionError("the last try returns or raises")


def _empty(batch: Batch) -> bool:
    return not (batch.entries or batch.blobs or batch.records or batch.balances)


def _given(batch: Batch, tenant: str) -> dict[str, Any]:
    """What `_WRITE` is given; made before anything is sent, since a record may be no JSON."""
    entries = [
        {
            "idx": entry.idx,
            "stream": entry.stream,
            "seq": entry.seq,
            "fact": entry.fact,
            "hash": entry.hash,
            "closes": entry.closes,
            "canonical": canonical.decode(),
        }
        for entry, canonical in batch.entries
    ]
    kept = [
        {"tbl": record.table, "key": record.key, "value": orjson.dumps(record.value).decode()}
        for record in batch.records.values()
        if record.value is not None
    ]
    gone = [{"tbl": record.table, "key": record.key} for record in batch.records.values() if record.value is None]
    balances = [
        # As text: whether a number fits into 64 bits is the server's to say.
        {"name": name, "lim": str(balance.limit), "used": str(balance.used), "held": str(balance.held)}
        for name, balance in batch.balances.items()
    ]
    return {
        "tenant": tenant,
        "entries": orjson.dumps(entries).decode(),
        "spaces": [blob.space for blob in batch.blobs],
        "cids": [blob.cid for blob in batch.blobs],
        "data": [blob.data for blob in batch.blobs],
        "records": orjson.dumps(kept).decode(),
        "gone": orjson.dumps(gone).decode(),
        "balances": orjson.dumps(balances).decode(),
    }
