"""Connections of one source: those that can only read, and those that write."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from remit.adapters.sql import vocabulary
from remit.adapters.sql.unreached import unreached
from remit.errors import InvalidSetting, ToolUnavailable
from remit.registry import SqlSource, file_at

#: Connections that one source holds at most, for reads and for writes each.
CONNECTIONS_MAX: Final = 4
_CONNECT_SECONDS = 10
_STOP_SECONDS = 5
_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
#: A pattern of LIKE takes time with its length.
_PATTERN_MAX = 200
#: How the parser understands a query is how the server must.
_MYSQL_MODE = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY'"

#: (action, first, second, database, inner view or trigger) -> SQLITE_OK or SQLITE_DENY
Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


class Database:
    """The engines of one source under one secret."""

    def __init__(self, source: SqlSource, secret: str | None, *, folder: str, credential: str = "") -> None:
        """Describe the connections; none is made yet.

        Args:
            source: the declaration.
            secret: the password, or the whole address where the declaration has none.
            folder: the home, from which a file's path goes.
            credential: where the secret stands, as errors name it.

        Raises:
            InvalidSetting: the address cannot be used.
        """
        self.secret = secret
        self._source = source
        self._credential = credential
        self._url = _address(source, secret, folder)
        self._engines: dict[bool, Engine] = {}
        self._lock = Lock()

    @contextmanager
    def reading(
        self, *, columns: frozenset[tuple[str, str]] | None = None, catalogue: bool = False
    ) -> Iterator[Connection]:
        """A connection that cannot write.

        Args:
            columns: what a free query may read, as (table, column); None for a declared query.
            catalogue: what tables there are may be asked for.

        Raises:
            ToolUnavailable: the database cannot be reached.
        """
        with self._connection(writes=False) as connection:
            match self._source.dialect:
                case "sqlite":
                    _raw(connection).set_authorizer(None if catalogue else _authorizer(columns))
                case "postgres":
                    _run(connection, self._postgres_reading(free=columns is not None))
                case "mysql":
                    _run(connection, ["SET SESSION TRANSACTION READ ONLY", *self._mysql_limits(connection)])
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that the caller commits; else all is taken back.

        Raises:
            ToolUnavailable: the database cannot be reached, or is locked by others.
        """
        with self._connection(writes=True) as connection:
            match self._source.dialect:
                case "sqlite":
                    try:
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
                    except exc.OperationalError as error:
                        raise ToolUnavailable("The database is locked by another.", rule="not_sent") from error
                case "postgres":
                    role = self._source.write_role
                    _run(connection, [self._statement_timeout(), *([f'SET LOCAL ROLE "{role}"'] if role else [])])
                case "mysql":
                    _run(connection, self._mysql_limits(connection))
            yield connection

    def stopper(self, connection: Connection) -> Callable[[], None]:
        """What ends the connection's work, from any thread."""
        raw: Any = _raw(connection)
        if self._source.dialect == "sqlite":
            stop: Callable[[], None] = raw.interrupt
            return stop
        if self._source.dialect == "postgres":
            return lambda: raw.cancel_safe(timeout=_STOP_SECONDS)
        thread = int(raw.thread_id())
        return lambda: self._kill(thread)

    def unreached(self, error: Exception) -> ToolUnavailable:
        """What it means that the database could not be connected to."""
        return unreached(error, self._url, shown=self._source.url is not None, credential=self._credential)

    def close(self) -> None:
        """Let go of all connections that are not in use."""
        with self._lock:
            engines, self._engines = self._engines, {}
        for engine in engines.values():
            engine.dispose()

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        try:
            connection = self._engine(writes=writes).connect()
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise self.unreached(error) from None
        with connection:
            yield connection

    def _kill(self, thread: int) -> None:
        """MySQL ends a query only on another connection."""
        engine = create_engine(self._url, poolclass=NullPool, connect_args={"connect_timeout": _STOP_SECONDS})
        with suppress(exc.DBAPIError), engine.connect() as other:
            other.exec_driver_sql(f"KILL QUERY {thread}")

    def _engine(self, *, writes: bool) -> Engine:
        with self._lock:
            if writes not in self._engines:
                self._engines[writes] = self._made(writes=writes)
            return self._engines[writes]

    def _made(self, *, writes: bool) -> Engine:
        pool: dict[str, Any] = {"pool_size": CONNECTIONS_MAX, "max_overflow": 0, "hide_parameters": True}
        if self._source.dialect == "sqlite":
            path = self._url.database
            return create_engine(
                self._url, creator=lambda: _sqlite(str(path), writes=writes, source=self._source), **pool
            )
        return create_engine(
            self._url, pool_pre_ping=True, pool_recycle=600, connect_args=self._connect_args(writes=writes), **pool
        )

    def _connect_args(self, *, writes: bool) -> dict[str, Any]:
        if self._source.dialect == "mysql":
            seconds = int(self._source.limits.seconds) + 5
            return {"connect_timeout": _CONNECT_SECONDS, "read_timeout": seconds, "init_command": _MYSQL_MODE,
                    "local_infile": False}  # fmt: skip
        options = ["-c standard_conforming_strings=on", "-c idle_in_transaction_session_timeout=60s"]
        if not writes:
            options.append("-c default_transaction_read_only=on")
        return {"connect_timeout": _CONNECT_SECONDS, "options": " ".join(options), "prepare_threshold": None}

    def _postgres_reading(self, *, free: bool) -> list[str]:
        role = self._source.read_role
        return [
            "SET TRANSACTION READ ONLY",
            self._statement_timeout(),
            # Every table of a free query is written with its schema: nothing else is to be found by its bare name.
            *(["SET LOCAL search_path = pg_catalog"] if free else []),
            *([f'SET LOCAL ROLE "{role}"'] if role else []),
        ]

    def _statement_timeout(self) -> str:
        return f"SET LOCAL statement_timeout = {max(1, int(self._source.limits.seconds * 1000))}"

    def _mysql_limits(self, connection: Connection) -> list[str]:
        seconds = self._source.limits.seconds
        if getattr(connection.dialect, "is_mariadb", False):
            return [f"SET SESSION max_statement_time = {seconds:.3f}"]
        return [f"SET SESSION max_execution_time = {max(1, int(seconds * 1000))}"]


