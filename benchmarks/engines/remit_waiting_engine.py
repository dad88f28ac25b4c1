"""What missions cost that wait for people: memory above the idle process, and the processor's time.

    python benchmarks/waiting.py [COUNT] [--seconds S]

A process makes the home and drives COUNT missions to their question; another one, the way `serve` does, only waits. It
is measured beside a process that waits over an empty home, quiet and while a third process writes twice a second.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: office
python: {module: waiting}
tools: {sign: {tier: critical}}
---
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
skills: [{name: office.ask, description: Asks.}]
run: {python: "waiting:ask"}
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
    from remit.bootstrap import create_home, current_principal, open_home
    from remit.config import read_settings
    from remit.control_plane import closing

    settings = read_settings(os.environ, home=home)
    await create_home(settings)
    async with closing(await open_home(settings)) as plane:
        owner = current_principal(plane)
        await plane.resources.apply([("waiting.yaml", RESOURCES)], owner)
        for begin in range(0, count, 100):
            numbers = range(begin, min(begin + 100, count))
            missions = [await plane.missions.submit("ask", {"n": n}, owner) for n in numbers]
            await asyncio.gather(*(plane.missions.drive(mission, owner) for mission in missions))
            plane.core.driver._forget_idle()  # noqa: SLF001 -- this process is not what is measured


async def wait(home: Path, seconds: float) -> None:
    """Wait as `serve` does, and tell what it took: once quiet, once while another process writes."""
    from remit.bootstrap import open_home, quiet_collector
    from remit.config import read_settings
    from remit.control_plane import closing

    async with closing(await open_home(read_settings(os.environ, home=home))) as plane:
        await plane.core.keep_lease()
        quiet_collector()
        stop = asyncio.Event()
        driving = asyncio.create_task(plane.core.driver.run(stop))
        await asyncio.sleep(3)
        told = {}
        for weather in ("quiet", "others write"):
            if weather == "others write":
                command = [sys.executable, __file__, "--disturb", str(home), "--seconds", str(seconds)]
                other = await asyncio.create_subprocess_exec(*command)
                await asyncio.sleep(3)  # it starts
            before = time.process_time()
            await asyncio.sleep(seconds)
            told[weather] = (time.process_time() - before) / seconds
        await other.wait()
        status = Path("/proc/self/status").read_text("ascii")
        rss_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
        stop.set()
        await driving
    print(json.dumps({"rss_mb": rss_kb / 1024, "cpu": told}))


async def disturb(home: Path, seconds: float) -> None:
    """Write twice a second from another process: a record that concerns no mission."""
    from remit.bootstrap import open_home
    from remit.config import read_settings
    from remit.control_plane import closing
    from remit.ledger import Commit, PutRecord

    async with closing(await open_home(read_settings(os.environ, home=home))) as plane:
        until = time.monotonic() + seconds + 4
        while time.monotonic() < until:
            await plane.core.store.commit(Commit((), (PutRecord("disturbance", "one", {"at": time.time()}),)))
            await asyncio.sleep(0.5)


def measured(home: Path, seconds: float) -> dict[str, object]:
    """One waiting process of its own."""
    command = [sys.executable, __file__, "--wait", str(home), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("count", nargs="?", type=int, default=10_000)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--wait", type=Path)
    options.add_argument("--disturb", type=Path)
    given = options.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    if given.wait:
        asyncio.run(wait(given.wait, given.seconds))
        return
    if given.disturb:
        asyncio.run(disturb(given.disturb, given.seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        homes = {0: Path(folder) / "empty", given.count: Path(folder) / "full"}
        begun = time.perf_counter()
        for count, home in homes.items():
            asyncio.run(fill(home, count))
        print(f"{given.count} missions brought to their question in {time.perf_counter() - begun:.0f} s")
        found = {count: measured(home, given.seconds) for count, home in homes.items()}
    print(f"{'missions that wait':<20}{'MB':>8}{'above idle':>12}{'processor, quiet':>18}{'others write':>14}")
    for count, told in found.items():
        above = told["rss_mb"] - found[0]["rss_mb"]  # type: ignore[operator]  # numbers of a JSON document
        quiet, busy = (told["cpu"][weather] for weather in ("quiet", "others write"))  # type: ignore[index]  # likewise
        print(f"{count:<20}{told['rss_mb']:>8.1f}{above:>12.1f}{quiet:>17.2%}{busy:>14.2%}")


if __name__ == "__main__":
    main()
