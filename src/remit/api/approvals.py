"""Approvals: what waits for people, and their answers."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from remit.api.context import Body, By, Home, Plane
from remit.control_plane import Given
from remit.ids import ApprovalId

routes = APIRouter(tags=["approvals"])


class AnswerBody(Body):
    """A person's answer."""

    verdict: Literal["approve", "reject", "steer"]
    note: str = Field("", max_length=10_000, description="Why; it stands in the record, sealed.")
    changes: dict[str, Any] = Field(default_factory=dict, description="For a steer: argument to its new value.")


@routes.get("/approvals")
async def list_approvals(
    plane: Plane,
    by: By,
    mission: Annotated[str, Query(description="Only of this mission, and of those that its steps began.")] = "",
    answered: Annotated[bool, Query(description="Also those that were answered.")] = False,
) -> list[dict[str, Any]]:
    """Questions to people, oldest first."""
    return await plane.approvals.all(by, mission=mission, answered=answered)


@routes.get("/approvals/{approval}")
async def show_approval(approval: str, plane: Plane, by: By) -> dict[str, Any]:
    """One question with its whole case: action, reasons, evidence, and what each answer does."""
    return await plane.approvals.show(approval, by)


@routes.post("/approvals/{approval}/answer")
async def answer_approval(approval: str, body: AnswerBody, home: Home, by: By) -> dict[str, Any]:
    """Take a person's answer, once; the driver, where one runs, lets the mission go on."""
    given = Given(ApprovalId(approval), body.verdict, body.note, body.changes)
    answered = await home.plane.approvals.answer(given, by)
    await home.wake(answered["mission"])
    return answered
