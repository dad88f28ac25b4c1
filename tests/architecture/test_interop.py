"""The agents of other frameworks: each is locked, and knows nothing of Remit."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements" / "interop"
AGENTS = sorted((ROOT / "interop" / "agents").glob("*.py"))


def test_every_agent_has_a_lock_and_every_lock_an_agent():
    names = {path.stem for path in AGENTS}
    runner = (ROOT / "interop" / "frameworks.py").read_text("utf-8")

    assert names == {path.stem for path in LOCKS.glob("*.lock")} == {path.stem for path in LOCKS.glob("*.in")}
    assert names == set(re.findall(r'^    "([a-z-]+)": "[a-z-]+",$', runner, re.MULTILINE))


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.lock")), ids=lambda path: path.stem)
def test_a_lock_holds_every_package_by_hash_and_names_no_place(path):
    packages = re.split(r"\n(?=\S)", path.read_text("utf-8").strip())

    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+.*--hash=sha256:[0-9a-f]{64}", p, re.DOTALL) for p in packages)
    assert "://" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", AGENTS, ids=lambda path: path.stem)
def test_an_agent_is_given_an_address_and_a_token_and_knows_nothing_of_remit(path):
    text = path.read_text("utf-8")

    assert set(re.findall(r"environ\[['\"](\w+)", text)) == {"OPENAI_API_KEY", "MCP_URL"}
    assert "remit" not in text.lower()
