"""Who asks: what the endpoint is given about an agent that came with a token."""

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from remit.gateway import UNBOUND, Bounds
from remit.missions import Session


@dataclass(frozen=True, slots=True)
class Entered:
    """An agent at the door: its open session, and the bounds of the token it came with."""

    session: Session
    bounds: Bounds = UNBOUND


class Enters(Protocol):
    """Lets an agent in."""

    async def __call__(self, request: Request, body: bytes) -> Entered:
        """Verify the request's token, and its signature where the token wants one.

        Raises:
            Unauthenticated, RightsExceeded, MissionEnded: the agent is not let in.
        """
        ...
