"""Missions: submit, watch, drive, report, cancel."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from remit.api.context import WHOLE_MAX, Body, By, Home, Plane
from remit.api.event_stream import STREAMED, EventStream, place_of, wants_stream

routes = APIRouter(tags=["missions"])


class Submission(Body):
    """What a person asks for."""

    workflow: str = Field(description="The workflow's name.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="What the workflow's schema asks for.")
    priority: Literal["low", "normal", "high"] = Field(
        "normal", description="How urgent it is, as far as the workflow allows."
    )


@routes.post("/missions", status_code=201)
async def submit_mission(body: Submission, home: Home, by: By) -> dict[str, Any]:
    """Put a mission on record; the driver, where one runs, takes it from there."""
    mission = await home.plane.missions.submit(body.workflow, body.inputs, by, priority=body.priority)
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


@routes.get("/missions/{mission}/events", responses=STREAMED)
async def mission_events(
    mission: str,
    request: Request,
    home: Home,
    by: By,
    after: Annotated[int, Query(ge=0, le=WHOLE_MAX, description="The last `seq` that is known.")] = 0,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for something to happen.")] = 0,
    words: Annotated[bool, Query(description="In a stream: also what models say, as they say it.")] = True,
) -> Any:
    """What happened in the mission after `after`, oldest first; waits up to `wait` seconds where nothing has yet.

    With `Accept: text/event-stream` it goes on until the mission has ended: `event` for each entry, with its `seq` as
    id, `words` for what models say meanwhile, and `end` with the reason. `Last-Event-ID` goes before `after`.
    """
    if wants_stream(request):
        place = place_of(request)
        live = home.plane.live.of_mission(mission, home.principal, after=after if place is None else place, words=words)
        return await EventStream.of(live)
    return await home.plane.missions.events(mission, by, after=after, wait_seconds=wait)


@routes.get("/events", responses=STREAMED)
async def all_events(
    request: Request,
    home: Home,
    after: Annotated[
        int | None,
        Query(ge=0, le=WHOLE_MAX, description="The id of the last event that is known; from now without it."),
    ] = None,
) -> Response:
    """What happens in all missions that you see, as server-sent events; each id is a place in the whole record."""
    place = place_of(request)
    return await EventStream.of(home.plane.live.of_all(home.principal, after=after if place is None else place))


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


class CancelBody(Body):
    """How to cancel."""

    compensate: bool = Field(True, description="Undo what took effect and can be undone, before the mission ends.")


@routes.post("/missions/{mission}/cancel")
async def cancel_mission(mission: str, home: Home, by: By, body: CancelBody | None = None) -> dict[str, Any]:
    """Take no new work; outcomes under way are still recorded, and what can be undone is undone before it ends."""
    cancelled = await home.plane.missions.cancel(mission, by, undo=body is None or body.compensate)
    await home.wake(mission)
    return cancelled
