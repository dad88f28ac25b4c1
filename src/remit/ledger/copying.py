"""Copying a record from one store to another, row by row and byte for byte, and comparing the two afterwards."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import orjson

from remit.errors import InvalidInput, StoreCorrupted
from remit.ledger.seal import PublicKey
from remit.ledger.verify import verify_rows

_PAGE = 500

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of row that every store of rows holds under these names."""

    name: str
    #: What people call its rows.
    words: str
    columns: tuple[str, ...]
    #: How many of the columns, from the first, are its key.
    key: int


ENTRIES = Table("entry", "entries", ("idx", "stream", "seq", "fact", "hash", "closes", "canonical"), 1)
BODIES = Table("blob", "bodies", ("space", "cid", "data"), 2)
RECORDS = Table("record", "records", ("tbl", "key", "value"), 2)
BALANCES = Table("balance", "balances", ("name", "lim", "used", "held"), 1)
LEASES = Table("lease", "leases", ("name", "epoch", "holder"), 1)
TABLES = (ENTRIES, BODIES, RECORDS, BALANCES, LEASES)


class Pages(Protocol):
    """The rows of a store, in the order of their keys."""

    #: Where it stands, for people.
    shown: str

    def count(self, table: Table) -> int:
        """How many rows there are."""
        ...

    def page(self, table: Table, after: Row, limit: int) -> list[Row]:
        """Rows from a key (exclusive) on; from the first where `after` is empty."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Source(Pages, Protocol):
    """The store that is copied; nothing in it is changed."""

    def freeze(self) -> None:
        """Let nobody write until it is closed.

        Raises:
            HomeBusy: a driver is live.
            StoreUnreachable: somebody is writing and does not end.
        """
        ...


class Target(Pages, Protocol):
    """The store that is filled; it cannot be used as one before `finish`."""

    def begin(self, home: str) -> None:
        """Begin to fill it for the home with this ledger key, or go on with what an earlier copy left.

        Raises:
            InvalidInput: it holds a record.
        """
        ...

    def put(self, table: Table, rows: list[Row]) -> None:
        """Write rows, durable on return; bodies that are there stay."""
        ...

    def clear(self, table: Table) -> None:
        """Remove what an earlier copy wrote."""
        ...

    def finish(self) -> None:
        """Make it a store."""
        ...


#: Told what is copied or compared, how many rows are done, and of how many.
Told = Callable[[str, int, int], None]


def copy(source: Source, target: Target, key: PublicKey, told: Told) -> dict[str, int]:
    """Copy everything and compare it; returns how many rows of each kind there are.

    An entry that an earlier, interrupted copy wrote is not written again.

    Raises:
        HomeBusy, StoreUnreachable: as `freeze`.
        InvalidInput: the target holds a record, or a part of another one.
        StoreCorrupted: what was copied does not verify, or differs; the target is no store then.
    """
    source.freeze()
    target.begin(key.vkey)
    done = target.count(ENTRIES)
    if done and not same_end(source, target, done):
        raise InvalidInput(
            f"{target.shown} holds a part of another record.", hint="Empty it, or copy to another place."
        )
    for table in (RECORDS, BALANCES, LEASES):
        target.clear(table)
    for table in TABLES:
        _copy_rows(source, target, table, (done,) if table is ENTRIES and done else (), told)
    counts = _compare(source, target, told)
    _verify(target, key)
    target.finish()
    return counts


def same_end(one: Pages, other: Pages, size: int) -> bool:
    """True where both hold the same entry at this place; the chain and the tree tie all before it to it."""
    after = (size - 1,) if size > 1 else ()
    ends = [pages.page(ENTRIES, after, 1) for pages in (one, other)]
    return bool(ends[0]) and ends[0] == ends[1]


def _copy_rows(source: Source, target: Target, table: Table, after: Row, told: Told) -> None:
    total = source.count(table)
    done = int(after[0]) if after else 0
    while rows := source.page(table, after, _PAGE):
        target.put(table, rows)
        after = rows[-1][: table.key]
        done += len(rows)
        told(f"copied {table.words}", done, total)


def _compare(source: Source, target: Target, told: Told) -> dict[str, int]:
    counts = {}
    for table in TABLES:
        counts[table.words] = source.count(table)
        if _digest(source, table) != _digest(target, table):
            raise StoreCorrupted(f"The {table.words} in {target.shown} are not those of {source.shown}.")
        told(f"compared {table.words}", counts[table.words], counts[table.words])
    return counts


def _verify(target: Target, key: PublicKey) -> None:
    rows = ((idx, canonical, digest) for idx, _, _, _, digest, _, canonical in _all(target, ENTRIES))
    notes = (orjson.loads(value)["note"] for table, _, value in _all(target, RECORDS) if table == "seal")
    verdict = verify_rows(key, rows, notes)
    if not verdict.ok:
        bad = verdict.first_bad
        raise StoreCorrupted(f"The record does not verify{f': {bad.ref or bad.idx}: {bad.reason}' if bad else ''}.")


def _all(pages: Pages, table: Table) -> Iterator[Row]:
    after: Row = ()
    while rows := pages.page(table, after, _PAGE):
        yield from rows
        after = rows[-1][: table.key]


def _digest(pages: Pages, table: Table) -> str:
    """One hash over every value of every row, each with its type and length."""
    hashed = sha256()
    for row in _all(pages, table):
        for value in row:
            plain = value if isinstance(value, bytes) else str(value).encode()
            hashed.update(f"{type(value).__name__}:{len(plain)}:".encode())
            hashed.update(plain)
    return hashed.hexdigest()
