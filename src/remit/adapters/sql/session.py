"""What is done on a database's connections, in a thread."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, exc, inspect, text
from sqlalchemy.engine import CursorResult

from remit.adapters.sql.commands import check_commands
from remit.adapters.sql.database import Database
from remit.adapters.sql.guard import Guard
from remit.adapters.sql.refused import Refused
from remit.adapters.sql.running import Running
from remit.adapters.sql.survey import survey
from remit.adapters.sql.values import bound, collected
from remit.clock import Clock
from remit.errors import InvalidResource, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult
from remit.registry import SqlCommand, SqlSource, Survey
from remit.registry.sql import DESCRIBE, FREE_QUERY, LIST_TABLES

#: Rows that are fetched at once.
_FETCHED = 20
_KEY_COLUMNS = ("call_key", "statement", "answer", "made_at")
#: PostgreSQL: query_canceled; MySQL: query_interrupted.
_CANCELLED = frozenset({"57014", "70100"})
#: The database took a transaction back to let another pass; nothing of it was done.
_COLLIDED = frozenset({"40001", "40P01"})
_TRIES_MAX = 5
_READ_ONLY = "25006"  # PostgreSQL: read_only_sql_transaction


#: Reads something, where a constant is answered without a look at the file.
_PROOF = {"sqlite": "SELECT 1 FROM sqlite_master"}


class _KeyTaken(Exception):
    """Another call came first with the same key."""


class Session:
    """The work of one source under one secret; its methods block, so they run in threads."""

    def __init__(self, name: str, source: SqlSource, database: Database, clock: Clock) -> None:
        """Check the declared queries and statements.

        Raises:
            InvalidResource: one of them cannot be offered; every fault is named.
        """
        check_commands(name, source)
        self.database = database
        self._source = source
        self._guard = Guard(source.dialect, source.tables)
        self._read_of_free = frozenset(
            (table, column) for (_, table), columns in self._guard.tables.items() for column in columns
        )
        self._clock = clock

    def check(self) -> None:
        """Ask the database whether it can be reached, and has the table of keys.

        Raises:
            ToolUnavailable: it cannot be reached.
            InvalidResource: the declared table is not there as it must be.
        """
        declared = self._source.keys_table
        try:
            with self.database.reading(catalogue=True) as connection:
                connection.exec_driver_sql(_PROOF.get(self._source.dialect, "SELECT 1"))
                found = _columns(connection, declared) or {} if declared else {}
        except exc.DBAPIError as error:
            raise self.database.unreached(error) from None
        if declared is None:
            return
        if missing := [name for name in _KEY_COLUMNS if name not in found]:
            raise InvalidResource(
                f"The table {declared!r} that keeps the keys of calls lacks {', '.join(missing)}.",
                hint=f"Make it: CREATE TABLE {declared} (call_key VARCHAR(200) PRIMARY KEY, statement VARCHAR(100) NOT "
                "NULL, answer TEXT NOT NULL, made_at VARCHAR(40) NOT NULL).",
            )

    def survey(self) -> Survey:
        """What the database has, as its account sees it.

        Raises:
            ToolUnavailable: it cannot be reached or read.
        """
        try:
            return survey(self.database)
        except exc.DBAPIError as error:
            raise self.database.unreached(error) from None

    def call(self, tool: str, arguments: Mapping[str, Any], key: str, running: Running) -> ToolResult:
        """Carry out one call.

        Raises:
            ToolUnavailable: the database cannot be reached, and nothing was done.
            ToolUnreachable: it was lost in the middle; whether a write took effect is not known.
        """
        source = self._source
        try:
            if tool in source.statements:
                return ToolResult(self._written(tool, source.statements[tool], arguments, key, running))
            return ToolResult(self._read(tool, arguments, running))
        except Refused as no:
            return ToolResult(None, error=str(no))
        except exc.DBAPIError as error:
            return _failed(error, running, source.limits.seconds)

    # --- Reads

    def _read(self, tool: str, arguments: Mapping[str, Any], running: Running) -> dict[str, Any]:
        source = self._source
        if tool in source.queries:
            query = source.queries[tool]
            binds = bound(query.fields, arguments, source.dialect)
            with self.database.reading() as connection:
                return self._rows(connection, query.sql, binds, running)
        if source.tables and tool == FREE_QUERY:
            checked = self._guard.checked(str(arguments.get("sql", "")), rows=source.limits.rows)
            with self.database.reading(columns=self._read_of_free) as connection:
                return self._rows(connection, checked.sql, checked.binds, running)
        if source.tables and tool == LIST_TABLES:
            return {"tables": [{"table": name, "columns": [*columns]} for name, columns in source.tables.items()]}
        if source.tables and tool == DESCRIBE:
            return self._described(str(arguments.get("table", "")))
        raise Refused("unknown_tool", f"this database has no tool {tool[:60]!r}")

    def _rows(self, connection: Connection, sql: str, binds: Mapping[str, Any], running: Running) -> dict[str, Any]:
        with running.stoppable(self.database.stopper(connection)):
            streamed = connection.execution_options(stream_results=True, max_row_buffer=_FETCHED)
            with streamed.execute(text(sql), dict(binds)) as result:
                return collected([*result.keys()], _fetched(result), self._source.limits)

    def _described(self, table: str) -> dict[str, Any]:
        declared = self._source.tables.get(table)
        if declared is None:
            raise Refused("unknown_name", f"the table {table[:130]!r} is not declared")
        with self.database.reading(catalogue=True) as connection:
            found = _columns(connection, table)
        if found is None:
            raise Refused("missing_table", f"the database has no table {table!r}")
        known = {name.lower(): column for name, column in found.items()}
        return {
            "table": table,
            "columns": [{"name": name, **known[name.lower()]} for name in declared if name.lower() in known],
        }

    # --- Writes

    def _written(
        self, name: str, statement: SqlCommand, arguments: Mapping[str, Any], key: str, running: Running
    ) -> dict[str, Any]:
        """The statement's answer; two calls that stood in each other's way are made one after the other."""
        for _ in range(_TRIES_MAX):
            try:
                return self._write(name, statement, arguments, key, running)
            except _KeyTaken:
                continue
            except exc.DBAPIError as error:
                if running.stopped or _state(error) not in _COLLIDED:
                    raise
        raise ToolUnavailable("Other calls stood in the way each time.", rule="rolled_back")

    def _write(
        self, name: str, statement: SqlCommand, arguments: Mapping[str, Any], key: str, running: Running
    ) -> dict[str, Any]:
        binds = bound(statement.fields, arguments, self._source.dialect)
        with self.database.writing() as connection:
            with running.stoppable(self.database.stopper(connection)):
                recorded = self._recorded(connection, name, key)
                if recorded is not None:
                    return recorded
                answer = self._effected(connection, statement, binds)
                self._keep(connection, name, key, answer)
            try:
                connection.commit()
            except exc.DBAPIError as error:
                raise ToolUnreachable(f"The database was lost while it committed ({_named(error)}).") from None
            return answer

    def _effected(self, connection: Connection, statement: SqlCommand, binds: Mapping[str, Any]) -> dict[str, Any]:
        with connection.execute(text(statement.sql), dict(binds)) as result:
            returned = collected([*result.keys()], _fetched(result), self._source.limits) if result.returns_rows else {}
            touched = result.rowcount
        if returned and touched < 0:
            touched = len(returned["rows"])
        if touched > statement.max_rows:
            raise Refused("too_many_rows", f"it would touch {touched} rows and may touch {statement.max_rows}")
        if touched < 0:
            raise Refused("rows_unknown", "the database does not say how many rows it would touch")
        return {"rows_affected": touched, **returned}

    def _recorded(self, connection: Connection, name: str, key: str) -> dict[str, Any] | None:
        """What an earlier call under this key was answered, or None: the key is this call's now.

        Raises:
            _KeyTaken: another call under this key is or was under way; what became of it shows in a new transaction
                only, as this one may still see the table as it was when it began.
        """
        table = self._source.keys_table
        if table is None:
            return None
        claimed = {"key": key, "statement": name, "at": self._clock.now().isoformat()}
        find = text(f"SELECT statement, answer FROM {table} WHERE call_key = :key")  # noqa: S608 - a declared name
        found = connection.execute(find, claimed).first()
        if found is None:
            insert = f"INSERT INTO {table} (call_key, statement, answer, made_at) VALUES (:key, :statement, '', :at)"  # noqa: S608 - a declared name
            try:
                connection.execute(text(insert), claimed)
            except exc.IntegrityError:
                raise _KeyTaken from None
            return None
        if found.statement != name:
            raise Refused("key_taken", "another statement was called under this key")
        return {**orjson.loads(found.answer), "repeated": True}

    def _keep(self, connection: Connection, name: str, key: str, answer: Mapping[str, Any]) -> None:
        table = self._source.keys_table
        if table is not None:
            written = {"answer": orjson.dumps(dict(answer)).decode(), "key": key, "statement": name}
            sql = f"UPDATE {table} SET answer = :answer WHERE call_key = :key AND statement = :statement"  # noqa: S608 - a declared name
            kept = connection.execute(text(sql), written).rowcount
            assert kept == 1, "a statement's effect and its key stand together or not at all"


def _fetched(result: CursorResult[Any]) -> Any:
    while batch := result.fetchmany(_FETCHED):
        yield from batch


def _columns(connection: Connection, table: str) -> dict[str, dict[str, Any]] | None:
    """Type and nullability by column; None where there is no such table or view."""
    schema, _, name = table.rpartition(".")
    try:
        found = inspect(connection).get_columns(name, schema=schema or None)
    except exc.NoSuchTableError:
        return None
    return {one["name"]: {"type": str(one["type"]), "nullable": bool(one.get("nullable", True))} for one in found}


def _failed(error: exc.DBAPIError, running: Running, seconds: float) -> ToolResult:
    """The database's no; its own words may hold values, so only the kind of error is shown."""
    state = _state(error)
    if running.stopped or state in _CANCELLED or "interrupt" in str(error.orig):
        return ToolResult(None, error=f"too_slow: the database worked longer than {seconds:g} seconds and was stopped")
    if error.connection_invalidated:
        raise ToolUnreachable(f"The database was lost in the middle of a call ({_named(error)}).") from None
    if isinstance(error, exc.OperationalError) and "locked" in str(error.orig):
        raise ToolUnavailable("The database is locked by another.", rule="rolled_back") from None
    if state == _READ_ONLY or "readonly" in str(error.orig) or "not authorized" in str(error.orig):
        return ToolResult(None, error="read_only: the database refused what is not a read of declared tables")
    return ToolResult(None, error=f"database_error: {_named(error)}{f' ({state})' if state else ''}")


def _state(error: exc.DBAPIError) -> str | None:
    """The error's SQLSTATE, where the database has such."""
    return getattr(error.orig, "sqlstate", None)


def _named(error: exc.DBAPIError) -> str:
    return type(error.orig).__name__
