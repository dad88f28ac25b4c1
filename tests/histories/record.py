"""Record a home as the release of this interpreter writes it.

    OLD_RELEASE/.venv/bin/python tests/histories/record.py tests/histories/NAME [--later]

Everything goes through the command line, so one script records every release. Run it with the interpreter of the
release that is to be kept, from anywhere outside its checkout.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from base64 import b64encode
from pathlib import Path

HERE = Path(__file__).parent
DESK = HERE / "desk"
#: The keys of every recorded home follow from these words: they are material of tests, and guard nothing.
KEYS = {
    name: hashlib.sha256(f"recorded for tests, no secret: {name}".encode()).hexdigest() for name in ("home", "ledger")
}
#: What stands in a recorded home beside its databases.
_NOTES = ("ledger.vkey", "seals.log", "rates.yaml", "paid.jsonl", "ordered.jsonl", "cancelled.jsonl")
_ITEMS = 'items=["a", "b"]'
_DATABASES = ("remit", "erp")
_DONE = ("inv-01-kranich.pdf", "sop-payments.txt")
_ASKING = ("inv-01-kranich.pdf", "inv-02-nordlicht.pdf", "inv-03-albatros.pdf", "inv-09-petersen.pdf", "sop-orders.md")


class Recording:
    """A home in the making, and the missions in it by the names of their stories."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.missions: dict[str, str] = {}
        self._seen: set[str] = set()

    def remit(self, *arguments: object, dies: bool = False):
        environment = {**os.environ, "LOGNAME": "anna", "USER": "anna", "PYTHONPATH": str(DESK)}
        command = [sys.executable, "-m", "remit.cli", *map(str, arguments), "--home", str(self.home), "--json"]
        done = subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True, check=False)
        if dies:
            assert done.returncode == -9, done.stderr
            return None
        assert done.returncode in {0, 1}, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def run(self, name: str, workflow: str, *arguments: object, dies: bool = False) -> None:
        if dies:
            (self.home / "dies").touch()
        self.remit("run", workflow, *arguments, dies=dies)
        begun = [mission for mission in self._missions() if mission not in self._seen]
        self.missions[name] = begun[0]
        self._seen.update(begun)

    def _missions(self) -> list[str]:
        """The missions on record, in the order of their beginnings."""
        with sqlite3.connect(self.home / "remit.sqlite") as db:
            query = "SELECT stream FROM entry WHERE stream LIKE 'mission/%' GROUP BY stream ORDER BY min(idx)"
            return [stream.removeprefix("mission/") for (stream,) in db.execute(query)]

    def documents(self, names: tuple[str, ...]) -> Path:
        from remit.packs.payables.pack import sample_folder

        folder = Path(tempfile.mkdtemp())
        for name in names:
            shutil.copy(sample_folder() / name, folder)
        return folder


def record(home: Path, *, later: bool) -> Recording:
    """Make a home in which missions have ended, wait, were cancelled, and died in the middle of a write."""
    (home / "keys").mkdir(parents=True)
    for name, key in KEYS.items():
        (home / "keys" / f"{name}.key").write_text(key + "\n", "ascii")
    made = Recording(home)
    made.remit("init")
    made.remit("apply", "-f", DESK / "desk.yaml")
    made.run("finished", "payables", "--input", made.documents(_DONE))
    made.run("asking", "payables", "--input", made.documents(_ASKING))
    made.run("proposed", "desk", "--set", "story=pay")
    made.run("cancelled", "desk", "--set", "story=ask")
    made.remit("missions", "cancel", made.missions["cancelled"])
    if later:
        made.remit("apply", "-f", DESK / "later.yaml")
        made.run("undone", "later", "--set", _ITEMS)
        made.remit("missions", "cancel", made.missions["undone"])
        made.remit("watch", made.missions["undone"])
        made.run("paused", "later", "--set", _ITEMS)
        made.remit("missions", "pause", made.missions["paused"])
        made.run("nested", "outer", "--set", _ITEMS)
    made.run("uncertain", "desk", "--set", "story=order", dies=True)
    made.remit("watch", made.missions["uncertain"])
    made.run("killed", "desk", "--set", "story=order", dies=True)
    return made


def keep(made: Recording, kept: Path) -> None:
    """Write the home down as text, without anything of this machine."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in _DATABASES:
        (kept / f"{name}.jsonl").write_text("".join(_lines(made.home / f"{name}.sqlite")), "utf-8")
    for name in _NOTES:
        if (made.home / name).exists():
            shutil.copy(made.home / name, kept)
    inbox = {folder.name: sorted(file.name for file in folder.iterdir()) for folder in (made.home / "inbox").iterdir()}
    told = {"missions": made.missions, "inbox": inbox}
    (kept / "told.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    for file in kept.iterdir():
        assert not re.search(re.escape(str(made.home)) + "|" + re.escape(str(DESK)), file.read_text("utf-8")), file


def _lines(database: Path):
    """The database: its marks, its tables and indexes, its rows; bytes that are text stand as text."""
    with sqlite3.connect(database) as db:
        marks = {mark: db.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version")}
        yield json.dumps({"marks": marks}) + "\n"
        tables = []
        for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall():
            yield json.dumps({"sql": sql}) + "\n"
            tables += [name] if kind == "table" else []
        for table in tables:
            for row in db.execute(f"SELECT * FROM {table}"):
                yield json.dumps({"table": table, "row": [_value(value) for value in row]}, ensure_ascii=False) + "\n"


def _value(value):
    if not isinstance(value, bytes):
        return value
    try:
        return {"text": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode("ascii")}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        keep(record(Path(folder) / "home", later="--later" in sys.argv), Path(sys.argv[1]))
