"""Importing a database: it is connected to, looked at, and proposed as typed queries."""

import socket

import psycopg
import pymysql
import pytest
import yaml
from tests.adapters.sql.databases import a_mysql, a_postgres
from tests.cli.builders import remit

EXTRA = """
CREATE TABLE {quote}order{quote} (code VARCHAR(20) PRIMARY KEY, vendor_id INTEGER REFERENCES vendors (id),
                                  placed TIMESTAMP, api_key VARCHAR(50));
CREATE TABLE pair (a INTEGER, b INTEGER, n INTEGER, PRIMARY KEY (a, b));
CREATE VIEW big AS SELECT id, total FROM orders WHERE total > 50;
"""


def add(home, *arguments, **more):
    return remit("sources", "add", "sql", "erp", *arguments, "--home", home, **more)


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mysql"])
def database(request, tmp_path_factory):
    """The address of a database of each kind, with more in it."""
    from tests.adapters.sql.databases import a_file

    if request.param == "sqlite":
        import sqlite3

        path = a_file(tmp_path_factory.mktemp("erp"))
        with sqlite3.connect(path) as connection:
            connection.executescript(EXTRA.format(quote='"'))
        yield f"sqlite:///{path}"
    elif request.param == "postgres":
        with a_postgres() as url:
            with psycopg.connect(url) as connection:
                connection.execute(EXTRA.format(quote='"'))
                connection.execute("CREATE SCHEMA sales; CREATE TABLE sales.leads (id INTEGER PRIMARY KEY, x JSON)")
            yield url
    else:
        with a_mysql() as url:
            port, _, name = url.rpartition(":")[2].partition("/")
            connection = pymysql.connect(host="127.0.0.1", port=int(port), user="root", database=name)
            with connection, connection.cursor() as cursor:
                for statement in filter(str.strip, EXTRA.format(quote="`").split(";")):
                    cursor.execute(statement)
            yield url


def test_each_table_is_proposed_with_queries_that_the_database_answers(home, tmp_path, database):
    out = tmp_path / "erp.yaml"

    done = add(home, database, "--out", out, "--accept")

    assert done.code == 0, done.err
    declared = yaml.safe_load(out.read_text())
    sql, tools = declared["sql"], declared["tools"]
    assert set(sql["tables"]) >= {"vendors", "orders", "order", "pair", "big", "salaries"}
    assert {"get_vendors", "list_vendors", "get_order", "list_order", "get_pair", "list_big"} <= set(sql["queries"])
    assert "get_salaries" not in sql["queries"], "it has no key"
    assert sql["queries"]["get_pair"]["parameters"] == {"a": {"type": "integer"}, "b": {"type": "integer"}}
    assert sql["queries"]["get_order"]["parameters"] == {"code": {"type": "text"}}
    # What a name would tell counts for nothing here: a declared query cannot write.
    assert {tool["tier"] for tool in tools.values()} == {"read-only"}
    assert tools["get_vendors"]["roles"] == {"id": "$.id"}
    assert "on a connection that cannot write" in done.out
    assert sql["tables"]["order"] == ["code", "vendor_id", "placed"]
    assert "order: api_key left out" in done.err
    if "vendor_id" in str(sql["queries"].get("list_order_by_vendor_id")):
        assert tools["list_order_by_vendor_id"]["roles"] == {"payee": "$.vendor_id"}
    if database.startswith("postgres"):
        assert sql["tables"]["sales.leads"] == ["id", "x"]
    assert any(tool["name"] == "erp__get_order" for tool in remit("tools", "--home", home, "--json").json)


def test_every_proposed_query_is_answered(home, database):
    from tests.adapters.sql.test_sql import called

    from remit.registry import Registry, StoredResource

    declared = yaml.safe_load(add(home, database, "--json").json["yaml"])
    fields = {key: value for key, value in declared.items() if key not in {"apiVersion", "kind"}}
    source = Registry.build([StoredResource("ToolSource", "erp", fields)]).sources["erp"].sql
    example = {"integer": 1, "text": "x", "decimal": "1", "date": "2026-01-01", "datetime": "2026-01-01T00:00:00"}
    calls = [
        (name, {key: example[value.type] for key, value in query.fields.items()})
        for name, query in source.queries.items()
    ]

    answers = dict(zip([name for name, _ in calls], called(source, *calls), strict=True))

    assert not {name: answer.error for name, answer in answers.items() if answer.error}
    assert answers["get_vendors"].content["rows"][0]["name"] == "Kranich"
    assert len(answers["list_orders"].content["rows"]) == 3


