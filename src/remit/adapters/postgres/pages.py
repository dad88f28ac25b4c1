"""The rows of a tenant on PostgreSQL, for copying."""

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.connection import connect, translated
from remit.adapters.postgres.holding import Holding
from remit.adapters.postgres.schema import prepare
from remit.errors import InvalidInput, KeyMissing
from remit.ids import DEFAULT_TENANT
from remit.ledger.copying import Row, Table

_LOCK = "SELECT last_idx, home, filling FROM log WHERE tenant = %s FOR UPDATE"
_FINISH = """
    UPDATE log SET filling = false, version = version + 1,
        last_idx = (SELECT coalesce(max(idx), 0) FROM entry WHERE tenant = %(tenant)s)
    WHERE tenant = %(tenant)s
"""


class PostgresPages:
    """One session; it is marked while it is filled, and opened as a store only when the mark is gone."""

    def __init__(self, address: StoreAddress, tenant: str = DEFAULT_TENANT) -> None:
        """Open a session.

        Raises:
            StoreUnreachable, StoreTooNew, StoreCorrupted, InvalidSetting: as `PostgresStore`.
        """
        self.shown = address.shown
        self._address = address
        self._tenant = tenant
        self._holding = Holding(address, tenant)
        with translated(address):
            self._connection = connect(address, tenant, writes=True)
            try:
                # A page of the other store may take its time.
                self._connection.execute("SET idle_in_transaction_session_timeout = 0")
                prepare(self._connection, address.shown)
                self._connection.execute("INSERT INTO log (tenant) VALUES (%s) ON CONFLICT DO NOTHING", (tenant,))
            except BaseException:
                self._connection.close()
                raise

    def count(self, table: Table) -> int:
        """How many rows there are."""
        with translated(self._address):
            query = f"SELECT count(*) FROM {table.name} WHERE tenant = %s"  # noqa: S608 -- our own names
            row = self._connection.execute(query.encode(), (self._tenant,)).fetchone()
        assert row is not None, "a count is one row"
        return int(row[0])

    def page(self, table: Table, after: Row, limit: int) -> list[Row]:
        """Rows from a key on."""
        key = ", ".join(table.columns[: table.key])
        beyond = f"AND ({key}) > ({', '.join(['%s'] * table.key)})" if after else ""
        query = (
            f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE tenant = %s {beyond} "  # noqa: S608 -- our own names
            f"ORDER BY tenant, {key} LIMIT %s"
        )
        with translated(self._address):
            return self._connection.execute(query.encode(), (self._tenant, *after, limit), binary=True).fetchall()

    def close(self) -> None:
        """Let go of the session, and of the writers that waited."""
        self._holding.let_go()
        self._connection.close()

    def check_home(self, home: str) -> None:
        """Refuse a record that is not the home's, or none.

        Raises:
            InvalidInput: no record, or a part of one.
            KeyMissing: another home's.
        """
        with translated(self._address):
            row = self._connection.execute(
                "SELECT home, filling FROM log WHERE tenant = %s", (self._tenant,)
            ).fetchone()
        assert row is not None, "it was made when this was opened"
        if not row[0] or row[1]:
            raise InvalidInput(
                f"There is no whole record in {self.shown}.", hint="Copy one there first: `remit store copy`."
            )
        if row[0] != home:
            raise KeyMissing(f"The record in {self.shown} was written under another home's keys.")

    # --- Source

    def freeze(self) -> None:
        """Hold the record, as whoever writes does, until this is closed."""
        self._holding.take()
        with translated(self._address):
            self._connection.execute("BEGIN")
            self._connection.execute(_LOCK, (self._tenant,))

    # --- Target

    def begin(self, home: str) -> None:
        """Mark it."""
        with translated(self._address), self._connection.transaction():
            row = self._connection.execute(_LOCK, (self._tenant,)).fetchone()
            assert row is not None, "it was made when this was opened"
            last_idx, standing, filling = row
            if last_idx or (standing and not filling) or (filling and standing != home):
                raise InvalidInput(f"{self.shown} holds a record.", hint="Copy to an empty database.")
            self._connection.execute("UPDATE log SET filling = true, home = %s WHERE tenant = %s", (home, self._tenant))

    def put(self, table: Table, rows: list[Row]) -> None:
        """Write rows in one transaction."""
        places = ", ".join(["%s"] * (len(table.columns) + 1))
        statement = (
            f"INSERT INTO {table.name} (tenant, {', '.join(table.columns)}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608 -- our own names
        )
        with translated(self._address), self._connection.transaction():
            self._connection.cursor().executemany(statement.encode(), [(self._tenant, *row) for row in rows])

    def clear(self, table: Table) -> None:
        """Remove all rows."""
        with translated(self._address):
            self._connection.execute(f"DELETE FROM {table.name} WHERE tenant = %s".encode(), (self._tenant,))  # noqa: S608 -- our own names

    def finish(self) -> None:
        """Take the mark away."""
        with translated(self._address):
            self._connection.execute(_FINISH, {"tenant": self._tenant})
