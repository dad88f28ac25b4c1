"""Control over running missions: pause, resume, skip, retry, run again from a step, change the plan."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from remit.api.context import Body, By, Home
from remit.control_plane import NewStep, PlanChange

routes = APIRouter(tags=["missions"])

Why = Annotated[str, Field(max_length=10_000, description="Why; it stands in the record, sealed.")]


class WhyBody(Body):
    """A reason, where there is one."""

    why: Why = ""


class ReasonBody(Body):
    """A reason, which must be given."""

    why: Annotated[Why, Field(min_length=1)]


class PauseBody(WhyBody):
    """How to pause."""

    stop_clock: bool = Field(False, description="Let deadlines and questions' ends stand still meanwhile.")


class NewStepBody(Body):
    """A step to add: a skill, a tool's call, or (with neither) a question."""

    step: str = Field(description="The step's name.")
    skill: str = Field("", description="The skill that it asks for.")
    tool: str = Field("", description="The tool that it calls, `SOURCE__TOOL`.")
    given: dict[str, Any] = Field(default_factory=dict, description="Its input.")
    after: list[str] = Field(default_factory=list, description="Steps that must have ended before it begins.")


class SteerBody(ReasonBody):
    """What to change in the plan."""

    add: list[NewStepBody] = Field(default_factory=list, max_length=1000)
    remove: list[str] = Field(default_factory=list, max_length=1000, description="Steps that have not begun.")
    change: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Step that has not begun to the input that it gets instead."
    )


@routes.post("/missions/{mission}/pause")
async def pause_mission(mission: str, body: PauseBody, home: Home, by: By) -> dict[str, Any]:
    """Claim no new run; what runs goes on to its end. A second time changes nothing."""
    paused = await home.plane.control.pause(mission, by, body.why, stop_clock=body.stop_clock)
    await home.wake(mission)
    return paused


@routes.post("/missions/{mission}/resume")
async def resume_mission(mission: str, body: WhyBody, home: Home, by: By) -> dict[str, Any]:
    """Let a paused mission go on. A second time changes nothing."""
    resumed = await home.plane.control.resume(mission, by, body.why)
    await home.wake(mission)
    return resumed


@routes.post("/missions/{mission}/steps/{step}/skip")
async def skip_step(mission: str, step: str, body: ReasonBody, home: Home, by: By) -> dict[str, Any]:
    """Do without a step that has not ended; what waits for it goes on, and sees why."""
    skipped = await home.plane.control.skip(mission, step, by, body.why)
    await home.wake(mission)
    return skipped


@routes.post("/missions/{mission}/steps/{step}/retry")
async def retry_step(mission: str, step: str, body: WhyBody, home: Home, by: By) -> dict[str, Any]:
    """Have a step done again that failed, was refused or was skipped; what its writes did is matched, not repeated."""
    again = await home.plane.control.retry(mission, step, by, body.why)
    await home.wake(mission)
    return again


@routes.post("/missions/{mission}/steps/{step}/rerun")
async def rerun_step(mission: str, step: str, body: WhyBody, home: Home, by: By) -> dict[str, Any]:
    """Have a step done again that has ended, and everything that has begun and depends on it."""
    again = await home.plane.control.rerun(mission, step, by, body.why)
    await home.wake(mission)
    return again


@routes.post("/missions/{mission}/plan")
async def steer_plan(mission: str, body: SteerBody, home: Home, by: By) -> dict[str, Any]:
    """Add steps, remove steps or give steps another input, where they have not begun; all of it or nothing."""
    add = [NewStep(one.step, one.given, one.skill, one.tool, one.after) for one in body.add]
    steered = await home.plane.control.steer(mission, PlanChange(add, body.remove, body.change), by, body.why)
    await home.wake(mission)
    return steered
