"""Missions: submit, watch, drive, report, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from remit.api.context import WHOLE_MAX, Body, By, Home, Plane

routes = APIRouter(tags=["missions"])


class Submission(Body):
    """What a person asks for."""

    workflow: str = Field(description="The workflow's name.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="What the workflow's schema asks for.")


@routes.post("/missions", status_code=201)
async def submit_mission(body: Submission, home: Home, by: By) -> dict[str, Any]:
    """Put a mission on record; the driver, where one runs, takes it from there."""
    mission = await home.plane.missions.submit(body.workflow, body.inputs, by)
    await home.wake(mission)
    return {"mission": mission}


@routes.get("/missions")
async def list_missions(plane: Plane, by: By) -> list[dict[str, Any]]:
    """The missions that you submitted or may answer a question of, oldest first; all, if you may read the ledger."""
    return await plane.missions.all(by)


@routes.get("/missions/{mission}")
async def show_mission(
    mission: str,
    plane: Plane,
    by: By,
    bodies: Annotated[bool, Query(description="Also what the steps read and wrote.")] = False,
) -> dict[str, Any]:
    """Where one mission stands: its steps, open questions and budget."""
    return await plane.missions.show(mission, by, bodies=bodies)


@routes.get("/missions/{mission}/events")
async def mission_events(
    mission: str,
    plane: Plane,
    by: By,
    after: Annotated[int, Query(ge=0, le=WHOLE_MAX, description="The last `seq` that is known.")] = 0,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for something to happen.")] = 0,
) -> list[dict[str, Any]]:
    """What happened in the mission after `after`, oldest first; waits up to `wait` seconds where nothing has yet."""
    return await plane.missions.events(mission, by, after=after, wait_seconds=wait)


@routes.get("/missions/{mission}/report")
async def mission_report(mission: str, plane: Plane, by: By) -> dict[str, Any]:
    """The workflow's report of the mission as it stands now."""
    return await plane.missions.report(mission, by)


@routes.post("/missions/{mission}/drive")
async def drive_mission(mission: str, plane: Plane, by: By) -> dict[str, Any]:
    """Drive the mission until it waits for people, stands still or has ended; answers then, and seals the record."""
    rest = await plane.missions.drive(mission, by)
    await plane.ledger.seal()
    return rest


@routes.post("/missions/{mission}/cancel")
async def cancel_mission(mission: str, home: Home, by: By) -> dict[str, Any]:
    """Take no new work; outcomes that are under way are still recorded."""
    cancelled = await home.plane.missions.cancel(mission, by)
    await home.wake(mission)
    return cancelled
