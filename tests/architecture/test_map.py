"""The map in ARCHITECTURE.md is the tree, and the import contracts hold."""

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import remit.gateway.enforce as door

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "remit"


def block(name: str) -> str:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    found = re.search(rf"(?ms)^```text {name}\n(.*?)^```", text)
    assert found is not None, f"ARCHITECTURE.md has no block {name!r}"
    return found[1]


def mapped() -> list[str]:
    """Paths in the map, in its order."""
    paths: list[str] = []
    for indent, name in re.findall(r"(?m)^( +)([\w.]+)", block("map")):
        paths.append(name if len(indent) == 2 else f"{paths[-1].split('/')[0]}/{name}")
    return paths


def has_code(folder: Path) -> bool:
    return any(folder.glob("*.py"))


def test_the_map_is_the_tree():
    top = {path.name for path in HOUSE.iterdir() if path.suffix == ".py" and not path.name.startswith("__")}
    top |= {path.name for path in HOUSE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    adapters = {f"adapters/{path.name}" for path in (HOUSE / "adapters").iterdir() if path.is_dir() and has_code(path)}

    assert set(mapped()) == top | adapters


def test_the_map_stands_in_the_order_of_imports():
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:map"]["layers"].split("\n")
    place = {
        name.strip(" ()"): number for number, layer in enumerate(filter(None, layers)) for name in layer.split("|")
    }

    places = [place[path.removesuffix(".py")] for path in mapped() if "/" not in path]

    assert places == sorted(places)


def test_import_contracts_are_kept():
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_doors_order_is_told_in_the_same_words():
    told = " ".join(block("door").split())
    written = " ".join((door.__doc__ or "").split("\n\n")[1].split())

    assert told == written
