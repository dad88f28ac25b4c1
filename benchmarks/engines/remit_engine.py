"""Governed durable steps on Remit: embedded driver, every step through the whole door; one SQLite file, or PostgreSQL.

The variant is the address of a PostgreSQL server; a database is made in it and removed at the end.
"""

import asyncio
import cProfile
import os
import pstats
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from bench_tools import METER
from measure import Order, answer, check_recorded, durability, look, order, result, stored_bytes

from remit.adapters.sqlite import connection as store
from remit.bootstrap import create_home, current_principal, open_home, quiet_collector
from remit.config import read_settings
from remit.stores import STORE_FILE

#: Where a thread waits for something to do.
WAITS = ("select.epoll", "_queue.SimpleQueue", "lock.acquire")
_OUTCOMES = "FROM entry WHERE stream LIKE 'step/%' AND fact LIKE 'done/%'"
RESOURCES = Path(__file__).with_name("bench.yaml")


class Profiles:
    """One profiler on the event loop's thread and one on the journal's."""

    def __init__(self) -> None:
        self.loop = cProfile.Profile()
        self.journal = cProfile.Profile()
        self._begun = False
        threading.setprofile(self._begin)

    def _begin(self, *_event: Any) -> None:
        # Called in each new thread at its first event; the profiler then takes this function's place.
        if not self._begun and threading.current_thread().name.startswith("remit-journal"):
            self._begun = True
            self.journal.enable()

    def show(self, steps: int) -> None:
        """Own time by folder and by function, in microseconds of a step; profiling itself is in it."""
        for title, profile in (("event loop", self.loop), ("journal thread", self.journal)):
            every = _rows(profile, steps)
            rows = [row for row in every if not any(wait in row[3] for wait in WAITS)]
            waited, worked = (sum(row[0] for row in part) for part in (set(every) - set(rows), rows))
            print(f"\n{title}: {worked:.0f} us a step at work, {waited:.0f} waiting, as profiled", file=sys.stderr)
            places: defaultdict[str, float] = defaultdict(float)
            for own, _, _, name in rows:
                places[_place(name)] += own
            for place, own in sorted(places.items(), key=lambda item: -item[1])[:14]:
                print(f"  {own:7.1f}  {place}", file=sys.stderr)
            print(f"\n  {'own us':>7} {'all us':>7} {'calls':>6}  function", file=sys.stderr)
            for own, cumulative, calls, name in rows[:40]:
                print(f"  {own:7.1f} {cumulative:7.1f} {calls:6.1f}  {name}", file=sys.stderr)


def _rows(profile: cProfile.Profile, steps: int) -> list[tuple[float, float, float, str]]:
    found: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    rows = []
    for (file, line, name), (_, calls, own, cumulative, _) in found.items():
        shown = name if file == "~" else f"{_short(file)}:{line} {name}"
        rows.append((own / steps * 1e6, cumulative / steps * 1e6, calls / steps, shown))
    return sorted(rows, reverse=True)


def _short(file: str) -> str:
    for root in ("/src/remit/", "/site-packages/", "/python3.11/", "/benchmarks/"):
        if root in file:
            return file.split(root, 1)[1] if root != "/src/remit/" else "remit/" + file.split(root, 1)[1]
    return file


def _place(name: str) -> str:
    if name.startswith("remit/"):
        return name.partition(":")[0].rpartition("/")[0]
    return "built in: " + name if name.startswith(("<", "{")) else name.partition("/")[0].partition(":")[0]


async def run(told: Order, database: str = "") -> dict[str, Any]:
    settings = read_settings({"REMIT_STORE": database}, home=told.folder / "home")
    await create_home(settings)
    profiles = Profiles() if told.profile else None  # from here on: the next journal's thread is the one of the run
    plane = await open_home(settings)
    quiet_collector()  # as `serve` does
    by = current_principal(plane)
    await plane.resources.apply([("bench.yaml", RESOURCES.read_text("utf-8"))], by)
    await plane.core.keep_lease()

    async def mission() -> str:
        name = await plane.missions.submit("bench", {"steps": told.steps}, by)
        await plane.missions.drive(name, by)
        return name

    empty = _size_in(database) if database else 0
    if profiles:
        profiles.loop.enable()
    METER.start()
    names = await asyncio.gather(*(mission() for _ in range(told.missions)))
    METER.stop()
    if profiles:
        profiles.loop.disable()
    shown = await plane.missions.show(names[-1], by)
    assert shown["status"] == "completed", shown["status"]
    await plane.close()
    if profiles:
        profiles.show(told.missions * told.steps)
    return _found_in(told, database, empty) if database else await _found(told, settings.home / STORE_FILE)


@contextmanager
def a_database(server: str) -> Iterator[str]:
    """The address of a new database."""
    name = f"remit_bench_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{server}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _size_in(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'remit'::regnamespace"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _found_in(told: Order, database: str, empty: int) -> dict[str, Any]:
    with psycopg.connect(database) as connection:
        row = connection.execute(f"SELECT count(*) {_OUTCOMES.replace('entry', 'remit.entry')}".encode()).fetchone()
        assert row is not None
        check_recorded(row[0], told.missions * told.steps)
        asked = ("fsync", "synchronous_commit")
        settings = {name: connection.execute(f"SHOW {name}".encode()).fetchone()[0] for name in asked}  # type: ignore[index]  # SHOW answers with one row
        server = str(connection.info.server_version // 10_000)
    return result(
        METER,
        told,
        settings=settings,
        versions={"remit": version("remit"), "postgresql": server},
        bytes_per_step=(_size_in(database) - empty) / told.missions / told.steps,
    )


async def _found(told: Order, path: Path) -> dict[str, Any]:
    check_recorded(look(path, f"SELECT count(*) {_OUTCOMES}"), told.missions * told.steps)
    opened = store.connect(path)
    settings = durability(opened)
    opened.close()
    empty = read_settings({}, home=told.folder / "empty")
    await create_home(empty)
    size = stored_bytes(path) - stored_bytes(empty.home / STORE_FILE)
    return result(
        METER,
        told,
        settings=settings,
        versions={"remit": version("remit")},
        bytes_per_step=size / told.missions / told.steps,
    )


if __name__ == "__main__":
    with order() as given, a_database(given.variant) if given.variant else nullcontext("") as place:
        answer(asyncio.run(run(given, place)))