def test_a_table_narrows_what_is_proposed(home, database):
    whole = yaml.safe_load(add(home, database, "--table", "vendors", "--json").json["yaml"])["sql"]
    part = yaml.safe_load(add(home, database, "--table", "vendors=id,name", "--json").json["yaml"])["sql"]

    assert whole["tables"] == {"vendors": ["id", "name", "iban"]}
    assert part["tables"] == {"vendors": ["id", "name"]}
    assert "iban" not in str(part)
    assert set(part["queries"]) == {"get_vendors", "list_vendors"}


@pytest.mark.parametrize(
    ("narrowed", "told"),
    [("nothing", "there are"), ("vendors=id,nothing", "has no column 'nothing'; it has iban, id, name")],
)
def test_a_table_or_column_that_is_not_there_is_named_with_those_that_are(home, database, narrowed, told):
    done = add(home, database, "--table", narrowed)

    assert done.code == 2
    assert told in done.err


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "told", "advice"),
    [
        ("sqlite:///nowhere.sqlite", "There is no file", "by its path from the home"),
        ("sqlite:///{here}/text.sqlite", "is no SQLite database", "Name the database's file"),
        ("postgresql://postgres@127.0.0.1:{port}/erp", "Nothing answers at 127.0.0.1", "Start the database's server"),
        ("mysql://root@127.0.0.1:{port}/erp", "Nothing answers at 127.0.0.1", "Start the database's server"),
        ("postgresql://postgres@nowhere.invalid/erp", "leads nowhere", "Correct the host"),
        ("mysql://root@nowhere.invalid/erp", "leads nowhere", "Correct the host"),
        ("postgresql://postgres@127.0.0.1:5432/no_such", "has no database 'no_such'", "at the end of the address"),
        ("mysql://root@127.0.0.1:3306/no_such", "has no database 'no_such'", "at the end of the address"),
        ("postgresql://nobody_here@127.0.0.1:5432/postgres", "did not take the account", "env:ERP_PASSWORD"),
        ("mysql://nobody_here@127.0.0.1:3306/mysql", "did not take the account", "env:ERP_PASSWORD"),
    ],
)
def test_a_database_that_cannot_be_reached_says_why_and_what_to_do(home, tmp_path, address, told, advice):
    (tmp_path / "text.sqlite").write_text("this is no database" * 100)
    secret = "geheim-geheim"
    more = ("--credential", "env:ERP_PASSWORD") if "nobody_here" in address else ()

    done = add(home, address.format(here=tmp_path, port=_free_port()), *more, ERP_PASSWORD=secret)

    assert done.code == 3, done.err
    assert "could not be asked what it offers" in done.err
    assert "input" not in done.err
    assert told in done.err
    assert advice in done.err
    assert secret not in done.err + done.out
    assert "Traceback" not in done.err


def test_a_password_in_the_address_is_refused_and_not_repeated(home):
    done = add(home, "postgresql://anna:geheim-geheim@127.0.0.1/erp")

    assert done.code == 2
    assert "a password may not stand in the address" in done.err
    assert "geheim" not in done.err + done.out


def test_the_whole_address_may_be_the_secret(home, database):
    dialect = {"sqlite": "sqlite", "postgresql": "postgres", "mysql": "mysql"}[database.partition(":")[0]]

    done = add(home, dialect, "--credential", "env:ERP", "--table", "vendors", "--json", ERP=database)

    assert done.code == 0, done.err
    assert yaml.safe_load(done.json["yaml"])["sql"]["dialect"] == dialect
    assert database not in done.out


def test_a_path_goes_from_the_home_in_every_kind_of_source(home, tmp_path):
    import sqlite3

    with sqlite3.connect(home / "erp.sqlite") as connection:
        connection.execute("CREATE TABLE vendors (id INTEGER PRIMARY KEY)")

    assert add(home, "sqlite:///erp.sqlite", "--json", folder=tmp_path).code == 0
    for form, name in (("soap", "orders.wsdl"), ("openapi", "shop.json")):
        missing = remit("sources", "add", form, "shop", name, "--home", home, folder=tmp_path)
        assert missing.code == 2
        assert f"{home / name} cannot be read: No such file" in " ".join(missing.err.split())
        assert "by its path from the home" in missing.err
        assert "input is not" not in missing.err
