"""Flows beside peers: steps that go out at once and are joined, and how soon a mission goes on that was waiting."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from engine import Engine, run_engine, say

#: Steps that go out at once.
WIDTH = 20
#: Rounds of each run, and of engines that take long.
ROUNDS, FEW = 43, 11
_LONG = frozenset({"dbos_flow_engine.py", "temporal_flow_engine.py"})
#: What the design owes for a fan-out of so many steps and the join, in ms.
OWED_FAN_MS = 60
REMIT = "remit_flow_engine.py"
#: By flow: what is timed, and whom it is timed for.
FLOWS = {
    "fan": (
        f"{WIDTH} steps at once that do nothing, and one that joins them: submitted to ended (owed {OWED_FAN_MS} ms)",
        (
            Engine("Remit", REMIT, "fan", peer=False),
            Engine("LangGraph, durability=sync", "langgraph_flow_engine.py", "fan"),
            Engine("DBOS", "dbos_flow_engine.py", "fan"),
            Engine("Temporal", "temporal_flow_engine.py", "fan"),
        ),
    ),
    "signal": (
        "A mission that waits for a signal: from sending it to the beginning of the next step",
        (
            Engine("Remit, an outside event", REMIT, "signal", peer=False),
            Engine("Remit, a person's answer", REMIT, "answer", peer=False),
            Engine("LangGraph, Command(resume)", "langgraph_flow_engine.py", "signal"),
            Engine("DBOS, send and recv", "dbos_flow_engine.py", "signal"),
            Engine("Temporal, signal", "temporal_flow_engine.py", "signal"),
        ),
    ),
}


def measure_flows(runs: Path, repeats: int, *, postgres: str = "", peers: bool = True) -> list[dict[str, Any]]:
    """Run every flow so many times on every engine, the engines in turns."""
    found = []
    for number in range(repeats):
        for flow, (_, engines) in FLOWS.items():
            for engine in (*engines, *_on_postgres(engines, postgres)):
                if engine.peer and not peers:
                    continue
                say(f"{number + 1}/{repeats}  {flow}  {engine.name}")
                ran = run_engine(engine, runs, FEW if engine.script in _LONG else ROUNDS, WIDTH)
                found.append({"flow": flow, "engine": engine.name, "repeat": number, **ran})
    return found


def flows_text(found: Sequence[dict[str, Any]]) -> Iterable[str]:
    """A table for each flow."""
    for flow, (title, _) in FLOWS.items():
        here = [run for run in found if run["flow"] == flow]
        if not here:
            continue
        yield title
        yield f"  {'engine':38} {'ms':>8} {'':18} {'CPU ms':>8} {'Remit is':>9}"
        own = median(run["wall_ms"] for run in here if run["engine"] == here[0]["engine"])
        for engine in dict.fromkeys(run["engine"] for run in here):
            runs = [run for run in here if run["engine"] == engine]
            wall, cpu = (median(run[name] for run in runs) for name in ("wall_ms", "cpu_ms"))
            span = f"({min(run['low_ms'] for run in runs):,.1f} to {max(run['high_ms'] for run in runs):,.1f})"
            beside = "" if engine.startswith("Remit") else f"{wall / own:8.1f}x"
            yield f"  {engine:38} {wall:8.1f} {span:18} {cpu:8.1f} {beside:>9}".rstrip()
        yield ""


def _on_postgres(engines: Sequence[Engine], postgres: str) -> list[Engine]:
    if not postgres:
        return []
    own = [engine for engine in engines if not engine.peer]
    return [Engine(f"{one.name}, PostgreSQL", REMIT, f"{one.variant}+{postgres}", peer=False) for one in own]
