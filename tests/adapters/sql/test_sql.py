"""Queries and statements of a database, on SQLite and PostgreSQL alike."""

import asyncio
import sqlite3

import psycopg
import pytest

from remit.errors import CredentialMissing, InvalidResource, InvalidSetting, ToolUnavailable
from remit.registry import SqlCommand, SqlField, SqlLimits
from remit.tools import Tier, Tool

from .databases import (
    STATEMENTS,
    a_file,
    a_mysql,
    a_mysql_connection,
    a_postgres,
    a_source,
    a_tool,
    a_transport,
    sqlite_source,
)


@pytest.fixture(scope="module")
def server():
    with a_postgres() as url:
        yield url


@pytest.fixture(scope="module")
def mysql():
    with a_mysql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def place(request, tmp_path):
    """Makes sources on a database, and looks into it."""
    if request.param == "sqlite":
        yield Place("sqlite", f"sqlite:///{a_file(tmp_path)}")
        return
    if request.param == "mysql":
        place = Place("mysql", request.getfixturevalue("mysql"))
        place.do("DELETE FROM orders WHERE id >= 20; DELETE FROM calls; UPDATE orders SET note = 'n'")
        yield place
        return
    url = request.getfixturevalue("server")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("DELETE FROM orders WHERE id >= 20; DELETE FROM calls; UPDATE orders SET note = 'n'")
    yield Place("postgres", url)


class Place:
    def __init__(self, dialect, url):
        self.dialect, self.url = dialect, url

    def source(self, **changes):
        return a_source(self.dialect, self.url, **changes)

    def look(self, sql):
        if self.dialect == "postgres":
            with psycopg.connect(self.url) as connection:
                return connection.execute(sql).fetchall()
        if self.dialect == "mysql":
            with a_mysql_connection(self.url) as connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def do(self, statements):
        with a_mysql_connection(self.url) as connection, connection.cursor() as cursor:
            for statement in statements.split(";"):
                cursor.execute(statement)
            connection.commit()


def called(source, *calls, secret=None):
    """The answers to (tool, arguments[, key]), one after the other."""

    async def call():
        transport = a_transport(source, secret=secret)
        try:
            return [
                await transport.call(a_tool(name), arguments, idempotency_key=key[0] if key else f"key-{number}")
                for number, (name, arguments, *key) in enumerate(calls)
            ]
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(call(), 60))


def defined(source):
    async def ask():
        transport = a_transport(source)
        try:
            return {one["name"]: one for one in await transport.definitions()}
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(ask(), 60))


ORDER = {"id": 20, "vendor": 1, "total": "3.10", "placed": "2026-03-03"}


# --- Queries


def test_a_declared_query_binds_what_it_is_given(place):
    found, none = called(
        place.source(),
        ("orders_of", {"vendor": 1, "since": "2026-01-31"}),
        ("vendor_named", {"name": "x' OR '1' = '1"}),
    )

    assert [row["id"] for row in found.content["rows"]] == [11]
    assert none.content == {"rows": [], "truncated": False}


def test_a_decimal_of_postgresql_is_text_and_a_date_is_iso(server):
    (answer,) = called(a_source("postgres", server), ("orders_of", {"vendor": 2, "since": "2026-01-01"}))

    assert answer.content["rows"] == [{"id": 12, "total": "7.25", "placed": "2026-02-03"}]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"vendor": 1}, "since is missing"),
        ({"vendor": 1, "since": "2026-02-31"}, "since is no date"),
        ({"vendor": 1, "since": "2026-02-01", "x": 1}, "x cannot be given"),
    ],
)
def test_arguments_that_do_not_fit_are_named_without_their_values(place, arguments, told):
    (answer,) = called(place.source(), ("orders_of", arguments))

    assert answer.error == f"invalid_arguments: {told}"


def test_a_declared_query_cannot_write_either(place):
    """A function that writes would pass as a SELECT; the connection refuses what the text hides."""
    if place.dialect == "postgres":
        with psycopg.connect(place.url, autocommit=True) as admin:
            admin.execute(
                "CREATE OR REPLACE FUNCTION wipe() RETURNS INT LANGUAGE sql AS 'DELETE FROM orders RETURNING 1'"
            )
    sneaky = {"sneaky": SqlCommand("SELECT wipe()" if place.dialect == "postgres" else "SELECT load_extension('x')")}

    (answer,) = called(place.source(queries=sneaky), ("sneaky", {}))

    assert answer.error.startswith(("read_only", "database_error"))
    assert place.look("SELECT count(*) FROM orders") == [(3,)]


