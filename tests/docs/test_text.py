"""Links resolve, named tests exist, and decisions have their form."""

import ast
import re
from functools import cache

import pytest

from .pages import ROOT, blocks, markdown

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def prose(page):
    text = page.read_text("utf-8")
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def anchors(page):
    titles = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def names_in(path):
    """Names of the test functions in a file; those of a contract suite stand in its class."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", markdown(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    dead = []
    for target in _LINK.findall(prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(target)

    assert not dead


@pytest.mark.parametrize("page", markdown(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_tests_exist(page):
    missing = [
        f"{path}::{name}"
        for path, name in _TEST.findall(page.read_text("utf-8"))
        if not (ROOT / path).is_file() or name not in names_in(path)
    ]

    assert not missing


def test_every_how_to_is_listed():
    listed = (ROOT / "docs" / "README.md").read_text("utf-8")
    shelves = ("how-to", "explanation", "reference")
    pages = [
        path.relative_to(ROOT / "docs").as_posix() for shelf in shelves for path in (ROOT / "docs" / shelf).iterdir()
    ]

    assert not [page for page in pages if f"({page})" not in listed]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_form(page):
    text = page.read_text("utf-8")
    number = int(page.name[:4])

    assert text.startswith(f"# {number}. ")
    for part in ("Status", "Drivers", "Options", "Outcome", "Consequences", "Held by"):
        assert f"**{part}" in text, part


def test_decisions_are_numbered_without_gaps():
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_threats_name_the_tests_that_show_their_defence():
    table = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line.startswith("| **")]

    assert len(table) >= 11
    assert all(_TEST.search(line) for line in table)


def test_every_agentic_risk_has_tests_that_exist():
    """That they exist is shown with every other name of a test that a page tells."""
    told = (ROOT / "SECURITY.md").read_text("utf-8").splitlines()
    for number in range(1, 11):
        (row,) = [line for line in told if line.startswith(f"| ASI{number:02} |")]
        assert f"::test_asi{number:02}_" in row


def test_blocks_are_closed():
    for page in markdown():
        assert page.read_text("utf-8").count("\n```") % 2 == 0, page
        assert all(block.text.strip() or block.file for block in blocks(page))
