"""LangGraph beside Remit's flows: `Send` to so many nodes and a node that joins; a graph that was interrupted, resumed.

Checkpoints are written before the next step (`durability="sync"`). An interrupted graph is a row and no process: what
it waits for has to come to whoever calls `ainvoke` again, which is what is timed.
"""

import asyncio
import operator
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from measure import Order, Rounds, answer, order


class Fan(TypedDict):
    items: list[int]
    results: Annotated[list[dict[str, int]], operator.add]
    sum: int


class One(TypedDict):
    n: int


class Waiting(TypedDict):
    answer: str


async def work(one: One) -> dict[str, Any]:
    return {"results": [{"n": one["n"]}]}


async def join(state: Fan) -> dict[str, int]:
    return {"sum": sum(result["n"] for result in state["results"])}


def fan_graph() -> Any:
    built = StateGraph(Fan)
    built.add_node("work", work)
    built.add_node("join", join)
    built.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in state["items"]], ["work"])
    built.add_edge("work", "join")
    built.add_edge("join", END)
    return built


def waiting_graph(rounds: Rounds) -> Any:
    async def wait(_: Waiting) -> dict[str, str]:
        return {"answer": interrupt("go?")}

    async def follow(_: Waiting) -> dict[str, str]:
        rounds.reached()
        return {"answer": "done"}

    built = StateGraph(Waiting)
    built.add_node("wait", wait)
    built.add_node("follow", follow)
    built.add_edge(START, "wait")
    built.add_edge("wait", "follow")
    built.add_edge("follow", END)
    return built


async def run(told: Order) -> dict[str, Any]:
    rounds = Rounds()
    async with AsyncSqliteSaver.from_conn_string(str(told.folder / "langgraph.sqlite")) as saver:
        await saver.setup()
        graph = (fan_graph() if told.variant == "fan" else waiting_graph(rounds)).compile(checkpointer=saver)
        for number in range(told.missions):
            config = {"configurable": {"thread_id": f"t{number}"}}
            if told.variant == "fan":
                rounds.begin()
                given = {"items": list(range(told.steps)), "results": [], "sum": 0}
                ended = await graph.ainvoke(given, config, durability="sync")
                rounds.reached()
                assert ended["sum"] == sum(range(told.steps))
            else:
                await graph.ainvoke({"answer": ""}, config, durability="sync")
                rounds.begin()
                ended = await graph.ainvoke(Command(resume="yes"), config, durability="sync")
                assert ended["answer"] == "done"
            rounds.end()
    return rounds.found(versions={name: version(name) for name in ("langgraph", "langgraph-checkpoint-sqlite")})


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