# --- Limits


def test_more_rows_than_the_limit_are_cut_off_and_the_answer_says_so(place):
    source = place.source(limits=SqlLimits(rows=2))

    cut, whole = called(
        source, ("query", {"sql": "SELECT id FROM orders"}), ("query", {"sql": "SELECT id FROM vendors WHERE id < 3"})
    )

    assert (len(cut.content["rows"]), cut.content["truncated"]) == (2, True)
    assert (len(whole.content["rows"]), whole.content["truncated"]) == (2, False)


def test_more_bytes_than_the_limit_are_cut_off(place):
    source = place.source(limits=SqlLimits(bytes=1000), queries={"wide": SqlCommand(_wide(place.dialect))})

    (answer,) = called(source, ("wide", {}))

    assert answer.content == {"rows": [{"n": 1, "text": "x" * 900}], "truncated": True}


def _wide(dialect):
    repeated = "replace(hex(zeroblob(450)), '0', 'x')" if dialect == "sqlite" else "repeat('x', 900)"
    return f"SELECT id AS n, {repeated} AS text FROM vendors ORDER BY id"


def test_a_query_that_takes_too_long_is_stopped_by_the_database_or_by_remit(place):
    endless = "SELECT COUNT(*) FROM " + ", ".join(f"orders o{number}" for number in range(22))

    (answer,) = called(place.source(limits=SqlLimits(seconds=0.2)), ("query", {"sql": endless}))

    assert answer.error == "too_slow: the database worked longer than 0.2 seconds and was stopped"


# --- Discovery


def test_discovery_shows_what_is_declared_and_no_more(place):
    listed, described, refused = called(
        place.source(), ("list_tables", {}), ("describe", {"table": "vendors"}), ("describe", {"table": "salaries"})
    )

    assert listed.content["tables"][0] == {"table": "vendors", "columns": ["id", "name"]}
    assert [column["name"] for column in described.content["columns"]] == ["id", "name"]
    assert refused.error == "unknown_name: the table 'salaries' is not declared"


def test_a_source_without_tables_has_no_free_query(place):
    assert defined(place.source(tables={})).keys() == {
        "orders_of",
        "vendor_named",
        "set_note",
        "clear_notes",
        "add_order",
    }
    assert called(place.source(tables={}), ("query", {"sql": "SELECT 1"}))[0].error.startswith("unknown_tool")


