"""Durable steps on LangGraph: a graph of one node that loops, with the asynchronous SQLite checkpointer.

Variants: `async` is LangGraph's default, in which a checkpoint is written while the next step runs; `sync` writes it
before the next step, as a step must be that may not be lost; with `+list` the state keeps every step's result (as an
agent's messages do), not just the last.
"""

import asyncio
import operator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, cast

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from measure import Meter, Order, answer, check_recorded, look, order, result, stored_bytes

METER = Meter()


class Last(TypedDict):
    """A state as small as can be."""

    n: int


class All(TypedDict):
    """A state that keeps what the steps gave."""

    n: int
    results: Annotated[list[dict[str, int]], operator.add]


async def work(state: Last) -> dict[str, Any]:
    METER.step(state["n"])
    return {"n": state["n"] + 1}


async def work_and_keep(state: All) -> dict[str, Any]:
    METER.step(state["n"])
    return {"n": state["n"] + 1, "results": [{"n": state["n"]}]}


def graph(steps: int, *, keep: bool) -> Any:
    built = StateGraph(All if keep else Last)
    built.add_node("work", work_and_keep if keep else work)
    built.add_edge(START, "work")
    built.add_conditional_edges("work", lambda state: "work" if state["n"] < steps else END)
    return built


async def run(told: Order) -> dict[str, Any]:
    mode, _, keep = told.variant.partition("+")
    path = told.folder / "langgraph.sqlite"
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        await saver.setup()
        compiled = graph(told.steps, keep=bool(keep)).compile(checkpointer=saver)
        settings = {
            "journal_mode": await _pragma(saver, "journal_mode"),
            "synchronous": {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}[await _pragma(saver, "synchronous")],
            "durability": mode,
        }

        async def mission(number: int) -> None:
            config = {"configurable": {"thread_id": f"t{number}"}, "recursion_limit": told.steps + 10}
            begin = {"n": 0, "results": []} if keep else {"n": 0}
            chosen = cast("Literal['sync', 'async']", mode)
            ended = await compiled.ainvoke(begin, config, durability=chosen)
            assert ended["n"] == told.steps

        empty = stored_bytes(path)
        METER.start()
        await asyncio.gather(*(mission(number) for number in range(told.missions)))
        METER.stop()
    return _found(told, path, settings, empty)


async def _pragma(saver: AsyncSqliteSaver, name: str) -> Any:
    async with saver.conn.execute(f"PRAGMA {name}") as cursor:
        row = await cursor.fetchone()
    assert row
    return row[0]


def _found(told: Order, path: Path, settings: dict[str, str], empty: int) -> dict[str, Any]:
    check_recorded(look(path, "SELECT count(*) FROM checkpoints"), told.missions * told.steps)
    names = ("langgraph", "langgraph-checkpoint-sqlite")
    return result(
        METER,
        told,
        settings=settings,
        versions={name: version(name) for name in names},
        bytes_per_step=(stored_bytes(path) - empty) / told.missions / told.steps,
    )


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
