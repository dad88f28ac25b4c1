"""Real databases with the same small company in them: files of SQLite, and a PostgreSQL server."""

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
    programs = {name: _program(name) for name in ("initdb", "pg_ctl")}
    if None in programs.values():
        reason = "no PostgreSQL answers at 127.0.0.1:5432, and initdb and pg_ctl are not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="remit-pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The server refuses to run as root.
    other = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    if other:
        shutil.chown(folder, "nobody")
    data, options = str(folder / "data"), f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
    subprocess.run([programs["initdb"], "-D", data, "-U", "postgres", "-A", "trust"], check=True, capture_output=True,
                   cwd=folder, **other)  # fmt: skip
    start = [programs["pg_ctl"], "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder, **other)

    import atexit

    def stop() -> None:
        subprocess.run([programs["pg_ctl"], "-D", data, "-m", "immediate", "stop"], check=False, cwd=folder,
                       stdout=subprocess.DEVNULL, **other)  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return f"postgresql://postgres@127.0.0.1:{port}"


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)
