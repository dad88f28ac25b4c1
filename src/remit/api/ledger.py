"""The record: look at it, take it away, verify it; and what follows from it: cost, and why."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from remit.api.context import WHOLE_MAX, By, Plane

routes = APIRouter(tags=["ledger"])

Mission = Annotated[str, Query(description="Only this mission and its steps.")]


@routes.get("/ledger")
async def show_ledger(
    plane: Plane,
    by: By,
    mission: Mission = "",
    after: Annotated[int, Query(ge=0, le=WHOLE_MAX, description="The last `idx` that is known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> list[dict[str, Any]]:
    """Entries in the order they were written, after the place `after`."""
    return await plane.ledger.show(by, mission=mission, after=after, limit=limit)


@routes.get("/ledger/export", response_class=Response)
async def export_ledger(plane: Plane, by: By, mission: Mission = "") -> Response:
    """Lines that a stranger can verify, `remit ledger verify FILE`: of everything, or of one mission with proofs."""
    if mission:
        await plane.missions.require_seen(mission, by)
    lines = await plane.ledger.export(by, mission=mission)
    return Response(b"".join(lines), media_type="application/jsonl")


@routes.get("/ledger/verify")
async def verify_ledger(plane: Plane) -> dict[str, Any]:
    """Check every stored entry against its chain and the seals; names the first that was touched."""
    return {**await plane.ledger.verify(), "vkey": plane.ledger.key.vkey}


@routes.get("/cost")
async def show_cost(plane: Plane, by: By, mission: Mission = "") -> dict[str, Any]:
    """What models and priced tools have cost, per mission, agent and tool; amounts in US dollar micro-units."""
    return await plane.explain.cost(by, mission)


@routes.get("/why")
async def explain_call(
    plane: Plane,
    by: By,
    call: Annotated[str, Query(description="`MISSION/STEP`, or an entry of a step's stream.")],
) -> dict[str, Any]:
    """Every call of a step: what spoke for and against it, and the origin of each argument."""
    return await plane.explain.why(call, by)
