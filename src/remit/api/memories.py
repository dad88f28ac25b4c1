"""Memory that agents keep: list it, look into it, erase it, hold it back; and their working state."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from remit.api.context import WHOLE_MAX, Body, By, Plane

routes = APIRouter(tags=["memory"])

_Scope = Annotated[
    str, Query(max_length=300, description="`mission/ID`, `agent/NAME`, `person/NAME` or `tenant/NAME`.")
]


class HoldBody(Body):
    """What is not to be erased."""

    scope: str = Field(max_length=300, description="`mission/ID`, `agent/NAME`, `person/NAME` or `tenant/NAME`.")
    reason: str = Field(min_length=1, max_length=1000, description="Why.")


class RewindBody(Body):
    """To which snapshot a step goes back."""

    seq: int = Field(ge=1, le=WHOLE_MAX, description="The snapshot's number.")


@routes.get("/memory")
async def list_memory(plane: Plane, by: By) -> list[dict[str, Any]]:
    """The scopes that you see, with how much stands in each."""
    return await plane.memories.all(by)


@routes.get("/memory/notes")
async def show_memory(
    scope: _Scope,
    plane: Plane,
    by: By,
    text: Annotated[str, Query(max_length=1000, description="Words that the notes must hold.")] = "",
) -> dict[str, Any]:
    """The notes of one scope."""
    return await plane.memories.show(scope, by, text)


@routes.delete("/memory")
async def erase_memory(
    scope: _Scope,
    basis: Annotated[str, Query(min_length=1, max_length=1000, description="Who asked for it, or which rule does.")],
    plane: Plane,
    by: By,
) -> dict[str, Any]:
    """Destroy the scope's key with all its notes."""
    return await plane.memories.erase(scope, basis, by)


@routes.post("/memory/holds", status_code=201)
async def hold_memory(body: HoldBody, plane: Plane, by: By) -> dict[str, Any]:
    """Keep everybody, retention included, from erasing anything in this scope."""
    return await plane.memories.hold(body.scope, body.reason, by)


@routes.delete("/memory/holds")
async def release_memory(scope: _Scope, plane: Plane, by: By) -> dict[str, Any]:
    """End a legal hold."""
    return await plane.memories.release(scope, by)


@routes.get("/missions/{mission}/state")
async def show_state(
    mission: str,
    plane: Plane,
    by: By,
    step: Annotated[str, Query(max_length=300, description="Only this step's.")] = "",
    bodies: Annotated[bool, Query(description="Also what it says.")] = True,
) -> list[dict[str, Any]]:
    """What each step of the mission keeps: goal, slices, log, and under what it was saved."""
    return await plane.states.show(mission, by, step=step, bodies=bodies)


@routes.post("/missions/{mission}/state/{step}/rewind")
async def rewind_state(mission: str, step: str, body: RewindBody, plane: Plane, by: By) -> dict[str, Any]:
    """Have the step's next read find an earlier snapshot; pointers from after it are stale then."""
    return await plane.states.rewind(mission, step, body.seq, by)
