"""DBOS with workflows that wait for a message: what they cost the process that waits. `--steps` is in seconds."""

import asyncio
import os
import shutil
import sqlite3
import time
from importlib.metadata import version
from typing import Any

from dbos import DBOS
from measure import Order, answer, memory_mb, order

#: Begun at once.
_BATCH = 100


@DBOS.workflow()
async def wait() -> None:
    await DBOS.recv_async("go", timeout_seconds=3600)


async def run(told: Order) -> dict[str, Any]:
    path = told.folder / "dbos.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})
    DBOS.launch()
    await DBOS.start_workflow_async(wait)
    await asyncio.sleep(1)
    idle, begun = memory_mb(), time.perf_counter()
    for _ in range(0, told.missions, _BATCH):
        await asyncio.gather(*(DBOS.start_workflow_async(wait) for _ in range(_BATCH)))
    filled = time.perf_counter() - begun
    await asyncio.sleep(2)
    before, began = time.process_time(), time.perf_counter()
    await asyncio.sleep(told.steps)
    cores = (time.process_time() - before) / (time.perf_counter() - began)
    return {
        "missions": told.missions,
        "fill_seconds": filled,
        "above_idle_mb": memory_mb() - idle,
        "cores": cores,
        "versions": {"dbos": version("dbos")},
    }


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
        shutil.rmtree(given.folder)
        os._exit(0)  # what still waits for its message would hold up the end
