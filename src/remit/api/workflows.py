"""Workflows: shown, checked and drawn."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from remit.api.context import By, Plane
from remit.api.resources import Files

routes = APIRouter(tags=["workflows"])


class Checked(Files):
    """Resource files with workflows."""

    prompts: dict[str, str] = Field(
        default_factory=dict, description="Texts of prompt files that agents in these files name, by path."
    )


@routes.post("/workflows/check")
async def check_workflows(body: Checked, plane: Plane) -> dict[str, Any]:
    """What is wrong with the workflows in these files, each with file and line; nothing is applied."""
    return await plane.workflows.check([(file.name, file.text) for file in body.files], prompts=body.prompts)


@routes.post("/workflows/graph")
async def graph_of_a_file(body: Files, plane: Plane) -> dict[str, Any]:
    """The steps of the one workflow in these files, with what each waits for."""
    return await plane.workflows.graph([(file.name, file.text) for file in body.files])


@routes.get("/workflows/{name}")
async def show_workflow(name: str, plane: Plane) -> dict[str, Any]:
    """One workflow with its steps."""
    return plane.workflows.show(name)


@routes.get("/workflows/{name}/check")
async def check_workflow(name: str, plane: Plane) -> dict[str, Any]:
    """What is wrong with a workflow that was applied, beside everything that is in force now."""
    return await plane.workflows.check(name=name)


@routes.get("/workflows/{name}/graph")
async def graph_of_a_workflow(name: str, plane: Plane, by: By, mission: str = "") -> dict[str, Any]:
    """Its steps, with what each waits for; with `mission`, the steps that this one has and where each stands."""
    return await plane.workflows.graph(name=name, mission=mission, by=by)
