"""What a free query may not do, on real databases: every attempt is refused before the database sees it."""

import asyncio
import re
import sqlite3
from hashlib import sha256

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.adapters.sql.guard import Guard
from remit.adapters.sql.refused import Refused
from remit.adapters.sql.running import Running
from remit.adapters.system import SystemClock

from .databases import (
    TABLES,
    a_file,
    a_mysql,
    a_mysql_connection,
    a_postgres,
    a_source,
    a_tool,
    a_transport,
    sqlite_source,
)
from .escapes import ANYWHERE, HONEST, HONEST_MYSQL, HONEST_POSTGRES, HONEST_SQLITE, MYSQL, POSTGRES, SQLITE

GUARDS = {dialect: Guard(dialect, TABLES) for dialect in ("sqlite", "postgres", "mysql")}


def short(value):
    return " ".join(value[:60].split()) if isinstance(value, str) else None


def asked(source, queries):
    """What the tool `query` answers to each."""

    async def ask():
        transport = a_transport(source)
        try:
            return [await transport.call(a_tool("query"), {"sql": sql}, idempotency_key="k") for sql in queries]
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(ask(), 60))


@pytest.fixture(scope="module")
def postgres():
    with a_postgres() as url:
        yield url


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return a_file(tmp_path_factory.mktemp("sqlite"))


def told(cases, answers):
    """Of each query: its text, the error, the number of rows."""
    rows = [len(answer.content["rows"]) if answer.content else 0 for answer in answers]
    return [(sql, answer.error, n) for (sql, _), answer, n in zip(cases, answers, rows, strict=True)]


def contents(url):
    tables = ("vendors", "orders", "salaries", "calls")
    with psycopg.connect(url) as connection:
        rows = [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]
        known = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return rows, known.fetchone()


@pytest.mark.parametrize("query", [*ANYWHERE, *SQLITE], ids=short)
def test_an_escape_on_sqlite_is_refused(query):
    with pytest.raises(Refused):
        GUARDS["sqlite"].checked(query, rows=10)


@pytest.mark.parametrize("query", [*ANYWHERE, *POSTGRES], ids=short)
def test_an_escape_on_postgresql_is_refused(query):
    with pytest.raises(Refused):
        GUARDS["postgres"].checked(query, rows=10)


@pytest.mark.parametrize("query", [*ANYWHERE, *MYSQL], ids=short)
def test_an_escape_on_mysql_is_refused(query):
    with pytest.raises(Refused):
        GUARDS["mysql"].checked(query, rows=10)


def test_escapes_leave_a_real_sqlite_database_as_it_was(file):
    before = sha256(file.read_bytes()).hexdigest()

    answers = asked(sqlite_source(file), [*ANYWHERE, *SQLITE])

    assert all(answer.error and answer.content is None for answer in answers)
    assert sha256(file.read_bytes()).hexdigest() == before


def test_escapes_leave_a_real_postgresql_database_as_it_was(postgres):
    before = contents(postgres)

    answers = asked(a_source("postgres", postgres), [*ANYWHERE, *POSTGRES])

    assert all(answer.error and answer.content is None for answer in answers)
    assert contents(postgres) == before


@pytest.fixture(scope="module")
def mysql():
    with a_mysql() as url:
        yield url


def test_escapes_leave_a_real_mysql_database_as_it_was(mysql):
    before = mysql_contents(mysql)

    answers = asked(a_source("mysql", mysql), [*ANYWHERE, *MYSQL])

    assert all(answer.error and answer.content is None for answer in answers)
    assert mysql_contents(mysql) == before


def mysql_contents(url):
    with a_mysql_connection(url) as connection, connection.cursor() as cursor:
        rows = []
        for table in ("vendors", "orders", "salaries", "calls"):
            cursor.execute(f"CHECKSUM TABLE {table}")
            rows.append(cursor.fetchone())
        cursor.execute("SHOW TABLES")
        return rows, cursor.fetchall()


