"""Missions that wait for people: memory above the idle process, and the processor's time. `--steps` is in seconds.

A process makes the home and drives so many missions to their question; another one, the way `serve` does, only waits.
It is measured beside a process that waits over an empty home, quiet and while a third process writes twice a second.
"""

import asyncio
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import Order, answer, memory_mb, order

#: Driven at once.
_BATCH = 100
#: Until a process that was just started does no more than wait.
_SETTLING_SECONDS = 3
RESOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: office
python: {module: remit_waiting_engine}
tools: {sign: {tier: critical}}
---
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
skills: [{name: office.ask, description: Asks.}]
run: {python: "remit_waiting_engine:ask"}
tools: [office__sign]
---
apiVersion: remit/v1
kind: Policy
name: office
agents: [clerk]
tools: [office__sign]
---
apiVersion: remit/v1
kind: Workflow
name: ask
start: office.ask
tools: [office__sign]
budget: {amount: "0.01", currency: USD}
"""


async def ask(context, given):
    """Propose one call that a person must look at."""
    context.propose("sign", tool="office__sign", given={"n": given["n"]})


def sign(*, n: int) -> dict[str, int]:
    """What nobody gets to."""
    return {"n": n}


TOOLS = {"sign": sign}


async def fill(home: Path, count: int) -> None:
    """Make the home, and drive so many missions to their question."""
    from remit.bootstrap import create_home, current_principal, open_home, quiet_collector
    from remit.config import read_settings
    from remit.control_plane import closing

    settings = read_settings({}, home=home)
    await create_home(settings)
    quiet_collector()  # as `serve` does
    async with closing(await open_home(settings)) as plane:
        owner = current_principal(plane)
        await plane.resources.apply([("waiting.yaml", RESOURCES)], owner)

        async def mission(number: int) -> None:
            name = await plane.missions.submit("ask", {"n": number}, owner)
            await plane.missions.drive(name, owner)

        for begin in range(0, count, _BATCH):
            await asyncio.gather(*(mission(number) for number in range(begin, min(begin + _BATCH, count))))


async def wait(home: Path, seconds: float) -> None:
    """Wait as `serve` does, and tell what it took: once quiet, once while another process writes."""
    from remit.bootstrap import open_home, quiet_collector
    from remit.config import read_settings
    from remit.control_plane import closing

    async with closing(await open_home(read_settings({}, home=home))) as plane:
        await plane.core.keep_lease()
        quiet_collector()
        stop = asyncio.Event()
        driving = asyncio.create_task(plane.core.driver.run(stop))
        settling = min(_SETTLING_SECONDS, seconds)
        await asyncio.sleep(settling)
        quiet = await _cores(seconds)
        other = await asyncio.create_subprocess_exec(sys.executable, __file__, "disturb", str(home), str(seconds))
        await asyncio.sleep(settling)
        disturbed = await _cores(seconds)
        await other.wait()
        told = {"mb": memory_mb(), "cores": quiet, "cores_others": disturbed}
        stop.set()
        await driving
    print(json.dumps(told))


async def _cores(seconds: float) -> float:
    before, begun = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    return (time.process_time() - before) / (time.perf_counter() - begun)


async def disturb(home: Path, seconds: float) -> None:
    """Write twice a second from another process: a record that concerns no mission."""
    from remit.bootstrap import open_home
    from remit.config import read_settings
    from remit.control_plane import closing
    from remit.ledger import Commit, PutRecord

    async with closing(await open_home(read_settings({}, home=home))) as plane:
        until = time.monotonic() + seconds + min(_SETTLING_SECONDS, seconds) + 1
        while time.monotonic() < until:
            await plane.core.store.commit(Commit((), (PutRecord("disturbance", "one", {"at": time.time()}),)))
            await asyncio.sleep(0.5)


def waited(home: Path, seconds: float) -> dict[str, Any]:
    """What one waiting process of its own told."""
    command = [sys.executable, __file__, "wait", str(home), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def run(told: Order) -> dict[str, Any]:
    empty, full = told.folder / "empty", told.folder / "full"
    asyncio.run(fill(empty, 0))
    begun, cpu = time.perf_counter(), time.process_time()
    asyncio.run(fill(full, told.missions))
    filled, filled_cpu = time.perf_counter() - begun, time.process_time() - cpu
    idle, waiting = waited(empty, told.steps), waited(full, told.steps)
    return {
        "missions": told.missions,
        "fill_seconds": filled,
        "fill_cpu_seconds": filled_cpu,
        "above_idle_mb": waiting["mb"] - idle["mb"],
        "cores": waiting["cores"],
        "idle": idle,
        "waiting": waiting,
        "versions": {"remit": version("remit")},
    }


if __name__ == "__main__":
    if sys.argv[1] in ("wait", "disturb"):
        asyncio.run({"wait": wait, "disturb": disturb}[sys.argv[1]](Path(sys.argv[2]), float(sys.argv[3])))
    else:
        with order() as given:
            answer(run(given))
