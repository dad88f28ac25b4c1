"""Habits that a machine can hold."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "remit"
LINES_MAX = 60

#: Functions that are longer than they should be, each with the reason.
LONG = {
    "adapters/mcp/transport.py:__init__": "a signature with one documented argument for each thing that may be set",
}
#: Where time and chance may come from, besides adapters/system.
CHANCE = {
    "api/names.py": "names of sessions, questions and signed requests that must not be guessed",
    "control_plane/sidecars.py": "the token of a sidecar, new at each enrolment",
    "missions/context.py": "random numbers of an agent, drawn from a recorded seed",
    "api/serve.py": "the token of a server, new at each start",
    "state/keys.py": "keys and nonces",
    "state/vault.py": "nonces",
}
#: Who may read the environment, besides `config`.
ENVIRONMENT = {
    "adapters/mcp/server.py": "hands the allowed variables on to a tool server",
    "adapters/pydantic_ai/provider.py": "a provider's own key, as its client names it",
    "adapters/pydantic_ai/transport.py": "a provider's own address, as its client names it",
}
#: Who may speak HTTP by itself, besides adapters/egress.
WIRES = {
    "api/own_door.py": "it speaks to the door of its own home, on this machine",
    "adapters/pydantic_ai/way_out.py": "hands the SDKs of model providers a client over adapters/egress",
    "cli/client.py": "speaks to Remit's own server, over loopback or in process",
}
_WIRE = re.compile(
    r"\bhttpx2?\.(AsyncClient|Client|AsyncHTTPTransport|get|post|request|stream)\(|\bAsyncOpenAI\b"
    r"|\bimport (httpcore|urllib\.request|aiohttp)\b|\b(open_connection|create_connection)\("
)
_TIME = re.compile(r"\bdatetime\.(now|utcnow|today)\b|\bdate\.today\b|\btime\.(time|time_ns|monotonic|perf_counter)\b")
_CHANCE = re.compile(r"\bimport (random|secrets|uuid)\b|\bfrom (random|secrets|uuid) import\b|\bos\.urandom\b")
_ENVIRONMENT = re.compile(r"\bos\.environ\b|\bos\.getenv\b")


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted(HOUSE.rglob("*.py")):
        yield path.relative_to(HOUSE).as_posix(), path.read_text("utf-8")


def code(text: str) -> str:
    """The text without comments."""
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def uses(pattern: re.Pattern[str]) -> set[str]:
    return {name for name, text in modules() if pattern.search(code(text))}


def tracked() -> list[Path]:
    """The project's files; without git, all that stand in its folders."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        places = ("src", "tests", "docs", "tools", "examples", "benchmarks", "requirements")
        return [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content[:4096] else content.decode("utf-8", "replace")


def test_functions_fit_a_screen():
    long = {}
    for name, text in modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > LINES_MAX:
                    long[f"{name}:{node.name}"] = lines

    assert long.keys() == LONG.keys(), long


def test_time_comes_from_the_clock():
    assert uses(_TIME) == {"adapters/system/clock.py"}


def test_chance_comes_from_the_system_adapter_or_has_a_reason():
    assert uses(_CHANCE) == {"adapters/system/ids.py", *CHANCE}


def test_the_environment_is_read_in_one_place_or_has_a_reason():
    assert uses(_ENVIRONMENT) == {"config.py", *ENVIRONMENT}


def test_requests_leave_by_the_one_way_out_or_have_a_reason():
    assert {name for name in uses(_WIRE) if not name.startswith("adapters/egress/")} == WIRES.keys()


def test_no_file_names_a_path_of_a_machine_or_a_registry():
    # Put together here, so that this file does not name them either.
    places = "|".join(
        ("/ho" + r"me/(?!anna\b)[a-z]", "/Us" + "ers/[A-Za-z]", "/wo" + "rk/", "/ro" + "ot/", "C:" + r"\\Users")
    )
    hosts = "|".join(("pyp" + r"i\.org", "python" + r"hosted\.org", "artifact" + "ory", "index" + "-url"))
    banned = re.compile(rf"(?<![\w.])(?:{places})|(?:{hosts})")
    found = []
    for path in tracked():
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            if banned.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")

    assert not found, "\n".join(found)


def test_nothing_is_left_to_be_filled_in():
    marks = re.compile("|".join(("PLACE" + "HOLDER", "TO" + "DO", "FIX" + "ME", "XX" + "X")))
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        if path.suffix in {".py", ".md", ".yaml", ".toml"} or path.name in {"Makefile", "run"}
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if marks.search(line)
    ]

    assert not found, "\n".join(found)


def test_lock_files_pin_by_hash_and_name_no_host():
    for path in sorted((ROOT / "requirements").glob("*.lock")):
        text = path.read_text("utf-8")
        pins = re.findall(r"(?m)^[A-Za-z0-9][^\s=]*==", text)

        assert pins
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--(extra-)?index|--find-links|@ file:", text), path.name


def dependencies() -> list[str]:
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    start = lines.index("dependencies = [")
    return lines[start + 1 : lines.index("]", start)]


@pytest.mark.parametrize("line", dependencies())
def test_each_dependency_says_why_it_is_here(line):
    assert re.fullmatch(r'  "[^"]+", +# \S.{10,}', line)


def test_what_is_needed_to_run_is_what_is_locked():
    named = {re.split(r"[\[<>=!~ ]", one)[0].lower() for one in _project()["dependencies"]}
    asked = {
        re.split(r"[\[<>=!~ ]", line)[0].lower()
        for line in (ROOT / "requirements" / "runtime.in").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    }

    assert named <= asked


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_package_says_that_it_is_typed():
    assert (HOUSE / "py.typed").is_file()


def test_the_changelog_has_its_form():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"(?m)^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", text)
    kinds = re.findall(r"(?m)^### (.+)$", text)

    assert releases
    assert releases[0][0] in {"Unreleased", _project()["version"]}
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(line.startswith(("- ", "  ", "#", "[")) or not line for line in text.splitlines()[4:])


def test_the_licence_is_the_one_that_is_declared():
    assert _project()["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_ci_calls_the_projects_own_commands():
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd ", "export "))
    ]

    assert commands
    assert all(command.startswith("make ") for command in commands)