def test_honest_queries_on_mysql_are_answered(mysql):
    cases = [*(case for case in HONEST if not re.search(r"FILTER|\|\|", case[0])), *HONEST_MYSQL]

    answers = asked(a_source("mysql", mysql), [sql for sql, _ in cases])

    assert told(cases, answers) == [(sql, None, rows) for sql, rows in cases]


def test_mysql_itself_writes_nothing_on_a_reading_connection(mysql):
    from remit.adapters.sql.database import Database

    guarded = Database(a_source("mysql", mysql), None, folder="")
    with guarded.reading() as connection, pytest.raises(Exception, match="READ ONLY transaction"):
        connection.exec_driver_sql("DELETE FROM orders")
    guarded.close()


def test_honest_queries_on_sqlite_are_answered(file):
    cases = [*HONEST, *HONEST_SQLITE]

    answers = asked(sqlite_source(file), [sql for sql, _ in cases])

    assert told(cases, answers) == [(sql, None, rows) for sql, rows in cases]


def test_honest_queries_on_postgresql_are_answered(postgres):
    cases = [*HONEST, *HONEST_POSTGRES]

    answers = asked(a_source("postgres", postgres), [sql for sql, _ in cases])

    assert told(cases, answers) == [(sql, None, rows) for sql, rows in cases]


def test_a_refusal_says_what_may_be_asked():
    with pytest.raises(Refused, match=r"declared are .*vendors \(id, name\)"):
        GUARDS["postgres"].checked("SELECT iban FROM vendors", rows=10)


def test_no_text_of_the_agents_stands_in_what_is_made():
    checked = GUARDS["postgres"].checked("SELECT id FROM vendors WHERE name = 'x'' OR 1=1 --'", rows=10)

    assert checked.sql.endswith('WHERE "vendors"."name" = :p0 LIMIT 11')
    assert checked.binds == {"p0": "x' OR 1=1 --"}


# --- Walls behind the guard: what would happen if it were wrong


def test_sqlite_itself_reads_only_declared_columns_and_functions(file):
    from remit.adapters.sql.database import Database

    guarded = Database(sqlite_source(file), None, folder="")
    columns = frozenset((table, column) for table, names in TABLES.items() for column in names)
    refused = ("SELECT iban FROM vendors", "SELECT * FROM salaries", "SELECT * FROM sqlite_master", "SELECT hex(1)",
               "PRAGMA query_only = OFF", "DELETE FROM orders", "ATTACH DATABASE ':memory:' AS x")  # fmt: skip

    for sql in refused:
        with (
            guarded.reading(columns=columns) as connection,
            pytest.raises(Exception, match=r"not authorized|prohibited"),
        ):
            connection.exec_driver_sql(sql)
    with guarded.reading(columns=columns) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM vendors").scalar() == 3
    guarded.close()


def test_a_file_of_sqlite_cannot_be_written_through_a_reading_connection(file):
    from remit.adapters.sql.database import Database

    guarded = Database(sqlite_source(file), None, folder="")
    with guarded.reading(catalogue=True) as connection:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        with pytest.raises(Exception, match="readonly"):
            connection.exec_driver_sql("DELETE FROM orders")
    guarded.close()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "SELECT nextval('s')",
        "CREATE TABLE x (y INT)",
        "SELECT * FROM vendors",
        "SELECT pg_sleep(9)",
    ],
)
def test_postgresql_itself_writes_nothing_finds_no_bare_name_and_does_not_wait(postgres, sql):
    from remit.adapters.sql.database import Database
    from remit.registry import SqlLimits

    guarded = Database(a_source("postgres", postgres, limits=SqlLimits(seconds=0.2)), None, folder="")

    with (
        guarded.reading(columns=frozenset()) as connection,
        pytest.raises(Exception, match=r"read-only|not exist|timeout"),
    ):
        connection.exec_driver_sql(sql)
    guarded.close()


