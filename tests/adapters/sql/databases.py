"""Real databases with the same small company in them: files of SQLite, PostgreSQL, MySQL."""

import atexit
import os
import sqlite3
import subprocess
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pymysql
from tests.adapters.database_servers import a_database, do, programs, room

from remit.adapters.sql import SqlTransport
from remit.adapters.system import SystemClock
from remit.registry import SqlCommand, SqlField, SqlLimits, SqlSource
from remit.tools import Tier, Tool

SCHEMA = """
CREATE TABLE vendors (id INTEGER PRIMARY KEY, name TEXT NOT NULL, iban TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, vendor_id INTEGER NOT NULL, total DECIMAL(12, 2) NOT NULL,
                     placed DATE NOT NULL, note TEXT, approved BOOLEAN);
CREATE TABLE salaries (person TEXT, amount INTEGER);
CREATE TABLE calls (call_key VARCHAR(200) PRIMARY KEY, statement VARCHAR(100) NOT NULL, answer TEXT NOT NULL,
                    made_at VARCHAR(40) NOT NULL);
INSERT INTO vendors VALUES (1, 'Kranich', 'DE01'), (2, 'Albatros', 'DE02'), (3, 'O''Hara', 'IE03');
INSERT INTO orders VALUES (10, 1, 100.50, '2026-01-05', 'urgent', TRUE), (11, 1, 20.00, '2026-02-01', NULL, FALSE),
                          (12, 2, 7.25, '2026-02-03', 'a:b', NULL);
INSERT INTO salaries VALUES ('anna', 70000);
"""
#: What agents may see: `vendors.iban` and `salaries` are not declared.
TABLES = {"vendors": ("id", "name"), "orders": ("id", "vendor_id", "total", "placed", "note", "approved")}
QUERIES = {
    "orders_of": SqlCommand(
        "SELECT o.id, o.total, o.placed FROM orders o WHERE o.vendor_id = :vendor AND o.placed >= :since ORDER BY o.id",
        "Orders of a vendor.",
        {"vendor": SqlField("integer"), "since": SqlField("date")},
    ),
    "vendor_named": SqlCommand(
        "SELECT id FROM vendors WHERE name = :name", fields={"name": SqlField("text", max_length=80)}
    ),
}
STATEMENTS = {
    "set_note": SqlCommand(
        "UPDATE orders SET note = :note WHERE id = :id",
        "Writes the note of an order.",
        {"id": SqlField("integer"), "note": SqlField("text", optional=True)},
        max_rows=1,
    ),
    "clear_notes": SqlCommand(
        "UPDATE orders SET note = NULL WHERE vendor_id = :vendor", fields={"vendor": SqlField("integer")}, max_rows=1
    ),
    "add_order": SqlCommand(
        "INSERT INTO orders (id, vendor_id, total, placed) VALUES (:id, :vendor, :total, :placed)",
        fields={
            "id": SqlField("integer"),
            "vendor": SqlField("integer"),
            "total": SqlField("decimal"),
            "placed": SqlField("date"),
        },
        max_rows=1,
    ),
}


def a_source(dialect, url, **changes):
    given = {"tables": TABLES, "queries": QUERIES, "statements": STATEMENTS, "limits": SqlLimits()} | changes
    return SqlSource(dialect=dialect, url=url, **given)


def a_transport(source, *, folder="", secret=None):
    return SqlTransport("erp", source, folder=str(folder), clock=SystemClock(), secret=secret)


def a_tool(name, *, timeout_seconds=30.0):
    return Tool(f"erp__{name}", "erp", "", {"type": "object"}, tier=Tier.READ, timeout_seconds=timeout_seconds)


# --- SQLite


def a_file(folder: Path) -> Path:
    path = folder / "erp.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.close()
    return path


def sqlite_source(path, **changes):
    return a_source("sqlite", f"sqlite:///{path}", **changes)


# --- PostgreSQL


@contextmanager
def a_postgres():
    """The address of a new database, without a password."""
    with a_database() as address:
        with psycopg.connect(address) as connection:
            connection.execute(SCHEMA)
        yield address


# --- MySQL, or MariaDB: the server at the standard port, else one that is started here


@contextmanager
def a_mysql():
    """The address of a new database, without a password."""
    server = _mysql()
    name = f"remit_{os.getpid()}_{time.time_ns()}"
    admin = pymysql.connect(**server, autocommit=True)
    with admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            cursor.execute(f"USE {name}")
            for statement in filter(str.strip, SCHEMA.split(";")):
                cursor.execute(statement)
            yield f"mysql://root@127.0.0.1:{server['port']}/{name}"
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def a_mysql_connection(url: str) -> pymysql.Connection:
    port, _, name = url.rpartition(":")[2].partition("/")
    return pymysql.connect(host="127.0.0.1", port=int(port), user="root", database=name)


@cache
def _mysql() -> dict:
    standard = {"host": "127.0.0.1", "port": 3306, "user": "root"}
    try:
        pymysql.connect(**standard, connect_timeout=2).close()
    except pymysql.err.OperationalError:
        return _mysql_started()
    return standard


def _mysql_started() -> dict:
    found = programs("MySQL at 127.0.0.1:3306", "mariadb-install-db", "mariadbd")
    folder, port, other = room("remit-my-")
    data = f"--datadir={folder / 'data'}"
    do(
        [found["mariadb-install-db"], "--no-defaults", data, "--auth-root-authentication-method=normal"],
        folder,
        other,
    )
    options = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
    ]
    process = subprocess.Popen([found["mariadbd"], "--no-defaults", data, *options], cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **other)  # fmt: skip
    atexit.register(process.kill)
    server = {"host": "127.0.0.1", "port": port, "user": "root"}
    for _ in range(300):
        try:
            pymysql.connect(**server).close()
        except pymysql.err.OperationalError:
            time.sleep(0.1)
        else:
            return server
    raise AssertionError("MariaDB does not start")
