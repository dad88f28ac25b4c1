"""Remit's missions that fan out and join, and that wait for a signal or a person's answer.

The variant names which (`fan`, `signal`, `answer`), and after a `+` the address of a PostgreSQL server for the record.
`--missions` is the number of rounds, `--steps` that of steps at once.
"""

import asyncio
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flow_tools
from measure import Order, Rounds, answer, order
from remit_engine import a_database

from remit.bootstrap import create_home, current_principal, open_home, quiet_collector
from remit.config import read_settings
from remit.control_plane import ControlPlane, Given
from remit.identity import Principal

RESOURCES = Path(__file__).with_name("flow.yaml")


async def fan(plane: ControlPlane, by: Principal, told: Order, rounds: Rounds) -> None:
    """From submission to the end of the mission whose steps do nothing: all of it is overhead."""
    items = list(range(told.steps))
    for _ in range(told.missions):
        rounds.begin()
        mission = await plane.missions.submit("fan", {"items": items}, by)
        await plane.missions.drive(mission, by)
        rounds.reached()
        rounds.end()
        shown = await plane.missions.show(mission, by)
        assert shown["status"] == "completed", shown["detail"]
        assert len(shown["steps"]) == told.steps + 2, len(shown["steps"])


async def woken(plane: ControlPlane, by: Principal, told: Order, rounds: Rounds, *, kind: str) -> None:
    """From the signal or the answer, before it is on record, to the beginning of the next step."""
    stop, begun = asyncio.Event(), asyncio.Event()
    driving = asyncio.create_task(plane.core.driver.run(stop))  # as `serve` does
    flow_tools.begun[0] = lambda: (rounds.reached(), begun.set())
    for number in range(told.missions):
        begun.clear()
        mission = await plane.missions.submit(kind, {}, by)
        await plane.missions.drive(mission, by)
        if kind == "signal":
            rounds.begin()
            await plane.triggers.tell(mission, "go", f"e{number}", {}, by)
        else:
            (approval,) = await plane.approvals.all(by)
            rounds.begin()
            await plane.approvals.answer(Given(approval["id"], "approve"), by)
        plane.core.driver.nudge(mission)  # as the API does
        await begun.wait()
        await plane.missions.drive(mission, by)
        rounds.end()
        shown = await plane.missions.show(mission, by)
        assert shown["status"] == "completed", shown["detail"]
    stop.set()
    await driving


async def run(told: Order, kind: str, database: str) -> dict[str, Any]:
    settings = read_settings({"REMIT_STORE": database}, home=told.folder / "home")
    await create_home(settings)
    plane = await open_home(settings)
    quiet_collector()  # as `serve` does
    by = current_principal(plane)
    await plane.resources.apply([("flow.yaml", RESOURCES.read_text("utf-8"))], by)
    await plane.core.keep_lease()
    rounds = Rounds()
    if kind == "fan":
        await fan(plane, by, told, rounds)
    else:
        await woken(plane, by, told, rounds, kind=kind)
    await plane.close()
    return rounds.found(versions={"remit": version("remit")})


if __name__ == "__main__":
    with order() as given:
        which, _, server = given.variant.partition("+")
        with a_database(server) if server else nullcontext("") as place:
            answer(asyncio.run(run(given, which, place)))
