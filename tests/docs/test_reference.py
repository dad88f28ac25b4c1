"""The reference is made from the code, and says everything."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import typer

from remit.cli.main import app
from remit.config import read_settings
from remit.control_plane import kinds
from remit.errors import catalogue
from remit.missions.events import KINDS

from .pages import ROOT

REFERENCE = ROOT / "docs" / "reference"
HOUSE = ROOT / "src" / "remit"


def generator():
    spec = importlib.util.spec_from_file_location("generate_reference", ROOT / "tools" / "generate_reference.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAGES = generator().pages()


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name):
    assert page(name) == PAGES[name], "run `make docs`"


def test_nothing_else_stands_in_the_reference():
    assert {path.name for path in REFERENCE.iterdir()} == PAGES.keys()


def test_every_error_is_documented():
    assert all(f"| `{code}` |" in page("errors.md") for code in catalogue())


def test_every_error_says_what_to_do():
    assert not [code for code, error in catalogue().items() if not error.hint]


def test_every_kind_of_entry_is_documented():
    written = set(KINDS)
    for path in HOUSE.rglob("*.py"):
        text = path.read_text("utf-8")
        # Kinds stand as plain text where they are written: as a draft's kind or in a call of a helper.
        of = "bundle|call|content|halt|memory|resources|sidecar|state|subscription|token|trigger"
        written |= set(re.findall(rf'"((?:{of})\.[a-z_]+)"', text))

    assert not [kind for kind in written if f"`{kind}`" not in page("events.md")]


def test_every_setting_is_documented():
    asked: set[str] = set()

    class Watched(dict):
        def get(self, key, default=None):
            asked.add(key)
            return default

    read_settings(Watched(), home=Path())

    assert asked
    assert not [name for name in asked | {"REMIT_HOME"} if f"`{name}`" not in page("settings.md")]


def test_every_kind_of_resource_is_documented():
    assert all(f"\n## {kind}\n" in page("resources.md") for kind in kinds())


def test_every_field_of_a_resource_has_a_meaning():
    silent = [line for line in page("resources.md").splitlines() if re.fullmatch(r"\| `[^`]+` \|.*\|  \|", line)]

    assert {re.match(r"\| `([^`]+)`", line)[1].rsplit(".")[-1] for line in silent} <= {"amount", "currency"}


def test_every_command_is_documented():
    def paths(prefix, command):
        for name, inner in getattr(command, "commands", {}).items():
            yield f"{prefix} {name}"
            yield from paths(f"{prefix} {name}", inner)

    root = typer.main.get_command(app)

    assert not [path for path in paths("remit", root) if f"\n## `{path}`\n" not in page("commands.md")]
