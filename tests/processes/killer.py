"""Runs the payables mission and kills it with SIGKILL at chosen ledger appends, from a process that forks.

A child process takes a home as it stands, drives its mission with every approval answered `approve`, and dies at one
append: just before the transaction that holds it begins (`before`), or just after it is durable and before anybody was
told (`after`). A second child then takes the home up and finishes. Forking saves the imports, nothing else: each child
opens the store, takes the lease and starts its own document server.
"""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from remit.adapters.postgres import PostgresStore, StoreAddress
from remit.adapters.sqlite import SqliteStore
from remit.bootstrap import create_home, current_principal, open_home
from remit.config import read_settings
from remit.control_plane import ControlPlane, Given
from remit.errors import AlreadyAnswered
from remit.ledger import Commit, Result
from remit.packs.payables import prepare, resource_files, sample_folder, stage
from remit.stores import CHOICE_FILE, STORE_FILE

#: No run takes this many rounds of answers; one that does goes in circles.
_ROUNDS_MAX = 12
_CHILD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished mission has left behind, without what differs from run to run."""

    status: str
    payments: list[list[str]]
    documents: list[list[object]]
    #: Approvals that were answered, by what they were about.
    answered: list[str]
    #: How many entries the mission's run appended.
    entries: int
    verified: bool


class Killing:
    """A real store, which kills its own process at the n-th entry that this process appends."""

    kill_at = 0
    when = "before"
    appended = 0

    def write_group(self, commits: Sequence[Commit]) -> list[Result]:
        """Write a group, unless its transaction holds the entry at which to die."""
        count = sum(len(commit.entries) for commit in commits)
        dies = self.appended < self.kill_at <= self.appended + count
        if dies and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        results: list[Result] = super().write_group(commits)  # type: ignore[misc]  # of the store that stands beside it
        self.appended += sum(len(result) for result in results if isinstance(result, tuple))
        if dies and self.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return results


class KillingSqlite(Killing, SqliteStore):
    """As said, on a file."""


class KillingPostgres(Killing, PostgresStore):
    """As said, on PostgreSQL."""


def killing_store(home: Path) -> KillingSqlite | KillingPostgres:
    """The home's own store, which kills."""
    choice = home / CHOICE_FILE
    if choice.is_file():
        return KillingPostgres(StoreAddress.read(choice.read_text("utf-8").strip()))
    return KillingSqlite(home / STORE_FILE)


async def new_home(home: Path, server: str = "") -> None:
    """A home with the pack applied and nothing submitted; on a new database of the server, where one is given."""
    settings = read_settings({"REMIT_STORE": a_database(server, home) if server else ""}, home=home)
    await create_home(settings)
    prepare(home)
    stage(home, sample_folder())
    plane = await open_home(settings)
    await plane.resources.apply(resource_files(), current_principal(plane))
    await plane.close()


async def run(home: Path, *, kill_at: int = 0, when: str = "before") -> Outcome:
    """Submit the mission if it is not there, drive it and answer whatever waits, until nothing more can be answered."""
    store = killing_store(home)
    store.kill_at, store.when = kill_at, when
    plane = await open_home(read_settings({}, home=home), store=store)
    by = current_principal(plane)
    listed = await plane.missions.all(by)
    mission = listed[0]["id"] if listed else await plane.missions.submit("payables", stage(home, sample_folder()), by)
    tried: set[str] = set()
    for _ in range(_ROUNDS_MAX):
        await plane.missions.drive(mission, by)
        waiting = [a for a in await plane.approvals.all(by) if "approve" in a["answers"] and a["id"] not in tried]
        if not waiting:
            break
        for approval in waiting:
            tried.add(approval["id"])
            try:
                await plane.approvals.answer(Given(approval["id"], "approve"), by)
            except AlreadyAnswered:
                continue
    return await _outcome(plane, home, mission, store.appended)


async def _outcome(plane: ControlPlane, home: Path, mission: str, appended: int) -> Outcome:
    by = current_principal(plane)
    report = await plane.missions.report(mission, by)
    await plane.ledger.seal()
    verdict = await plane.ledger.verify()
    answered = await plane.approvals.all(by, answered=True)
    outcome = Outcome(
        status=report["status"],
        payments=payments(home),
        documents=[[d["file"], d["status"], d["rules"]] for d in report["documents"]],
        answered=sorted(f"{a['title']}: {a['verdict']}" for a in answered if a["verdict"]),
        entries=appended,
        verified=verdict["ok"],
    )
    await plane.close()
    return outcome


