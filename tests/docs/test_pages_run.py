"""Every command that a page shows is run, in order, in a new home; every file that it shows is written as shown.

What a page shows of a line of output must stand in the real output; `...` in it stands for anything. MISSION and
APPROVAL stand for the newest mission and the oldest open question, DATABASE for a PostgreSQL database. A block that
cannot run says why in its info string.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from tests.adapters.database_servers import a_database

# What commands import late is imported here once, for all of them.
import remit.api
import remit.bootstrap
import remit.packs.payables.pack  # noqa: F401 -- loaded before the fork
from remit.cli.main import main

from .pages import ROOT, Block, Command, blocks, commands, markdown

#: These pages are followed as a newcomer does, with a new process for each command.
SHOWCASE = {ROOT / "README.md"}
_SHELL_SYNTAX = re.compile(r"[|<>;&$~`*]")
BIN = Path(sys.executable).parent
SECONDS_MAX = 60
_LETTER = """\
Invoice 2026-17
Date: 2026-11-02
Bleistift GmbH, VAT id DE123456789
Net 100.00 EUR, tax 19.00 EUR, total 119.00 EUR
"""
PAGES = [page for page in markdown() if any(block.language == "console" for block in blocks(page))]


class Reader:
    """Someone who follows a page from top to bottom."""

    def __init__(self, folder: Path, database: Callable[[], str] = str) -> None:
        self.folder = folder
        #: The address of the reader's own PostgreSQL database, empty at the first look.
        self.database = database
        (folder / "work").mkdir()
        for name in ("examples", "docs"):
            (folder / "work" / name).symlink_to(ROOT / name)
        self._collect_documents(folder / "invoices")
        self.environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "REMIT_HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
        }

    def follow(self, block: Block) -> None:
        if block.file is not None:
            path = self.folder / "work" / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        elif block.language == "console" and block.skip is None:
            for command in commands(block):
                self._run(block, command)

    def remit(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._forked(list(words))

    def _run(self, block: Block, command: Command) -> None:
        if assigned := re.fullmatch(r"export (\w+)=(.*)", command.text):
            self.environment[assigned[1]] = os.path.expandvars(assigned[2])
            return
        done = self._done(self._filled(command.text), quickly=block.page not in SHOWCASE)
        told = done.stdout + done.stderr
        where = f"{block.page.relative_to(ROOT)}:{block.line}: {command.text}\n{told}"
        assert done.returncode == command.exit_code, where
        lines = [_plain(line) for line in told.splitlines()]
        for line in command.shown:
            assert any(_wildcard(line).search(real) for real in lines), f"not shown: {line}\n{where}"

    def _filled(self, text: str) -> str:
        if "MISSION" in text.split("#", maxsplit=1)[0]:
            text = text.replace("MISSION", self._ask("missions", "list")[-1]["id"])
        if "DATABASE" in text:
            text = text.replace("DATABASE", self.database())
        if "APPROVAL" in text:
            text = text.replace("APPROVAL", self._ask("approvals", "list")[0]["id"])
        return text

    def _ask(self, *words: str) -> list[dict[str, str]]:
        return json.loads(self._forked([*words, "--json"]).stdout)

    def _done(self, text: str, *, quickly: bool) -> subprocess.CompletedProcess[str]:
        if quickly and text.startswith("remit ") and not _SHELL_SYNTAX.search(text):
            return self._forked(shlex.split(text)[1:])
        return self._shell(text)

    def _forked(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run the command in a copy of this process, which has everything imported already."""
        out, err = (self.folder / name for name in ("out", "err"))
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = _become_remit(words, self.folder / "work", self.environment, out, err)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(words, code, out.read_text("utf-8"), err.read_text("utf-8"))

    def _shell(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder / "work",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

    def _collect_documents(self, folder: Path) -> None:
        """A folder of the reader's own, as the pages say that they have one."""
        folder.mkdir()
        (folder / "letter.txt").write_text(_LETTER, "utf-8")
        (folder / "procedure.md").write_text("# Standard operating procedure\n\nPay within 30 days.\n", "utf-8")


def _become_remit(words: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path) -> int:
    for number, path in ((0, Path(os.devnull)), (1, out), (2, err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 -- they live as long as the process
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [str(folder / part) for part in environment.get("PYTHONPATH", "").split(":") if part]
    sys.argv = ["remit", *words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _plain(line: str) -> str:
    return " ".join(line.split())


def _wildcard(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part.strip()) for part in _plain(line).split("...")))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_can_be_followed(page, tmp_path):
    with ExitStack() as made:
        reader = Reader(tmp_path, cache(lambda: made.enter_context(a_database())))

        for block in blocks(page):
            reader.follow(block)


def test_the_readme_shows_the_demo_as_it_ends(tmp_path):
    (shown,) = [block.text for block in blocks(ROOT / "README.md") if block.info == "demo"]
    reader = Reader(tmp_path)

    done = reader.remit("demo")

    assert done.returncode == 0, done.stdout + done.stderr
    real = [_plain(line) for line in done.stdout.splitlines()]
    missing = [line for line in shown.splitlines() if line and not any(_wildcard(line).search(one) for one in real)]
    assert not missing, done.stdout


def test_what_is_not_run_says_why():
    for page in markdown():
        for block in blocks(page):
            if block.language in {"bash", "sh", "shell"}:
                pytest.fail(f"{name_of(page)}:{block.line}: write `console`, so that it is run")
            if "skip" in block.info:
                assert block.skip, f"{name_of(page)}:{block.line}: skip needs a reason"


def test_there_are_pages_to_follow():
    assert {"README.md", "docs/quick-start.md"} <= {name_of(page) for page in PAGES}
