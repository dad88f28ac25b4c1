"""Tokens of agents outside: issue, list, revoke, and a new key to sign them with."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from remit.api.context import WHOLE_MAX, Body, By, Plane
from remit.identity import ConfirmationKey, ToolPattern, Wish

routes = APIRouter(tags=["tokens"])

Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=64)]


class PartBody(Body):
    """Which agent is to act, and within which bounds."""

    agent: str = Field(description="`NAME`, or `NAME@VERSION`.", max_length=200)
    seconds: int | None = Field(None, description="How long it lives, 300 to 900; 600 where not given.")
    skills: Names | None = Field(None, description="Skills that it is for; all of the agent's where not given.")
    tools: Annotated[list[ToolPattern], Field(max_length=64)] | None = Field(
        None, description="Patterns of tools; all of the agent's where not given."
    )
    budget_usd_micros: int | None = Field(None, ge=0, le=WHOLE_MAX, description="The most that may be spent under it.")
    jwk: dict[str, Any] | None = Field(
        None,
        description="The public key that will sign each request (RFC 7517): Ed25519 or P-256. None: a bearer token.",
    )

    def wish(self, mission: str | None = None) -> Wish:
        """What is asked of the token.

        Raises:
            InvalidInput: `jwk` is no key that can sign requests.
        """
        return Wish(
            skills=None if self.skills is None else tuple(self.skills),
            tools=None if self.tools is None else tuple(self.tools),
            budget_usd_micros=self.budget_usd_micros,
            seconds=self.seconds,
            mission=mission,
            confirmed=None if self.jwk is None else ConfirmationKey.of(self.jwk),
        )


class TokenBody(PartBody):
    """Which agent is to act for whom, and within which bounds."""

    principal: str = Field(
        "", description="The person for whom it acts; you, where not given.", max_length=200, alias="for"
    )
    mission: str | None = Field(None, description="A mission of that person; none where not given.", max_length=200)


@routes.post("/tokens", status_code=201)
async def issue_token(body: TokenBody, plane: Plane, by: By) -> dict[str, Any]:
    """Issue a token; its text is in this answer, and nowhere else."""
    return await plane.tokens.issue(body.agent, body.principal or by.id, by, body.wish(body.mission))


@routes.get("/tokens")
async def list_tokens(plane: Plane, by: By) -> list[dict[str, Any]]:
    """Tokens that live, without their texts: your own, or all, if you may halt or read the ledger."""
    return await plane.tokens.all(by)


@routes.get("/tokens/revoked")
async def list_revoked(plane: Plane, by: By) -> list[dict[str, Any]]:
    """What was revoked and may still matter, by whom and why."""
    return await plane.tokens.revoked(by)


@routes.delete("/tokens")
async def revoke_tokens(
    plane: Plane,
    by: By,
    scope: Annotated[str, Query(description="`token/ID`, `agent/NAME[@VERSION]`, `principal/ID` or `key/ID`.")],
    reason: Annotated[str, Query(max_length=1000, description="Why; shown in the list of what was revoked.")] = "",
) -> dict[str, Any]:
    """Refuse from now on; within a second in every process of the home."""
    return await plane.tokens.revoke(scope, by, reason)


@routes.post("/tokens/rotate", status_code=201)
async def rotate_key(plane: Plane, by: By) -> dict[str, Any]:
    """Sign new tokens with a new key; the one before verifies until the last token that it signed has expired."""
    return await plane.tokens.rotate(by)
