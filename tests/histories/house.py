"""A recorded home put up again in a folder, under the clock of the hour after it was recorded."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from base64 import b64decode
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from remit.adapters.system import SystemClock
from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import closing as closing_home
from remit.ids import ApprovalId
from remit.missions import Given
from remit.packs.payables.pack import sample_folder

from .record import DESK, KEYS

HERE = Path(__file__).parent
NAMES = ("first", "second", "third")
_NOT_FILES = {"told.json"}


class RecordedClock:
    """The time of a recording, which goes on from there."""

    def __init__(self, at):
        self._ahead = at - SystemClock().now()

    def now(self):
        return SystemClock().now() + self._ahead

    def move(self, **by):
        self._ahead += timedelta(**by)

    async def sleep(self, seconds):
        await SystemClock().sleep(seconds)


class RecordedHome:
    """A home as it was left, and what was told of it."""

    def __init__(self, name, folder):
        self.folder, self.kept = folder, HERE / name
        told = json.loads((self.kept / "told.json").read_text("utf-8"))
        self.missions = told["missions"]
        _put_up(self.kept, folder, told["inbox"])
        self.clock = RecordedClock(self._last() + timedelta(minutes=10))

    @asynccontextmanager
    async def opened(self):
        async with closing_home(await open_home(Settings(self.folder), clock=self.clock)) as plane:
            yield plane, plane.core.door.controls.registry.principals["anna"]

    def rows(self, query, database="remit"):
        with closing(sqlite3.connect(self.folder / f"{database}.sqlite")) as db:
            return db.execute(query).fetchall()

    def notes(self, name):
        """What the desk's tools wrote down."""
        file = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def kinds(self, story):
        """The kinds of the mission's entries."""
        return [entry["kind"] for entry in self._entries(f"mission/{self.missions[story]}")]

    def calls(self, mission):
        """The entries of the mission's calls."""
        return self._entries(f"step/{mission}/%")

    def _entries(self, streams):
        rows = self.rows(f"SELECT canonical FROM entry WHERE stream LIKE '{streams}' ORDER BY idx")
        return [json.loads(canonical) for (canonical,) in rows]

    def remit(self, *arguments):
        """The command line of today over this home: its exit code and its document."""
        command = [sys.executable, "-m", "remit.cli", *arguments, "--home", str(self.folder), "--json"]
        environment = {"LOGNAME": "anna", "PYTHONPATH": str(DESK)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, json.loads(done.stdout)

    def _last(self):
        ((at_us,),) = self.rows("SELECT max(json_extract(CAST(canonical AS TEXT), '$.at_us')) FROM entry")
        return datetime.fromtimestamp(at_us / 1_000_000, UTC)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 120))


async def answer(plane, by, mission, verdict="approve"):
    """Answer every open question of the mission that has this answer; returns how many."""
    asked = [one for one in await plane.approvals.all(by, mission=mission) if verdict in one["answers"]]
    for one in asked:
        await plane.approvals.answer(Given(ApprovalId(one["id"]), verdict), by)
    return len(asked)


async def to_the_end(plane, by, mission):
    """Approve and drive until the mission has ended."""
    while not (await plane.missions.drive(mission, by))["ended"]:
        assert await answer(plane, by, mission), await plane.missions.show(mission, by)
    return await plane.missions.show(mission, by, bodies=True)


def _put_up(kept, folder, inbox):
    (folder / "keys").mkdir(mode=0o700, parents=True)
    for name, key in KEYS.items():
        (folder / "keys" / f"{name}.key").touch(mode=0o600)
        (folder / "keys" / f"{name}.key").write_text(key + "\n", "ascii")
    for file in kept.iterdir():
        if file.name.startswith(("remit.", "erp.")):
            _fill(folder / f"{file.stem}.sqlite", file)
        elif file.name not in _NOT_FILES:
            shutil.copy(file, folder)
    for place, names in inbox.items():
        (folder / "inbox" / place).mkdir(parents=True)
        for name in names:
            shutil.copy(sample_folder() / name, folder / "inbox" / place)


def _fill(database, file):
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for line in file.read_text("utf-8").splitlines():
            told = json.loads(line)
            if "row" in told:
                values = [_value(value) for value in told["row"]]
                db.execute(f"INSERT INTO {told['table']} VALUES ({', '.join('?' * len(values))})", values)
            elif "sql" in told:
                db.execute(told["sql"])
            else:
                for mark, value in told["marks"].items():
                    db.execute(f"PRAGMA {mark}={value}")


def _value(told):
    if not isinstance(told, dict):
        return told
    return told["text"].encode() if "text" in told else b64decode(told["base64"])
