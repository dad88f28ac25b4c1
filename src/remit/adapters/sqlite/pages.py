"""The rows of a SQLite store, for copying."""

from pathlib import Path

from remit.adapters.sqlite.connection import connect, translated
from remit.errors import InvalidInput
from remit.ledger.copying import ENTRIES, Row, Table


class SqlitePages:
    """One file; filled under another name, which it loses when it is whole."""

    def __init__(self, path: Path, *, fills: bool = False) -> None:
        """Open the file to read from, or one beside it to be filled.

        Raises:
            NotFound: there is nothing to copy.
            InvalidInput: a record stands where one is to be put.
            StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be opened.
        """
        self.shown = str(path)
        self._path = path
        self._file = path.with_name(f"{path.name}.copy") if fills else path
        filled = path.is_file() and path.stat().st_size
        if fills and filled:
            raise InvalidInput(f"{path} holds a record.", hint="Move it elsewhere before another is copied there.")
        if not fills and not filled:
            raise InvalidInput(f"There is no record in {path}.")
        self._connection = connect(self._file)

    def count(self, table: Table) -> int:
        """How many rows there are."""
        with translated(self._file):
            (count,) = self._connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()  # noqa: S608 -- our own names
        return int(count)

    def page(self, table: Table, after: Row, limit: int) -> list[Row]:
        """Rows from a key on."""
        key = ", ".join(table.columns[: table.key])
        beyond = f"WHERE ({key}) > ({', '.join('?' * table.key)})" if after else ""
        query = f"SELECT {', '.join(table.columns)} FROM {table.name} {beyond} ORDER BY {key} LIMIT ?"  # noqa: S608 -- our own names
        with translated(self._file):
            rows = self._connection.execute(query, (*after, limit)).fetchall()
        if table is not ENTRIES:
            return rows
        return [(*before, bool(closes), text) for *before, closes, text in rows]

    def close(self) -> None:
        """Let go of the file, and of the writers that waited."""
        self._connection.close()

    # --- Source

    def freeze(self) -> None:
        """Let nobody write: the home's lock tells of a driver, this keeps everybody else out."""
        with translated(self._file):
            self._connection.execute("BEGIN IMMEDIATE")

    # --- Target

    def begin(self, home: str) -> None:
        """Nothing is written down: where the rows of an earlier copy are not this record's, that shows."""

    def put(self, table: Table, rows: list[Row]) -> None:
        """Write rows in one transaction."""
        places = ", ".join("?" * len(table.columns))
        statement = f"INSERT OR IGNORE INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})"  # noqa: S608 -- our own names
        with translated(self._file), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(statement, rows)

    def clear(self, table: Table) -> None:
        """Remove all rows."""
        with translated(self._file):
            self._connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 -- our own names

    def finish(self) -> None:
        """Give the file its name."""
        with translated(self._file):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        self._file.rename(self._path)
