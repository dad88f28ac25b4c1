"""One governed call through the bare door: no mission's plan, no network, a Python tool, one SQLite file.

Each call passes the whole order of the door: grants, arguments, loop guards, policy, data flow, budget hold. Its intent
is durable before the tool is called, its outcome and the settled budget after it. Beside it the same function is called
directly, which is what would be left without the door.
"""

import asyncio
from typing import Any

from bench_tools import work
from measure import Meter, Order, answer, check_recorded, look, order
from remit_engine import RESOURCES

from remit.bootstrap import create_home, current_principal, open_home, quiet_collector
from remit.config import read_settings
from remit.control_plane import ControlPlane
from remit.gateway import Call, Caller, CallLog, RunTape
from remit.ids import MissionId, PrincipalId, StepId
from remit.stores import STORE_FILE

TOOL = "bench__work"
#: Calls of one step before the next begins.
CALLS_OF_STEP = 25
#: Calls of each line that are made before the clock starts.
WARM_UP = 2


class Line:
    """One agent that calls, one call after the other, in a mission of its own."""

    def __init__(self, plane: ControlPlane, mission: MissionId, principal: PrincipalId, epoch: int) -> None:
        self.door = plane.core.door
        self.mission, self.principal, self.epoch = mission, principal, epoch
        self.log = CallLog()

    async def call(self, calls: int, *, name: str = "s") -> None:
        """Make so many calls, each with arguments of its own."""
        for first in range(0, calls, CALLS_OF_STEP):
            caller, tape = self._caller(f"{name}{first}"), RunTape()
            for n in range(first, min(first + CALLS_OF_STEP, calls)):
                await self.door.enforce(caller, Call(TOOL, {"n": n}), self.log, tape, progress=caller.step)

    def _caller(self, step: str) -> Caller:
        return Caller(
            self.door.tenant,
            self.principal,
            self.mission,
            StepId(step),
            1,
            "planner@1.0.0",
            "bench.plan",
            ("bench__*",),
            ("bench__*",),
            self.epoch,
            1_000_000,
        )


async def run(told: Order) -> dict[str, Any]:
    """Measure `told.steps` calls on each of `told.missions` lines."""
    settings = read_settings({}, home=told.folder / "home")
    await create_home(settings)
    plane = await open_home(settings)
    quiet_collector()  # as `serve` does
    by = current_principal(plane)
    await plane.resources.apply([("bench.yaml", RESOURCES.read_text("utf-8"))], by)
    await plane.core.take_lease()
    epoch = plane.core.driver.advancer.epoch
    # A mission that nobody drives: its budget and its key are what a call needs.
    names = [await plane.missions.submit("bench", {"steps": 0}, by) for _ in range(told.missions)]
    lines = [Line(plane, MissionId(name), PrincipalId(by.id), epoch) for name in names]
    await asyncio.gather(*(line.call(WARM_UP, name="warm") for line in lines))
    meter, calls = Meter(), told.missions * told.steps
    meter.start()
    await asyncio.gather(*(line.call(told.steps) for line in lines))
    meter.stop()
    await plane.close()
    outcomes = "SELECT count(*) FROM entry WHERE stream LIKE 'step/%' AND fact LIKE 'done/%'"
    check_recorded(look(settings.home / STORE_FILE, outcomes), calls + WARM_UP * told.missions)
    rate = meter.rate(calls)
    return {
        "at_once": told.missions,
        "calls": calls,
        "calls_per_second": rate["steps_per_second"],
        "cpu_us": rate["cpu_us"],
        "loop_us": rate["loop_us"],
        "direct_us": await _direct(calls),
    }


async def _direct(calls: int) -> float:
    """The same function without the door."""
    meter = Meter()
    meter.start()
    for n in range(calls):
        await work(n=n)
    meter.stop()
    return float(meter.rate(calls)["cpu_us"])


if __name__ == "__main__":
    with order() as given:
        answer(asyncio.run(run(given)))
