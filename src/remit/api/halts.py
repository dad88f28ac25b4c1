"""Halts: stop a tenant, an agent, a tool or a mission now, and lift it again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from remit.api.context import Body, By, Home, Plane

routes = APIRouter(tags=["halts"])


class HaltBody(Body):
    """What is to stand still."""

    scope: str = Field(description="`tenant`, `agent/NAME[@VERSION]`, `tool/SOURCE__TOOL` or `mission/ID`.")
    reason: str = Field("", max_length=1000, description="Why; shown to everyone who meets the halt.")


@routes.get("/halts")
async def list_halts(plane: Plane) -> list[dict[str, Any]]:
    """What stands still, why, and by whose word."""
    return await plane.halts.all()


@routes.post("/halts", status_code=201)
async def set_halt(body: HaltBody, home: Home, by: By) -> dict[str, Any]:
    """Stop now: no new claim and no new call in this scope."""
    halted = await home.plane.halts.set(body.scope, body.reason, by)
    await home.plane.resources.reload()
    return halted


@routes.delete("/halts")
async def lift_halt(
    scope: Annotated[str, Query(description="What is to go on.")], home: Home, by: By
) -> dict[str, Any]:
    """Let the scope go on."""
    lifted = await home.plane.halts.lift(scope, by)
    await home.wake()
    return lifted
