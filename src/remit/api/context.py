"""What every route is given: the control plane, who asks, and the driver to wake."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, model_validator

from remit.api.depth import LEVELS_MAX, is_too_deep
from remit.control_plane import ControlPlane
from remit.identity import Principal
from remit.ids import MissionId


@dataclass(frozen=True, slots=True)
class Served:
    """One home as the API shows it."""

    plane: ControlPlane
    #: Who asks; looked up for each request, so that a right that was taken away is gone at once.
    principal: Callable[[], Principal]
    #: True where this process drives all missions by itself, and only needs to be woken.
    driving: bool = False

    async def wake(self, mission: str = "") -> None:
        """Let the running driver look at a mission now, or (without one) at all that have not ended."""
        if not self.driving:
            return
        if mission:
            self.plane.core.driver.nudge(MissionId(mission))
            return
        await self.plane.resources.reload()
        for open_mission in await self.plane.missions.open():
            self.plane.core.driver.nudge(MissionId(open_mission))


#: The highest whole number that a store counts to.
WHOLE_MAX = 2**63 - 1


class Body(BaseModel):
    """A request's body; a field that is not known is an error, not a wish that goes unheard."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        """Python reads more than JSON is and a record keeps: what would not come back as it was is refused."""
        if is_too_deep(value) or not finite(value):
            raise ValueError(
                "whole numbers have at most 64 bits, other numbers are finite, text is Unicode, "
                f"and lists and objects stand at most {LEVELS_MAX} deep"
            )
        return value


def finite(value: Any) -> bool:
    """True where a record keeps the value as it is: finite numbers, text that is Unicode."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


async def _served(request: Request) -> Served:
    served: Served = request.app.state.served
    return served


async def _plane(request: Request) -> ControlPlane:
    return (await _served(request)).plane


async def _principal(request: Request) -> Principal:
    return (await _served(request)).principal()


Home = Annotated[Served, Depends(_served)]
Plane = Annotated[ControlPlane, Depends(_plane)]
By = Annotated[Principal, Depends(_principal)]