def test_a_tool_takes_exactly_its_typed_fields(place):
    schema = defined(place.source())["add_order"]["inputSchema"]

    assert schema["required"] == ["id", "vendor", "total", "placed"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["total"]["type"] == "string"
    assert schema["properties"]["placed"]["format"] == "date"


def test_what_stands_behind_a_tool_is_part_of_its_definition_and_is_not_shown(place):
    one = {"q": SqlCommand("SELECT id FROM orders")}
    other = {"q": SqlCommand("SELECT id FROM vendors")}

    before, after = (defined(place.source(queries=queries))["q"] for queries in (one, other))

    assert before["_meta"] != after["_meta"]
    assert "SELECT" not in str(before)


# --- Writes


def test_a_statement_says_how_many_rows_it_changed(place):
    one, none = called(place.source(), ("set_note", {"id": 10, "note": "it's"}), ("set_note", {"id": 999}))

    assert (one.content, none.content) == ({"rows_affected": 1}, {"rows_affected": 0})
    assert place.look("SELECT note FROM orders WHERE id = 10") == [("it's",)]


def test_a_statement_that_would_touch_too_many_rows_is_taken_back(place):
    before = place.look("SELECT id, note FROM orders ORDER BY id")

    (answer,) = called(place.source(), ("clear_notes", {"vendor": 1}))

    assert answer.error == "too_many_rows: it would touch 2 rows and may touch 1"
    assert place.look("SELECT id, note FROM orders ORDER BY id") == before


def test_what_the_database_refuses_is_told_without_its_values(place):
    first, again = called(place.source(), ("add_order", ORDER), ("add_order", ORDER))

    assert first.error is None
    assert again.error.startswith("database_error: ")
    assert "20" not in again.error.replace("23505", "")


def test_with_a_table_of_keys_one_key_acts_once_and_is_answered_alike(place):
    source = place.source(keys_table="calls")

    first, again, other = called(
        source,
        ("add_order", ORDER, "the-key"),
        ("add_order", ORDER, "the-key"),
        ("set_note", {"id": 10}, "the-key"),
    )

    assert first.content == {"rows_affected": 1}
    assert again.content == {"rows_affected": 1, "repeated": True}
    assert other.error.startswith("key_taken")
    assert place.look("SELECT count(*) FROM orders WHERE id = 20") == [(1,)]


def test_one_key_acts_once_when_many_calls_come_at_the_same_time(place):
    more = "UPDATE orders SET total = total + 1 WHERE id = :id"
    add = {"add": SqlCommand(more, fields={"id": SqlField("integer")}, max_rows=1)}
    (before,) = place.look("SELECT total FROM orders WHERE id = 12")

    async def many():
        transport = a_transport(place.source(statements=add, keys_table="calls"))
        try:
            return await asyncio.gather(
                *(transport.call(a_tool("add"), {"id": 12}, idempotency_key="one") for _ in range(8))
            )
        finally:
            await transport.close()

    answers = asyncio.run(asyncio.wait_for(many(), 60))

    assert [answer.error for answer in answers] == [None] * 8
    assert sum("repeated" not in answer.content for answer in answers) == 1
    assert place.look("SELECT total FROM orders WHERE id = 12") == [(before[0] + 1,)]


def test_a_call_that_waited_for_another_of_its_key_is_answered_as_that_one_was(mysql):
    """The waiting call began before the other ended, and its transaction would go on seeing no key."""

    async def wait_and_answer():
        transport = a_transport(a_source("mysql", mysql, keys_table="calls"))
        try:
            with a_mysql_connection(mysql) as other, other.cursor() as cursor:
                cursor.execute("INSERT INTO calls VALUES ('held', 'set_note', '{\"rows_affected\":1}', '2026')")
                arguments = {"id": 11, "note": "twice"}
                waiting = asyncio.create_task(transport.call(a_tool("set_note"), arguments, idempotency_key="held"))
                while not waits(mysql):
                    # The server shows what it saw before to whoever looks again within a tenth of a second.
                    await asyncio.sleep(0.2)
                other.commit()
            return await waiting
        finally:
            await transport.close()

    def waits(url):
        with a_mysql_connection(url) as looker, looker.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
            return cursor.fetchone()[0]

    answer = asyncio.run(asyncio.wait_for(wait_and_answer(), 60))

    assert answer.content == {"rows_affected": 1, "repeated": True}
    with a_mysql_connection(mysql) as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT * FROM orders WHERE note = 'twice'") == 0


def test_a_key_whose_statement_failed_is_free_again(place):
    source = place.source(keys_table="calls")

    refused, done = called(source, ("clear_notes", {"vendor": 1}, "the-key"), ("clear_notes", {"vendor": 2}, "the-key"))

    assert refused.error.startswith("too_many_rows")
    assert done.content == {"rows_affected": 1}


def test_a_source_whose_table_of_keys_is_missing_is_not_offered(place):
    with pytest.raises(InvalidResource, match="lacks call_key, statement, answer, made_at"):
        defined(place.source(keys_table="no_such_table"))


def test_a_write_that_is_stopped_did_nothing(server):
    """The lock of another holds it up; after the time it is taken back, and the door may try again."""
    tool = Tool("erp__set_note", "erp", "", {"type": "object"}, tier=Tier.CRITICAL, timeout_seconds=0.3)

    async def wait_for_lock():
        transport = a_transport(a_source("postgres", server))
        try:
            with psycopg.connect(server) as other:
                other.execute("SELECT id FROM orders WHERE id = 10 FOR UPDATE")
                with pytest.raises(ToolUnavailable, match="it did nothing"):
                    await transport.call(tool, {"id": 10, "note": "late"}, idempotency_key="k")
        finally:
            await transport.close()

    asyncio.run(asyncio.wait_for(wait_for_lock(), 60))

    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT note FROM orders WHERE id = 10").fetchone() != ("late",)


# --- Declarations


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"queries": {"q": SqlCommand("DELETE FROM orders WHERE id = 1")}}, "queries.q: a query is one SELECT"),
        ({"queries": {"q": SqlCommand("SELECT 1; SELECT 2")}}, "one statement is taken, not 2"),
        ({"queries": {"q": SqlCommand("SELECT 1 FROM orders FOR UPDATE")}}, "changes and locks nothing"),
        ({"queries": {"q": SqlCommand("SELECT :a")}}, "`:a` is declared nowhere"),
        ({"queries": {"q": SqlCommand("SELECT 1", fields={"a": SqlField("text")})}}, "`:a` stands nowhere"),
        ({"queries": {"q": SqlCommand("SELEC 1 FROM")}}, "queries.q: "),
        ({"queries": {"query": SqlCommand("SELECT 1")}}, "queries.query: the name is taken"),
        ({"queries": {"set_note": SqlCommand("SELECT 1")}}, "set_note: stands under queries and statements"),
        ({"statements": {"s": SqlCommand("SELECT 1")}}, "statements.s: a statement is one INSERT, UPDATE or DELETE"),
        ({"statements": {"s": SqlCommand("DROP TABLE orders")}}, "a statement is one INSERT, UPDATE or DELETE"),
        ({"statements": {"s": SqlCommand("DELETE FROM orders")}}, "UPDATE and DELETE need a WHERE"),
        (
            {"statements": {"s": SqlCommand("WITH x AS (DELETE FROM orders RETURNING *) INSERT INTO o SELECT 1")}},
            "a write within the write",
        ),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_offered_is_named(server, changes, told):
    with pytest.raises(InvalidResource) as refused:
        defined(a_source("postgres", server, **{"queries": {}, "statements": STATEMENTS} | changes))

    assert told in refused.value.detail


