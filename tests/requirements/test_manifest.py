"""What this release claims is shown by tests that exist, and each part of brief and design has a claim."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLAIMS = yaml.safe_load(Path(__file__).with_name("manifest.yaml").read_text("utf-8"))
_SOURCE = re.compile(r"(brief 00[0-4]|design)(, .+| D\d+)")


@cache
def functions(path):
    file = ROOT / path
    tree = ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_a_claim_is_shown_by_tests_that_exist(claim):
    missing = [test for test in claim["tests"] if test.split("::")[1] not in functions(test.split("::")[0])]

    assert claim["tests"]
    assert not missing


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_a_claim_says_where_it_comes_from(claim):
    assert claim.keys() == {"id", "source", "says", "tests"}
    assert _SOURCE.fullmatch(claim["source"])
    assert claim["says"].endswith(".")


def test_no_claim_is_made_twice():
    assert not [name for name, count in Counter(claim["id"] for claim in CLAIMS).items() if count > 1]


def test_every_part_of_the_brief_has_a_claim():
    told = {claim["source"][:9] for claim in CLAIMS if claim["source"].startswith("brief")}

    assert told == {f"brief 00{number}" for number in range(5)}


def test_the_decisions_of_the_design_that_this_release_builds_have_a_claim():
    told = {match[0] for claim in CLAIMS if (match := re.search(r"\bD\d+", claim["source"]))}

    # D14, tenants beside each other in one store, comes with the second store.
    assert told == {f"D{number}" for number in range(1, 14)}
