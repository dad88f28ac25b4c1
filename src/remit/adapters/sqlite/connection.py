"""Opening the file: pragmas, schema steps, and SQLite's errors in the catalogue's words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remit.adapters.sqlite.schema import APPLICATION_ID, STEPS
from remit.errors import StoreCorrupted, StoreTooNew, StoreUnreachable

#: How long a transaction waits for another process's transaction.
BUSY_SECONDS = 5.0
#: A whole check at each start is quick up to this size; above it `remit doctor` does it.
_CHECKED_BYTES_MAX = 64 * 1024 * 1024


def connect(path: Path) -> sqlite3.Connection:
    """Open (and, where it is new, create) the store file.

    Raises:
        StoreCorrupted: not a Remit store, or damaged.
        StoreTooNew: written by a newer release.
        StoreUnreachable: no permission, no space.
    """
    with translated(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark != APPLICATION_ID and tables:
        raise StoreCorrupted(f"{path.name} is a SQLite file, but not a Remit store.")
    if version > len(STEPS):
        raise StoreTooNew(f"{path.name} is at schema {version}; this release knows {len(STEPS)}.")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    if version < len(STEPS):
        _upgrade(connection)
    elif path.stat().st_size <= _CHECKED_BYTES_MAX:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreCorrupted(f"{path.name}: {verdict}.")


def _upgrade(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been quicker: what counts is the version inside the transaction.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for step in STEPS[version:]:
            for statement in step.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as the catalogue's: what happened, to which file, never with its content."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnreachable(f"{path.name}: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise StoreCorrupted(f"{path.name}: {error}.") from error
