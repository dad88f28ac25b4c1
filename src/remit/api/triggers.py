"""Triggers: send an event, and look at what became of events."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from remit.api.context import Body, By, Home, Plane
from remit.errors import InvalidInput

routes = APIRouter(tags=["triggers"])


class Event(Body):
    """Something that happened."""

    trigger: str = Field("", description="The trigger that takes it; its events come by `on: api`.", max_length=200)
    mission: str = Field("", description="In place of a trigger: the mission that waits for it.", max_length=200)
    name: str = Field("", description="With `mission`: the name under which it waits for it.", max_length=100)
    id: str = Field(description="Its id; an id is taken once.", min_length=1, max_length=500)
    body: Any = Field(None, description="What it says, as JSON.")


@routes.post("/events", status_code=202)
async def send_event(event: Event, home: Home, by: By) -> dict[str, Any]:
    """Let an event have its effect, unless it had it before: `fate` says what became of it."""
    triggers = home.plane.triggers
    if bool(event.trigger) == bool(event.mission):
        raise InvalidInput("Name either a `trigger`, or a `mission` with the `name` for which it waits.")
    if event.trigger:
        told = await triggers.send(event.trigger, event.id, event.body, by)
    else:
        told = await triggers.tell(event.mission, event.name, event.id, event.body, by)
    if told.error is not None:
        raise told.error
    for mission in told.missions:
        await home.wake(mission)
    return {"fate": told.fate.value, "missions": list(told.missions)}


@routes.get("/triggers")
async def list_triggers(plane: Plane) -> list[dict[str, Any]]:
    """Every trigger: how its events come, what follows, and how it goes."""
    return await plane.triggers.all()


@routes.get("/triggers/{name}")
async def show_trigger(name: str, plane: Plane) -> dict[str, Any]:
    """One trigger with all that it reads from an event."""
    return await plane.triggers.show(name)


@routes.get("/triggers/{name}/events")
async def list_events(
    name: str,
    plane: Plane,
    by: By,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at the most.")] = 100,
) -> list[dict[str, Any]]:
    """What became of a trigger's events, the newest first."""
    return await plane.triggers.events(name, by, limit=limit)


@routes.get("/subscriptions")
async def list_subscriptions(plane: Plane) -> list[dict[str, Any]]:
    """Every subscription: what it tells whom, how far it is, and how it goes."""
    return await plane.triggers.subscriptions()
