"""Sessions of agents outside: opened before the agent starts, closed when it has ended."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from remit.api.context import WHOLE_MAX, Body, By, Home, Plane
from remit.identity import Right, require

routes = APIRouter(tags=["sessions"])


class SessionBody(Body):
    """Which agent is to act for whom, on what."""

    agent: str = Field(description="`NAME`, or `NAME@VERSION`; its `run` is `connected`.", max_length=200)
    principal: str = Field(
        "", description="The person for whom it acts; you, where not given.", max_length=200, alias="for"
    )
    inputs: dict[str, Any] = Field(default_factory=dict, description="What that person gives it to work on.")
    budget_usd_micros: int | None = Field(None, ge=0, le=WHOLE_MAX, description="A lower limit than the agent's own.")


class CloseBody(Body):
    """How the agent ended."""

    failed: str = Field("", description="A code of what went wrong; empty where nothing did.", max_length=100)
    output: Any = Field(None, description="What the agent gives back.")


@routes.post("/sessions", status_code=201)
async def open_session(body: SessionBody, plane: Plane, by: By) -> dict[str, Any]:
    """Open a session: a mission of its own, in which the agent acts for this person."""
    person = by
    if body.principal not in {"", by.id}:
        require(by, Right.TOKENS)
        person = plane.core.door.controls.registry.principal(body.principal)
    session = await plane.sessions.open(
        body.agent, person, inputs=body.inputs, budget_usd_micros=body.budget_usd_micros
    )
    return {"mission": session.mission, "agent": session.agent, "principal": session.principal}


@routes.post("/sessions/{mission}/close")
async def close_session(mission: str, body: CloseBody, home: Home, by: By) -> dict[str, Any]:
    """Close a session; calls that wait for a person are carried out all the same once one has answered."""
    plane = home.plane
    shown = await plane.missions.show(mission, by)
    if shown["principal"] != by.id:
        require(by, Right.TOKENS)
    await plane.sessions.close(mission, failed=body.failed, output=body.output)
    await home.wake(mission)
    return await plane.missions.show(mission, by)
