"""Sidecars for people: enrol, list, remove, and look at what they sent on."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from remit.api.context import WHOLE_MAX, Body, By, Plane

routes = APIRouter(tags=["sidecars"])


class EnrolBody(Body):
    """Which agent acts for whom beside its sidecar, and what it may spend."""

    name: str = Field(description="What people call it, such as the machine's name.", min_length=1, max_length=100)
    agent: str = Field(description="The agent's name; its `run` is `connected`.", max_length=200)
    principal: str = Field(
        "", description="The person for whom it acts; you, where not given.", max_length=200, alias="for"
    )
    slice_usd_micros: int = Field(1_000_000, ge=0, le=WHOLE_MAX, description="How much it holds unspent at a time.")
    budget_usd_micros: int | None = Field(None, ge=0, le=WHOLE_MAX, description="The most that it may ever spend.")


@routes.get("/sidecars")
async def list_sidecars(plane: Plane, by: By) -> list[dict[str, Any]]:
    """Every sidecar: what it was pushed, what it holds on lease, and how far its record has come."""
    return await plane.sidecars.all(by)


@routes.post("/sidecars", status_code=201)
async def enrol_sidecar(body: EnrolBody, plane: Plane, by: By) -> dict[str, Any]:
    """Enrol a sidecar; its token is in this answer, and nowhere else."""
    return await plane.sidecars.enrol(
        body.name,
        body.agent,
        body.principal or by.id,
        by,
        slice_usd_micros=body.slice_usd_micros,
        budget_usd_micros=body.budget_usd_micros,
    )


@routes.delete("/sidecars/{ident}")
async def remove_sidecar(ident: str, plane: Plane, by: By) -> dict[str, Any]:
    """Know it no more: it refuses every call, and what it still holds counts as spent. Its record stays."""
    return await plane.sidecars.remove(ident, by)


@routes.get("/sidecars/{ident}/record")
async def show_sidecar_record(
    ident: str,
    plane: Plane,
    by: By,
    mission: Annotated[str, Query(description="Only this mission and its steps.")] = "",
    after: Annotated[int, Query(ge=0, le=WHOLE_MAX, description="The last `idx` that is known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> list[dict[str, Any]]:
    """Entries that the sidecar wrote and sent on, in its order."""
    return await plane.sidecar_records.show(ident, by, mission=mission, after=after, limit=limit)


@routes.get("/sidecars/{ident}/export", response_class=Response)
async def export_sidecar_record(ident: str, plane: Plane, by: By) -> Response:
    """The sidecar's record as lines that a stranger can verify with its key: `remit ledger verify FILE`."""
    return Response(b"".join(await plane.sidecar_records.export(ident, by)), media_type="application/jsonl")


@routes.get("/sidecars/{ident}/verify")
async def verify_sidecar_record(ident: str, plane: Plane, by: By) -> dict[str, Any]:
    """Check every entry that came against its chain and the seals that came with it."""
    return await plane.sidecar_records.verify(ident, by)
