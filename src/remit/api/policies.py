"""Policies: see what is in force, check it, ask it, test it."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from remit.api.context import Body, By, Plane
from remit.api.resources import File, Files

routes = APIRouter(tags=["policies"])


class PolicyCall(Body):
    """A call that an agent might make."""

    agent: str = Field(description="NAME or NAME@VERSION.")
    tool: str = Field(description="SOURCE__TOOL.")
    arguments: dict[str, Any] = Field(default_factory=dict)
    principal: str = Field("", description="The person it would act for; who asks, where not written.")
    skill: str = Field("", description="The skill that it would carry out.")


class Checked(Body):
    """Files to check beside what is in force."""

    files: list[File] = Field(default_factory=list, max_length=1000)


class Cases(Body):
    """Cases to decide."""

    cases: list[File] = Field(min_length=1, max_length=1000, description="Files of cases.")
    files: list[File] = Field(
        default_factory=list, max_length=1000, description="Resource files to decide on, in place of what is in force."
    )


class Simulate(Files):
    """Policies to try on the record."""

    since: str = Field("", description="Only calls since then: `30d`, or a date (UTC).")
    mission: str = Field("", description="Only this mission's calls.")
    alone: bool = Field(False, description="Without the policies in force that the files do not replace.")


@routes.get("/policies")
async def list_policies(plane: Plane) -> list[dict[str, Any]]:
    """Every policy, whether it is active, and what it says."""
    return await plane.policies.all()


@routes.post("/policies/check")
async def check_policies(body: Checked, plane: Plane) -> dict[str, Any]:
    """What is wrong, contradictory or without effect in the policies in force with these files added."""
    return await plane.policies.check(_texts(body.files))


@routes.post("/policies/explain")
async def explain_policy(body: PolicyCall, plane: Plane, by: By) -> dict[str, Any]:
    """What policy would say to this call in a fresh mission: every rule that spoke, with the values compared."""
    return await plane.policies.explain(
        body.agent, body.tool, body.arguments, principal=body.principal or by.id, skill=body.skill
    )


@routes.post("/policies/test")
async def test_policies(body: Cases, plane: Plane) -> dict[str, Any]:
    """Decide cases, and say which are not as they expect, with every rule that spoke."""
    return await plane.policies.test(_texts(body.cases), _texts(body.files))


@routes.post("/policies/simulate")
async def simulate_policies(body: Simulate, plane: Plane, by: By) -> dict[str, Any]:
    """What would have been different on record, had these policies been in force; it reads, and writes nothing."""
    return await plane.policies.simulate(
        by, _texts(body.files), since=body.since, mission=body.mission, alone=body.alone
    )


def _texts(files: list[File]) -> list[tuple[str, str]]:
    return [(file.name, file.text) for file in files]