def payments(home: Path) -> list[list[str]]:
    """The payments in the ERP; the key names the mission, and differs from home to home."""
    with sqlite3.connect(home / "erp.sqlite") as erp:
        rows = erp.execute("SELECT invoice, vendor, account, amount, currency FROM payments ORDER BY 1, 2").fetchall()
    return [list(row) for row in rows]


def answered_in(home: Path) -> dict[str, str]:
    """Approvals that stand answered in a home's store, whoever left it: id to verdict."""

    async def asked() -> dict[str, str]:
        store = killing_store(home)
        try:
            return {key: told["verdict"] for key, told in await store.records("approval") if told["verdict"]}
        finally:
            await store.close()

    return asyncio.run(asked())


def a_database(server: str, home: Path, like: str = "template1") -> str:
    """The address of a new database for a home, empty or a copy."""
    name = f"{home.parent.name}_{home.name}_{os.getpid()}".replace("-", "_")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {like}".encode())
    return f"{server}/{name}"


def copy_home(base: Path, home: Path) -> None:
    """Copy a home, with its database where its record stands in one."""
    shutil.copytree(base, home)
    choice = home / CHOICE_FILE
    if choice.is_file():
        server, _, name = choice.read_text("utf-8").strip().rpartition("/")
        choice.write_text(a_database(server, home, like=name), "utf-8")


def drop_home(home: Path) -> None:
    """Remove a home, with its database."""
    choice = home / CHOICE_FILE
    if choice.is_file():
        server, _, name = choice.read_text("utf-8").strip().rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    shutil.rmtree(home)


def in_child(home: Path, *, kill_at: int = 0, when: str = "before") -> Outcome | None:
    """Run in a forked child; None where it was killed as asked.

    Raises:
        AssertionError: the child failed in any other way.
    """
    told = home.parent / f"{home.name}.outcome"
    child = os.fork()
    if child == 0:
        signal.alarm(_CHILD_SECONDS)
        try:
            outcome = asyncio.run(run(home, kill_at=kill_at, when=when))
            told.write_text(json.dumps(asdict(outcome)))
        except BaseException:  # noqa: BLE001 -- a forked child must never return into its parent's code
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert status == 0, f"the child ended with {status}"
    outcome = Outcome(**json.loads(told.read_text()))
    told.unlink()
    return outcome


def kill_and_finish(base: Path, work: Path, kill_at: int, when: str) -> tuple[Outcome, dict[str, str], dict[str, str]]:
    """Kill a run of a copy of `base` at one append, finish it, and return how it ended and what stood answered."""
    home = work / f"{when}-{kill_at}"
    copy_home(base, home)
    first = in_child(home, kill_at=kill_at, when=when)
    assert first is None, f"the run ended before its entry {kill_at}"
    before = answered_in(home)
    finished = in_child(home)
    assert finished is not None
    after = answered_in(home)
    drop_home(home)
    return finished, before, after


def main(work: Path, first: int, step: int, when: str, server: str = "") -> None:
    """Kill at every `step`-th append from `first`; prints one JSON line, and fails at the first difference."""
    base = work / "base"
    asyncio.run(new_home(base, server))
    whole = work / "whole"
    copy_home(base, whole)
    baseline = in_child(whole)
    assert baseline is not None
    points = range(first, baseline.entries + 1, step)
    for point in points:
        finished, before, after = kill_and_finish(base, work, point, when)
        assert finished.verified, f"{when} {point}: the ledger does not verify"
        assert finished.payments == baseline.payments, f"{when} {point}: {finished.payments}"
        assert finished.documents == baseline.documents, f"{when} {point}: {finished.documents}"
        assert finished.answered == baseline.answered, f"{when} {point}: {finished.answered}"
        assert before.items() <= after.items(), f"{when} {point}: an answer was lost"
    for home in (whole, base):
        drop_home(home)
    print(json.dumps({"killed": len(points), "entries": baseline.entries, "payments": len(baseline.payments)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
