"""Remit beside its peers, in one run: governed durable steps, growth, flows, policy decisions.

Each figure comes from a process of its own; the engines take turns, so that a busy moment meets them all alike.
`make bench` calls this; what is measured, and what is not, stands in README.md beside this file.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import machine
import report
from engine import BENCH, ENGINES, PEERS, Engine, answer_of, run_engine, say
from flows import flows_text, measure_flows

REMIT = Engine("Remit", "remit_engine.py", peer=False)
RACE = (
    REMIT,
    Engine("LangGraph, durability=sync", "langgraph_engine.py", "sync"),
    Engine("LangGraph, as it comes (async)", "langgraph_engine.py", "async"),
    Engine("DBOS", "dbos_engine.py"),
    Engine("Temporal, development server", "temporal_engine.py", steps_max=64),
)
GROWTH = (
    REMIT,
    Engine("LangGraph, sync, last result", "langgraph_engine.py", "sync"),
    Engine("LangGraph, sync, all results", "langgraph_engine.py", "sync+list"),
    Engine("DBOS", "dbos_engine.py"),
)
#: Evaluators of policies, each a script of its own.
DECIDING = (
    Engine("agent-governance-toolkit", "agt_policy_engine.py"),
    Engine("cedarpy", "cedar_policy_engine.py"),
)
#: Missions at once, and steps of each.
SIZES = ((1, 500), (16, 80), (64, 25))
LONG = 1_000
#: Calls at once through the bare door, and calls of each.
DOOR = ((1, 400), (16, 100), (64, 25))


def main() -> None:
    """Measure, print, and keep the figures in `.bench/latest.json`."""
    given = _arguments()
    runs = given.folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    if machine.in_memory(runs):
        sys.exit(f"{runs} is in memory: nothing written there is durable. Name a folder on a disk with --folder.")
    if given.profile:
        profile(runs)
        return
    more = []
    if given.postgres:
        more.append(Engine("Remit, record on PostgreSQL", "remit_engine.py", given.postgres, peer=False))
    if given.stores:
        measure_stores(runs, [REMIT, *more])
        return
    if not PEERS.exists() and not (given.flows and given.alone):
        sys.exit("The peers are not installed; `make bench` does it.")
    if given.flows:
        repeats = 1 if given.quick else given.repeats
        found = measure_flows(runs, repeats, postgres=given.postgres, peers=not given.alone)
        say("")
        print("\n".join(flows_text(found)))
        return
    if given.policies:
        print("\n".join(report.policy(measure_policies())))
        return
    found = measure(runs, repeats=1 if given.quick else given.repeats, more=more, postgres=given.postgres)
    (BENCH / "latest.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    text = report.text(found)
    print(text)
    if given.save:
        given.save.write_text(report.page(found, text), "utf-8")


def measure(runs: Path, *, repeats: int, more: Sequence[Engine] = (), postgres: str = "") -> dict[str, Any]:
    """Run everything once through, `repeats` times what is compared; `more` races and grows beside the others."""
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(runs),
        "repeats": repeats,
        "load_before": machine.load(),
        "race": [],
        "growth": [],
        "disk": [],
        "door": [],
    }
    began = time.perf_counter()
    for number in range(repeats):
        found["disk"].append(run_engine(Engine("disk", "disk_engine.py", peer=False), runs, 1, 1))
        for missions, steps in SIZES:
            for engine in (*RACE, *more):
                say(f"{number + 1}/{repeats}  {missions:2} at once  {engine.name}")
                ran = run_engine(engine, runs, missions, steps)
                found["race"].append({"engine": engine.name, "missions": missions, "repeat": number, **ran})
        for engine in (*GROWTH, *more):
            say(f"{number + 1}/{repeats}  {LONG} steps of one mission  {engine.name}")
            found["growth"].append({"engine": engine.name, "repeat": number, **run_engine(engine, runs, 1, LONG)})
        for at_once, calls in DOOR:
            say(f"{number + 1}/{repeats}  {at_once:2} calls at once through the door")
            found["door"].append(run_engine(Engine("door", "door_engine.py", peer=False), runs, at_once, calls))
    found["flows"] = measure_flows(runs, repeats, postgres=postgres)
    found |= measure_policies()
    say("tokens and signatures")
    found |= answer_of([sys.executable, str(ENGINES / "token_engine.py")])
    found["load_after"] = machine.load()
    found["seconds"] = time.perf_counter() - began
    say("")
    return found


def measure_stores(runs: Path, engines: Sequence[Engine]) -> None:
    """Remit's steps on each store, in turns."""
    for missions, steps in SIZES:
        for engine in engines:
            ran = run_engine(engine, runs, missions, steps)
            per_second, cpu = ran["steps_per_second"], ran["cpu_us"]
            print(f"{missions:3} at once  {engine.name:30} {per_second:6.0f} steps/s  {cpu:5.0f} us CPU/step")


def measure_policies() -> dict[str, Any]:
    """Decisions of policy, beside the peers' evaluators; one that cannot be run is named with its reason."""
    say("policy decisions")
    found = answer_of([sys.executable, str(ENGINES / "policy_engine.py")])
    beside = []
    for engine in DECIDING:
        say(f"policy decisions  {engine.name}")
        try:
            beside.append(answer_of([str(PEERS), str(ENGINES / engine.script)]))
        except SystemExit as failed:
            beside.append({"engine": engine.name, "us": None, "because": str(failed)})
    return {**found, "deciding": beside}


def profile(runs: Path) -> None:
    """Profile Remit's step at 16 missions; the rate that is printed suffers from being profiled."""
    ran = run_engine(REMIT, runs, 16, 100, "--profile")
    print(f"\n{ran['steps_per_second']:.0f} steps/s while profiled")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="once instead of several times")
    parser.add_argument("--repeats", type=int, default=3, help="how often each comparison is run (default 3)")
    parser.add_argument("--flows", action="store_true", help="only fan-out and join, and signal to resumed")
    parser.add_argument("--alone", action="store_true", help="with --flows: without the peers")
    parser.add_argument("--policies", action="store_true", help="only decisions of policy")
    parser.add_argument("--profile", action="store_true", help="where Remit's own time goes, instead of the table")
    parser.add_argument("--folder", type=Path, default=BENCH, help="where stores are made (default .bench)")
    parser.add_argument("--postgres", default="", help="a PostgreSQL server, as postgresql://USER@HOST:PORT")
    parser.add_argument("--stores", action="store_true", help="only Remit's own steps, on each of its stores")
    parser.add_argument("--save", type=Path, help="also write the table as a Markdown page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
