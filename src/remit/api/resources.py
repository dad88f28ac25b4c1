"""Declarative resources: apply them, see what is in force."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from remit.api.context import Body, By, Home, Plane

routes = APIRouter(tags=["resources"])


class File(Body):
    """One resource file: its text, and the name that problems are told under."""

    name: str = Field(min_length=1, max_length=4096)
    text: str = Field(max_length=1 << 20)


class Files(Body):
    """Resource files; the server opens none by itself."""

    files: list[File] = Field(min_length=1, max_length=1000)


class Apply(Files):
    """What to apply."""

    dry_run: bool = Field(False, description="Only say what would change.")
    prompts: dict[str, str] = Field(
        default_factory=dict, description="Texts of prompt files that agents name, by path."
    )


@routes.post("/apply")
async def apply_resources(body: Apply, home: Home, by: By) -> dict[str, Any]:
    """Apply the files, all or none, and say what changed; a bad file is refused with every error at its line."""
    files = [(file.name, file.text) for file in body.files]
    applied = await home.plane.resources.apply(files, by, dry_run=body.dry_run, prompts=body.prompts)
    if applied["applied"]:
        await home.wake()
    return applied


@routes.get("/agents")
async def list_agents(plane: Plane) -> list[dict[str, Any]]:
    """Every agent version, with the skills that it offers and whether callers get it."""
    return await plane.resources.agents()


@routes.get("/tools")
async def list_tools(plane: Plane) -> list[dict[str, Any]]:
    """Every accepted tool: tier, roles, schema and pin."""
    return await plane.resources.tools()


@routes.get("/workflows")
async def list_workflows(plane: Plane) -> list[dict[str, Any]]:
    """Every workflow as it was applied."""
    return await plane.resources.all("Workflow")
