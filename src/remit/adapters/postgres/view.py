"""What the writer looks at, inside its transaction: asked for in one trip to the server wherever that can be."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from remit.ids import StreamId
from remit.ledger import Balance, Commit, Head, MoveBalance, OpenBalance, RememberedView

_HEADS = b"""
    SELECT asked.stream, last.seq, last.hash,
        EXISTS (SELECT 1 FROM entry WHERE tenant = %(tenant)s AND stream = asked.stream AND closes)
    FROM unnest(%(streams)s::text[]) AS asked (stream)
    CROSS JOIN LATERAL (
        SELECT seq, hash FROM entry WHERE tenant = %(tenant)s AND stream = asked.stream ORDER BY seq DESC LIMIT 1
    ) AS last
"""
_FACTS = b"""
    SELECT entry.stream, entry.fact
    FROM unnest(%(streams)s::text[], %(facts)s::text[]) AS asked (stream, fact)
    JOIN entry ON entry.tenant = %(tenant)s AND entry.stream = asked.stream AND entry.fact = asked.fact
"""
_BALANCES = b"SELECT name, lim, used, held FROM balance WHERE tenant = %(tenant)s AND name = ANY (%(names)s::text[])"
_EPOCHS = b"SELECT name, epoch FROM lease WHERE tenant = %(tenant)s AND name = ANY (%(names)s::text[])"
_LOCK = b"SELECT last_idx, version FROM log WHERE tenant = %(tenant)s FOR UPDATE"

Cursor = psycopg.Cursor[Any]


class _Asked(NamedTuple):
    """What was asked for, and where the answers come."""

    streams: list[StreamId]
    heads: Cursor | None
    facts: Cursor | None
    balances: Cursor | None
    leases: list[str]
    epochs: Cursor | None


class PostgresView(RememberedView):
    """The record as it stands while this process holds the tenant's row of `log`: nobody else writes meanwhile."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self._tenant = tenant
        self._connection: psycopg.Connection | None = None
        #: Where the record's version stood after this process's last transaction.
        self.version = -1
        #: True where others wrote in between of late: then all that is needed is asked for at once.
        self._shared = True
        self._asked_facts: dict[tuple[StreamId, str], bool] = {}

    def begin(self, connection: psycopg.Connection, commits: Sequence[Commit]) -> None:
        """Begin a transaction, wait for the record, and look up what these commits need.

        All that is asked in one trip is answered as of after the lock was had: at this isolation level each statement
        sees what was committed before it.
        """
        self._connection = connection
        if self._shared or self.full:
            self.forget()
        with connection.pipeline():
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            lock = self._ask(_LOCK)
            asked = self._ask_for(commits)
        row = lock.fetchone()
        assert row is not None, "the tenant's row is made when the store is opened"
        last_idx, version = row
        others = version != self.version
        if others and not self._shared:
            self.forget()
            with connection.pipeline():
                asked = self._ask_for(commits)
        self._learn(asked)
        self._shared = others
        self.version, self._last_idx = version, last_idx

    def forget(self) -> None:
        """Keep nothing."""
        super().forget()
        self._asked_facts.clear()

    # --- what a group needs

    def _ask_for(self, commits: Sequence[Commit]) -> _Asked:
        self._asked_facts = dict.fromkeys(self._unknown_facts(commits), False)
        names = list({name: None for name in _balances(commits) if name not in self._balances})
        streams = self.unknown_streams(commits)
        heads = self._ask(_HEADS, streams=streams) if streams else None
        facts = None
        if self._asked_facts:
            of, named = zip(*self._asked_facts, strict=True)
            facts = self._ask(_FACTS, streams=list(of), facts=list(named))
        balances = self._ask(_BALANCES, names=names) if names else None
        leases = list({one: None for c in commits for one, _ in c.leases if one not in self._epochs})
        epochs = self._ask(_EPOCHS, names=leases) if leases else None
        return _Asked(streams, heads, facts, balances, leases, epochs)

    def _learn(self, asked: _Asked) -> None:
        if asked.heads is not None:
            self.learn_heads(asked.streams, _heads(asked.heads))
        if asked.facts is not None:
            self._asked_facts.update(dict.fromkeys(asked.facts.fetchall(), True))
        if asked.balances is not None:
            self._balances.update((row[0], Balance(*row)) for row in asked.balances.fetchall())
        if asked.epochs is not None:
            self._epochs.update(dict.fromkeys(asked.leases, 0))
            self._epochs.update(asked.epochs.fetchall())

    def _unknown_facts(self, commits: Sequence[Commit]) -> Iterator[tuple[StreamId, str]]:
        for commit in commits:
            for draft in commit.entries:
                if draft.fact is not None and draft.stream not in self._facts:
                    yield draft.stream, draft.fact

    # --- what the group turned out to need besides

    def look_up_heads(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Head]:
        """Where these streams stand."""
        return _heads(self._ask(_HEADS, streams=list(streams)))

    def look_up_fact(self, stream: StreamId, fact: str) -> bool:
        """True where the stream holds the fact."""
        known = self._asked_facts.get((stream, fact))
        return bool(self._ask(_FACTS, streams=[stream], facts=[fact]).fetchall()) if known is None else known

    def look_up_balance(self, name: str) -> Balance | None:
        """A balance, or None."""
        row = self._ask(_BALANCES, names=[name]).fetchone()
        return None if row is None else Balance(*row)

    def look_up_epoch(self, lease: str) -> int:
        """The lease's epoch."""
        row = self._ask(_EPOCHS, names=[lease]).fetchone()
        return 0 if row is None else int(row[1])

    def look_up_last_idx(self) -> int:
        """Known from the lock on."""
        raise AssertionError("the last place is read with the lock")

    def _ask(self, query: bytes, **values: Any) -> Cursor:
        assert self._connection is not None, "begin comes first"
        return self._connection.execute(query, {"tenant": self._tenant, **values}, prepare=True, binary=True)


@contextmanager
def holding(view: PostgresView, connection: psycopg.Connection, commits: Sequence[Commit]) -> Iterator[None]:
    """A transaction that holds the record; rolled back where the block fails or leaves it open."""
    try:
        view.begin(connection, commits)
        yield
    except BaseException:
        view.forget()
        raise
    finally:
        roll_back(connection)


def roll_back(connection: psycopg.Connection) -> None:
    """End what is open, if anything is; a connection that cannot even do that is closed."""
    if connection.closed or connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        return
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()


def _heads(found: Cursor) -> dict[StreamId, Head]:
    return {stream: Head(seq, digest, closed=closed) for stream, seq, digest, closed in found.fetchall()}


def _balances(commits: Sequence[Commit]) -> Iterator[str]:
    for commit in commits:
        yield from (write.name for write in commit.writes if isinstance(write, (OpenBalance, MoveBalance)))
