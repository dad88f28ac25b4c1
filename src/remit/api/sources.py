"""Sources of tools: how they are, and a proposal for a new one."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from remit.api.context import Body, By, Plane

routes = APIRouter(tags=["sources"])


class Proposed(Body):
    """A source that is not applied yet."""

    source: dict[str, Any] = Field(description="A `kind: ToolSource` without `tools`: its name, form and credential.")
    tables: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Of a database whose `sql` declares nothing yet: the tables that are meant, each with the columns "
        "that are; none stands for all.",
    )


@routes.get("/sources")
async def list_sources(plane: Plane) -> list[dict[str, Any]]:
    """Every source: its form, its tools, and how it has answered of late."""
    return plane.sources.all()


@routes.post("/sources/propose")
async def propose_source(body: Proposed, plane: Plane, by: By) -> dict[str, Any]:
    """Ask the source what it offers, and propose tiers and roles; nothing is kept before someone applies it."""
    return await plane.sources.propose(body.source, by, tables=body.tables)
