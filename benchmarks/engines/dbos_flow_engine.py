"""DBOS beside Remit's flows: so many steps at once in one workflow and one that joins; a message that is waited for."""

import asyncio
import sqlite3
from importlib.metadata import version
from typing import Any

from dbos import DBOS, SetWorkflowID
from measure import Order, Rounds, answer, order

ROUNDS = Rounds()


@DBOS.step()
async def work(n: int) -> dict[str, int]:
    return {"n": n}


@DBOS.step()
async def join(results: list[dict[str, int]]) -> int:
    return sum(result["n"] for result in results)


@DBOS.step()
async def follow() -> None:
    ROUNDS.reached()


@DBOS.workflow()
async def fan(width: int) -> int:
    return await join(list(await asyncio.gather(*(work(n) for n in range(width)))))


@DBOS.workflow()
async def wait() -> None:
    await DBOS.recv_async("go", timeout_seconds=3600)
    await follow()


async def run(told: Order) -> dict[str, Any]:
    path = told.folder / "dbos.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})
    DBOS.launch()
    for number in range(told.missions):
        if told.variant == "fan":
            ROUNDS.begin()
            ended = await fan(told.steps)
            ROUNDS.reached()
            assert ended == sum(range(told.steps))
        else:
            with SetWorkflowID(f"w{number}"):
                handle = await DBOS.start_workflow_async(wait)
            await asyncio.sleep(0.1)  # it has begun to wait
            ROUNDS.begin()
            await DBOS.send_async(f"w{number}", "yes", topic="go")
            await handle.get_result()
        ROUNDS.end()
    DBOS.destroy()
    return ROUNDS.found(versions={"dbos": version("dbos")})


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
