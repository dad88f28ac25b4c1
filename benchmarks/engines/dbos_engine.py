"""Durable steps on DBOS: an asynchronous workflow of asynchronous steps, its system database in one SQLite file.

DBOS leaves SQLite's journal as it finds it; the file is put into WAL mode first, which is quicker than the default.
"""

import asyncio
import sqlite3
from importlib.metadata import version
from typing import Any

from dbos import DBOS
from measure import Meter, Order, answer, check_recorded, durability, look, order, result, stored_bytes

METER = Meter()


@DBOS.step()
async def work(n: int) -> dict[str, int]:
    METER.step(n)
    return {"n": n}


@DBOS.workflow()
async def mission(steps: int) -> int:
    for n in range(steps):
        await work(n)
    return steps


async def run(told: Order) -> dict[str, Any]:
    path = told.folder / "dbos.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    # DBOS sets no `synchronous`: a new connection of this process has what its connections have.
    settings = durability(connection)
    connection.close()
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})
    DBOS.launch()
    empty = stored_bytes(path)
    METER.start()
    ended = await asyncio.gather(*(mission(told.steps) for _ in range(told.missions)))
    METER.stop()
    assert ended == [told.steps] * told.missions
    DBOS.destroy()
    check_recorded(look(path, "SELECT count(*) FROM operation_outputs"), told.missions * told.steps)
    return result(
        METER,
        told,
        settings=settings,
        versions={"dbos": version("dbos")},
        bytes_per_step=(stored_bytes(path) - empty) / told.missions / told.steps,
    )


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