def test_a_read_role_bounds_what_postgresql_shows(postgres):
    role = postgres.rpartition("/")[2] + "_reader"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role}")
        admin.execute(f"GRANT SELECT ON vendors TO {role}")
    try:
        vendors, orders = asked(
            a_source("postgres", postgres, read_role=role), ["SELECT name FROM vendors", "SELECT id FROM orders"]
        )
        assert vendors.error is None
        assert orders.error == "database_error: InsufficientPrivilege (42501)"
    finally:
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


# --- Fuzz: the databases themselves say whether something was read or written that may not be

_WORDS = st.sampled_from(
    [
        "SELECT", "FROM", "WHERE", "vendors", "orders", "salaries", "id", "name", "iban", "amount", "person", "*", "(",
        ")", ",", ".", ";", "'", '"', "--", "/*", "*/", "UNION", "ALL", "WITH", "AS", "x", "DELETE", "UPDATE", "SET",
        "DROP", "TABLE", "INSERT", "INTO", "VALUES", "(SELECT", "1", ")", "=", "<", ">", "||", "+", "-", "::", "NULL",
        "AND", "OR", "NOT", "IN", "EXISTS", "JOIN", "ON", "USING", "NATURAL", "LATERAL", "LIMIT", "1", "OFFSET",
        "ORDER", "BY", "GROUP", "HAVING", "COUNT(", "MAX(", "UPPER(", "pg_sleep(", "load_extension(", "OVER", "(",
        "PARTITION", "WINDOW", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST(", "AS", "TEXT", ")", ":p0", "?", "$1",
        "@@x", "PRAGMA", "ATTACH", "COPY", "$$", "E'x'", "x'41'", "main.", "public.", "pg_user", "sqlite_master",
        "RETURNING", "FOR", "UPDATE", "RECURSIVE", "INTERVAL", "'1", "day'", "LIKE", "'%'", "ESCAPE", "[", "]", "{",
        "}", "\\", "\x00", "é", "1e999", "0x10",
    ]
)  # fmt: skip
_SOUPS = st.lists(_WORDS, max_size=25).map(" ".join)
_EDITED = st.builds(
    lambda query, at, word, cut: query[: at % (len(query) + 1)] + word + query[at % (len(query) + 1) + cut :],
    st.sampled_from([*(sql for sql, _ in HONEST), *ANYWHERE[:60], *SQLITE, *POSTGRES]),
    st.integers(0, 300),
    _WORDS,
    st.integers(0, 12),
)
#: What there really is: with what is not declared.
_REAL = {
    "vendors": ("id", "id", "name", "name", "iban"),
    "orders": ("id", "vendor_id", "total", "placed", "note"),
    "salaries": ("person", "amount"),
    "n": ("id", "n"),
}
_NAMES = st.sampled_from(["vendors"] * 6 + ["orders"] * 6 + ["salaries", "n", "n"])
_ODDLY = st.integers(0, 11).map(lambda number: number == 0)


