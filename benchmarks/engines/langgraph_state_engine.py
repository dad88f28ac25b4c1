"""What LangGraph's SQLite checkpointer stores of an agent that keeps a goal, a slice of a tool and a log.

The log is a list that a reducer adds to, as an agent's messages are. One checkpoint for each step.
"""

import json
import operator
import sqlite3
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from words import GOAL_BYTES, REFLECTION_BYTES, SLICE_BYTES, text

_READS = 50


class Kept(TypedDict):
    """The agent's state."""

    n: int
    goal: str
    erp: str
    log: Annotated[list[str], operator.add]


def step(state: Kept) -> dict[str, Any]:
    n = state["n"] + 1
    return {"n": n, "erp": text(SLICE_BYTES, n), "log": [text(REFLECTION_BYTES, -n)]}


def measured(steps: int) -> dict[str, Any]:
    built = StateGraph(Kept)
    built.add_node("step", step)
    built.add_edge(START, "step")
    built.add_conditional_edges("step", lambda state: "step" if state["n"] < steps else END)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "langgraph.sqlite"
        with SqliteSaver.from_conn_string(str(path)) as saver:
            graph = built.compile(checkpointer=saver)
            config = {"configurable": {"thread_id": "one"}, "recursion_limit": steps + 10}
            ended = graph.invoke(cast("Any", {"n": 0, "goal": text(GOAL_BYTES, 0), "erp": "", "log": []}), config)
            assert len(ended["log"]) == steps
            reads = []
            for _ in range(_READS):
                begin = time.perf_counter()
                found = saver.get_tuple(cast("Any", config))
                reads.append(time.perf_counter() - begin)
                assert found is not None
                assert len(found.checkpoint["channel_values"]["log"]) == steps
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
        return {"steps": steps, "bytes": path.stat().st_size, "read_ms": sorted(reads)[_READS // 2] * 1000}


if __name__ == "__main__":
    print(json.dumps({"versions": {name: version(name) for name in ("langgraph", "langgraph-checkpoint-sqlite")}}))
    for wanted in sys.argv[1:]:
        print(json.dumps(measured(int(wanted))), flush=True)
