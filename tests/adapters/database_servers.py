"""Database servers for tests: the one at the standard port, else one that is started here; and some to be killed."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
import pytest

_BOUND_SECONDS = 60.0


class PostgresServer:
    """A PostgreSQL of the test's own, at a free port, with `fsync` as it comes."""

    def __init__(self, *options: str) -> None:
        self._programs = programs("PostgreSQL at 127.0.0.1:5432", "initdb", "pg_ctl")
        self._folder, self.port, self._other = room("remit-pg-")
        self._data = self._folder / "data"
        listen = ("-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", str(self._folder))
        self._options = " ".join((*listen, *options))
        do(
            [self._programs["initdb"], "-D", str(self._data), "-U", "postgres", "-A", "trust"],
            self._folder,
            self._other,
        )
        self.address = f"postgresql://postgres@127.0.0.1:{self.port}"
        atexit.register(self.stop)
        self.start()

    def start(self) -> None:
        """Start it; after a kill its last processes may still be ending."""
        until = time.monotonic() + _BOUND_SECONDS
        while True:
            try:
                self._control("-w", "-l", str(self._folder / "log"), "-o", self._options, "start")
            except subprocess.CalledProcessError:
                if time.monotonic() > until:
                    raise AssertionError((self._folder / "log").read_text("utf-8")[-2000:]) from None
            else:
                return

    def stop(self, mode: str = "immediate") -> None:
        """Stop it in one of PostgreSQL's ways: smart, fast or immediate."""
        with suppress(subprocess.CalledProcessError):
            self._control("-m", mode, "-w", "stop")

    def kill(self) -> None:
        """End all of its processes with SIGKILL, as a machine that loses its power does."""
        leader = int((self._data / "postmaster.pid").read_text("ascii").split("\n", 1)[0])
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text("ascii").split()
        for pid in (leader, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def ask_for_password(self, role: str, password: str) -> None:
        """Make a role that is let in by its password alone."""
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{rules.read_text('utf-8')}", "utf-8")
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            admin.execute("SELECT pg_reload_conf()")

    def make_standby(self) -> "PostgresServer":
        """A second server that holds all that this one confirms, and can take its place."""
        second = PostgresServer.__new__(PostgresServer)
        second.__dict__ |= self.__dict__
        second._programs = programs("PostgreSQL's own tools", "pg_ctl", "pg_basebackup")
        second._folder, second.port, second._other = room("remit-pg-")
        second._data = second._folder / "data"
        copy = [second._programs["pg_basebackup"], "-D", str(second._data), "-h", "127.0.0.1", "-p", str(self.port)]
        do([*copy, "-U", "postgres", "-R", "-X", "stream", "-c", "fast"], second._folder, second._other)
        second._options = self._options.replace(str(self.port), str(second.port), 1)
        second._options = second._options.replace(str(self._folder), str(second._folder))
        second.address = f"postgresql://postgres@127.0.0.1:{second.port}"
        atexit.register(second.stop)
        second.start()
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
        return second

    def promote(self) -> None:
        """Let a standby take writes."""
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as admin:
            admin.execute("SELECT pg_promote(true)")
        self.forget_standby()

    def forget_standby(self) -> None:
        """Confirm commits alone again."""
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as admin:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")

    def _control(self, *command: str) -> None:
        do([self._programs["pg_ctl"], "-D", str(self._data), *command], self._folder, self._other)


@contextmanager
def a_database(server: str = ""):
    """The address of a new, empty database, without a password."""
    server = server or postgres_server()
    name = f"remit_{os.getpid()}_{time.time_ns()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{server}/{name}"
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def postgres_server() -> str:
    """The address of a server, without a database."""
    standard = "postgresql://postgres@127.0.0.1:5432"
    try:
        psycopg.connect(f"{standard}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return PostgresServer().address
    return standard


def programs(what: str, *names: str) -> dict[str, str]:
    """Where these programs are; the test is skipped where they are not, and fails in CI."""
    found = {name: path for name in names if (path := _program(name))}
    if len(found) < len(names):
        reason = f"no {what}, and {', '.join(names)} are not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return found


def room(prefix: str) -> tuple[Path, int, dict]:
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


def do(command: list[str], folder: Path, other: dict) -> None:
    """Run a program of the server to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **other)


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)