@st.composite
def made_queries(draw, depth=2, above=()):
    """Queries that are well formed, mostly of names that are declared, now and then of one that is not."""
    sources = []

    def table():
        alias = draw(st.sampled_from(["t", "u", "v", "vendors", "orders", "salaries"]))
        if depth and draw(st.integers(0, 3)) == 0:
            sources.append((alias, ("id", "n")))
            return f"({draw(made_queries(depth=depth - 1))}) AS {alias}"
        name = draw(_NAMES)
        sources.append((alias, _REAL[name]))
        return f"{name} AS {alias}"

    def column():
        alias, columns = draw(st.sampled_from([*sources, *above]))
        name = draw(st.sampled_from(["iban", "person", "ctid", "rowid", "*"] if draw(_ODDLY) else columns))
        return name if draw(_ODDLY) else f"{alias}.{name}"

    def term():
        form = draw(
            st.sampled_from(["{}", "{}", "max({})", "count({})", "sum(1) OVER (ORDER BY {})", "({q})", "EXISTS ({q})"])
        )
        inner = draw(made_queries(depth=depth - 1, above=sources)) if depth and "q" in form else "SELECT 1 AS id"
        return form.format(column(), q=inner)

    first, second = table(), draw(st.sampled_from(["", "", ", {}", "JOIN {} ON 1 = 1", "LEFT JOIN {} USING (id)"]))
    tables = f"{first} {second.format(table()) if second else ''}"
    parts = [f"SELECT {term()} AS {draw(st.sampled_from(['id', 'n']))} FROM {tables}"]
    parts.append(draw(st.sampled_from(["", "", f"WHERE {term()} IS NOT NULL", f"WHERE {column()} = {column()}"])))
    parts.append(draw(st.sampled_from(["", "", f"GROUP BY {column()}", f"ORDER BY {column()}", "ORDER BY n"])))
    if depth and draw(st.integers(0, 4)) == 0:
        parts.append(f"UNION ALL {draw(made_queries(depth=0))}")
    if depth == 2 and draw(st.booleans()):
        name = "salaries" if draw(_ODDLY) else "n"
        parts.insert(0, f"WITH {name} AS ({draw(made_queries(depth=1))})")
    return " ".join(part for part in parts if part)


QUERIES = st.one_of(made_queries(), made_queries(), _SOUPS, _EDITED, st.text(max_size=80))
_FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    return a_file(tmp_path_factory.mktemp("fuzz"))


@_FUZZ
@given(query=QUERIES)
def test_what_the_guard_lets_through_reads_only_what_is_declared_by_sqlites_own_account(query, fuzzed):
    before = fuzzed.read_bytes()
    try:
        checked = GUARDS["sqlite"].checked(query, rows=10)
    except Refused:
        return

    # Opened for writing and without any other wall: what is let through must do no harm by itself.
    connection = sqlite3.connect(fuzzed)
    done = []
    connection.set_authorizer(lambda action, first, second, *_: done.append((action, first, second)) or 0)
    try:
        connection.execute(checked.sql, checked.binds).fetchmany(10)
    except sqlite3.Error:
        pass  # it may be no query that can be answered
    finally:
        connection.close()
    allowed = {(table, column) for table, columns in TABLES.items() for column in (*columns, "")}
    assert {action for action, _, _ in done} <= {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
    assert {(first, second) for action, first, second in done if action == sqlite3.SQLITE_READ} <= allowed
    assert fuzzed.read_bytes() == before


@pytest.fixture(scope="module")
def reader(postgres):
    """A source whose role may read exactly what is declared: PostgreSQL says no to anything more."""
    from remit.adapters.sql.database import Database
    from remit.adapters.sql.session import Session

    role = postgres.rpartition("/")[2] + "_columns"
    source = a_source("postgres", postgres, read_role=role)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role}")
        for table, columns in TABLES.items():
            admin.execute(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {role}")
    database = Database(source, None, folder="")
    yield Session("erp", source, database, SystemClock())
    database.close()
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@_FUZZ
@given(query=QUERIES)
def test_what_the_guard_lets_through_reads_only_what_is_declared_by_postgresqls_own_account(query, reader):
    answer = reader.call("query", {"sql": query}, "key", Running())

    if answer.error is not None:
        assert answer.error.split(":")[0] in _REASONS
        assert "42501" not in answer.error, "insufficient privilege: the guard let something through"
        assert "25006" not in answer.error, "read-only transaction: the guard let a write through"


_REASONS = {"unreadable", "one_statement", "only_select", "comment", "not_allowed", "unknown_name", "shadowed",
            "too_large", "parameter", "database_error", "too_slow"}  # fmt: skip


def test_what_an_agent_asked_stands_in_no_log(caplog):
    with caplog.at_level(0), pytest.raises(Refused):
        GUARDS["postgres"].checked("SET ROLE anna_secret", rows=10)

    assert "anna_secret" not in caplog.text