def test_the_places_of_a_statement_are_not_mistaken_for_texts_with_a_colon(place):
    sql = "SELECT id FROM orders WHERE note = 'at 12\\:30' OR id = :id"
    time = {"q": SqlCommand(sql, fields={"id": SqlField("integer")})}

    assert called(place.source(queries=time), ("q", {"id": 12}))[0].content["rows"] == [{"id": 12}]


# --- Addresses and secrets


def test_the_secret_is_the_whole_address_where_the_source_has_none(server):
    async def secret():
        return server

    source = a_source("postgres", None)

    assert called(source, ("vendor_named", {"name": "Kranich"}), secret=secret)[0].content["rows"] == [{"id": 1}]


def test_a_secret_that_changes_is_used_from_the_next_call_on(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    addresses = [f"sqlite:///{a_file(tmp_path / name)}" for name in ("a", "b")]
    other = sqlite3.connect(tmp_path / "b" / "erp.sqlite")
    other.execute("UPDATE vendors SET name = 'Other' WHERE id = 1")
    other.commit()
    other.close()

    async def secret():
        return addresses.pop(0)

    first, second = called(
        a_source("sqlite", None), *[("query", {"sql": "SELECT name FROM vendors WHERE id = 1"})] * 2, secret=secret
    )

    assert (first.content["rows"], second.content["rows"]) == ([{"name": "Kranich"}], [{"name": "Other"}])


def test_a_secret_that_is_missing_or_useless_is_never_shown():
    async def missing():
        raise CredentialMissing("env:ERP is not set.")

    async def wrong():
        return "mysql://anna:hunter2@db/erp"

    with pytest.raises(CredentialMissing):
        called(a_source("postgres", None), ("list_tables", {}), secret=missing)
    with pytest.raises(InvalidSetting) as refused:
        called(a_source("postgres", None), ("list_tables", {}), secret=wrong)
    assert "hunter2" not in str(refused.value)


def test_a_wrong_password_is_not_told_on():
    async def secret():
        return "postgresql://anna:hunter2@127.0.0.1:9/erp"

    with pytest.raises(ToolUnavailable) as refused:
        called(a_source("postgres", None), ("vendor_named", {"name": "x"}), secret=secret)

    assert "hunter2" not in repr(refused.value)
    assert "anna" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(ToolUnavailable):
        called(sqlite_source(tmp_path / "none.sqlite"), ("set_note", {"id": 1}))

    assert not (tmp_path / "none.sqlite").exists()
