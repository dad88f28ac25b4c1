"""Working states: what they store beside LangGraph's checkpointer, and how fast one of very many is restored.

`make bench-state` calls this; `ARGS="--snapshots 1000000"` takes minutes and about 3 GB below `--folder`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import machine

ENGINES = machine.ROOT / "benchmarks" / "engines"
PEERS = machine.ROOT / ".bench" / "venv" / "bin" / "python"
STEPS = ("10", "50", "100", "200", "400")
#: What is owed for 10^6 snapshots, in ms.
OWED_P99 = 50


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, nargs="*", default=[10_000, 100_000], help="stores of this many")
    parser.add_argument("--probes", type=int, default=1_500, help="how many are restored")
    parser.add_argument("--folder", type=Path, default=machine.ROOT / ".bench", help="where the stores are made")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, told in machine.describe(given.folder).items():
        print(f"{name}: {told}")
    _growth()
    _restoring(given.snapshots, given.probes, given.folder)


def _growth() -> None:
    ours = _lines(sys.executable, "state_engine", "growth", *STEPS)
    theirs = {}
    versions = "not installed: make bench"
    if PEERS.exists():
        told, *figures = _lines(str(PEERS), "langgraph_state_engine", *STEPS)
        theirs = {figure["steps"]: figure for figure in figures}
        versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    print(f"\nA goal of 2 KB, and for each step a slice of 1.5 KB and a reflection of 600 B ({versions})")
    print(f"load: {machine.load()}")
    print(f"{'':>8} {'Remit':>22} {'LangGraph SqliteSaver':>24}")
    print(f"{'steps':>8} {'KB stored':>12} {'read ms':>9} {'KB stored':>14} {'read ms':>9} {'times':>7}")
    for figure in ours:
        line = f"{figure['steps']:8} {figure['bytes'] / 1000:12,.0f} {figure['read_ms']:9.2f}"
        if beside := theirs.get(figure["steps"]):
            line += (
                f" {beside['bytes'] / 1000:14,.0f} {beside['read_ms']:9.2f} {beside['bytes'] / figure['bytes']:7.1f}"
            )
        print(line)


def _restoring(counts: list[int], probes: int, folder: Path) -> None:
    print(f"\nOne state of very many restored and checked, {probes} times each; owed at 10^6: p99 {OWED_P99} ms")
    columns = (("snapshots", 12), ("p50 ms", 8), ("p99 ms", 8), ("max ms", 8), ("CPU p50", 9), ("CPU p99", 9))
    print(" ".join(f"{name:>{width}}" for name, width in (*columns, ("B each", 8), ("load", 16))))
    for count in counts:
        (figure,) = _lines(sys.executable, "state_engine", "restore", str(count), str(probes), str(folder))
        print(
            f"{figure['snapshots']:12,} {figure['wall_p50']:8.2f} {figure['wall_p99']:8.2f} {figure['wall_max']:8.1f} "
            f"{figure['cpu_p50']:9.2f} {figure['cpu_p99']:9.2f} {figure['bytes_each']:8,.0f} {machine.load():>16}",
            flush=True,
        )


def _lines(python: str, engine: str, *arguments: str) -> list[dict]:
    command = [python, str(ENGINES / f"{engine}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