def _address(source: SqlSource, secret: str | None, folder: str) -> URL:
    try:
        url = make_url(source.url or secret or "")
    except exc.ArgumentError:
        # The text may be the secret: it is not shown, nor is the error that shows it.
        raise InvalidSetting("The address of the database cannot be read.") from None
    backend = {"postgresql": "postgres"}.get(url.get_backend_name(), url.get_backend_name())
    if backend != source.dialect:
        raise InvalidSetting(f"The address of the database is not one of {source.dialect}.")
    if source.dialect == "sqlite" and not url.database:
        raise InvalidSetting("The address of an SQLite database names its file: sqlite:///PATH.")
    url = url.set(drivername=_DRIVERS[source.dialect], query={})
    if source.dialect == "sqlite":
        return url.set(database=str(file_at(str(url.database), folder)))
    return url.set(password=secret) if source.url is not None and secret is not None else url


def _sqlite(path: str, *, writes: bool, source: SqlSource) -> sqlite3.Connection:
    connection = sqlite3.connect(
        # A file that is not there is not made.
        f"file:{quote(path)}?mode={'rw' if writes else 'ro'}",
        uri=True,
        check_same_thread=False,
        isolation_level=None,  # the driver begins no transactions of its own
        timeout=min(5.0, source.limits.seconds),
        # What was prepared under one authorizer is not used under another.
        cached_statements=0,
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    if not writes:
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(100_000, source.limits.bytes))
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _PATTERN_MAX)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    return connection


def _authorizer(columns: frozenset[tuple[str, str]] | None) -> Authorizer:
    """SQLite's own check of what a statement reads, asked while the statement is prepared."""
    tables = None if columns is None else frozenset(table for table, _ in columns)

    def allowed(action: int, first: str | None, second: str | None, inner: str | None) -> bool:
        if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_TRANSACTION}:
            return True
        if columns is None or tables is None:
            return action in {sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
        if action == sqlite3.SQLITE_FUNCTION:
            return (second or "").lower() in vocabulary.SQLITE_FUNCTIONS
        if action != sqlite3.SQLITE_READ:
            return False
        if inner is not None and inner.lower() in tables:
            return True  # what a declared view is made of
        table, column = (first or "").lower(), (second or "").lower()
        return (table, column) in columns or (not column and table in tables)

    def answer(action: int, first: str | None, second: str | None, _database: str | None, inner: str | None) -> int:
        return sqlite3.SQLITE_OK if allowed(action, first, second, inner) else sqlite3.SQLITE_DENY

    return answer


def _raw(connection: Connection) -> Any:
    raw = connection.connection.driver_connection
    assert raw is not None
    return raw


def _run(connection: Connection, statements: list[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
