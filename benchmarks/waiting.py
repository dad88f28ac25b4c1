"""What missions cost that wait for people, beside peers: memory above the idle process, and the processor's time.

`make bench-waiting` calls this; how each engine waits stands in its script.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import machine
from engine import BENCH, PEERS, Engine, run_engine, say

REMIT = Engine("Remit", "remit_waiting_engine.py", peer=False)
#: Temporal's development server takes minutes for thousands.
WAITING = (
    REMIT,
    Engine("DBOS", "dbos_waiting_engine.py"),
    Engine("Temporal, worker and server", "temporal_waiting_engine.py"),
)
_TEMPORAL_MAX = 300
OWED_MB = 50


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10_000, help="missions that wait (default 10,000)")
    parser.add_argument("--seconds", type=int, default=20, help="for how long waiting is measured")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--folder", type=Path, default=BENCH, help="where stores are made (default .bench)")
    given = parser.parse_args()
    runs = given.folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    if not given.alone and not PEERS.exists():
        sys.exit("The peers are not installed; `make bench-waiting` does it, or leave them out with --alone.")
    for name, told in machine.describe(runs).items():
        print(f"{name}: {told}")
    print(f"load: {machine.load()}\n", flush=True)
    print("\n".join(waiting_text(measure_waiting(runs, given.count, given.seconds, peers=not given.alone))))


def measure_waiting(runs: Path, count: int, seconds: int, *, peers: bool) -> list[dict[str, Any]]:
    """One run of every engine."""
    found = []
    for engine in WAITING if peers else (REMIT,):
        missions = min(count, _TEMPORAL_MAX) if "temporal" in engine.script else count
        say(f"{missions} missions wait  {engine.name}")
        found.append({"engine": engine.name, **run_engine(engine, runs, missions, seconds)})
    say("")
    return found


def waiting_text(found: Sequence[dict[str, Any]]) -> Iterable[str]:
    """The table."""
    yield f"Missions that wait for people (owed at 10,000: less than {OWED_MB} MB above the idle process, no CPU)"
    yield (
        f"  {'engine':28} {'waiting':>8} {'MB above idle':>14} {'KB each':>8} {'CPU s a minute':>15}"
        f" {'as idle':>8} {'others write':>13} {'brought there in s':>19}"
    )
    for one in found:
        count, above = one["missions"], one["above_idle_mb"]
        line = f"  {one['engine']:28} {count:8,} {above:14.1f} {above * 1024 / count:8.1f} {one['cores'] * 60:15.2f}"
        if "idle" in one:
            line += f" {one['idle']['cores'] * 60:8.2f} {one['waiting']['cores_others'] * 60:13.2f}"
        else:
            line += f" {'':8} {'':13}"
        yield f"{line} {one['fill_seconds']:19.1f}"
    yield "  LangGraph's interrupted graphs are rows: nobody waits, and somebody else must call again."


if __name__ == "__main__":
    main()
