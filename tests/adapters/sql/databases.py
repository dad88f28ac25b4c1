"""Real databases with the same small company in them: files of SQLite, PostgreSQL, MySQL."""

import atexit
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pymysql
import pytest

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


# --- PostgreSQL: the server at the standard port, else one that is started here


@contextmanager
def a_postgres():
    """The address of a new database, without a password."""
    server = _server()
    name = f"remit_{os.getpid()}_{time.time_ns()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(f"{server}/{name}") as connection:
                connection.execute(SCHEMA)
            yield f"{server}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def _server() -> str:
    standard = "postgresql://postgres@127.0.0.1:5432"
    try:
        psycopg.connect(f"{standard}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return _started()
    return standard


def _started() -> str:
    programs = _programs("PostgreSQL at 127.0.0.1:5432", "initdb", "pg_ctl")
    folder, port, other = _room("remit-pg-")
    data, options = str(folder / "data"), f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
    pg_ctl = [programs["pg_ctl"], "-D", data]
    _do([programs["initdb"], "-D", data, "-U", "postgres", "-A", "trust"], folder, other)
    _do([*pg_ctl, "-w", "-l", str(folder / "log"), "-o", options, "start"], folder, other)
    atexit.register(_do, [*pg_ctl, "-m", "immediate", "stop"], folder, other)
    return f"postgresql://postgres@127.0.0.1:{port}"


# --- MySQL, or MariaDB: likewise


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
    programs = _programs("MySQL at 127.0.0.1:3306", "mariadb-install-db", "mariadbd")
    folder, port, other = _room("remit-my-")
    data = f"--datadir={folder / 'data'}"
    _do(
        [programs["mariadb-install-db"], "--no-defaults", data, "--auth-root-authentication-method=normal"],
        folder,
        other,
    )
    options = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
    ]
    process = subprocess.Popen([programs["mariadbd"], "--no-defaults", data, *options], cwd=folder,
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


# --- Servers of the tests' own


def _programs(what: str, *names: str) -> dict[str, str]:
    found = {name: path for name in names if (path := _program(name))}
    if len(found) < len(names):
        reason = f"no {what}, and {', '.join(names)} are not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return found


def _room(prefix: str) -> tuple[Path, int, dict]:
    """A folder, a free port, and who runs the server: these refuse to run as root."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if os.geteuid() != 0:
        return folder, port, {}
    shutil.chown(folder, "nobody")
    return folder, port, {"user": "nobody", "extra_groups": []}


def _do(command: list[str], folder: Path, other: dict) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **other)


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)
