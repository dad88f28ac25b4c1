"""Control over missions that run: pause, resume, skip, retry, run again from a step, change the plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core
from remit.control_plane.seen import require_seen
from remit.errors import InvalidInput
from remit.identity import Principal, Right, covers, require
from remit.ids import MissionId, StepId
from remit.ledger import PutBlob
from remit.missions import (
    ActiveMission,
    Command,
    ControlCommand,
    Pause,
    Reopen,
    Resume,
    Skip,
    SteerPlan,
    carry_out,
    known_values,
)
from remit.planning import Step, StepKind


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step that a person adds: a skill, a tool's call, or (with neither) a question."""

    step: str
    given: Mapping[str, Any]
    skill: str = ""
    tool: str = ""
    after: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What a person changes in a plan."""

    add: Sequence[NewStep] = ()
    remove: Sequence[str] = ()
    #: Step to the input that it gets instead.
    change: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """What people do to missions of one home that have not ended; each is on record with who and why."""

    core: Core

    async def pause(self, mission: str, by: Principal, why: str = "", *, stop_clock: bool = False) -> dict[str, Any]:
        """Claim no new run; what runs goes on to its end. Deadlines go on unless the clock is stopped.

        Raises:
            MissionEnded, NotPossibleNow: it cannot be paused, or is paused in the other way.
        """
        done = await self._do(mission, by, why, lambda _, sealed: Pause(by.id, sealed, stop_clock))
        return {"mission": mission, "paused": True, "changed": done}

    async def resume(self, mission: str, by: Principal, why: str = "") -> dict[str, Any]:
        """Let a paused mission go on.

        Raises:
            MissionEnded: it has ended.
        """
        done = await self._do(mission, by, why, lambda _, sealed: Resume(by.id, self.core.now_us, sealed))
        return {"mission": mission, "paused": False, "changed": done}

    async def skip(self, mission: str, step: str, by: Principal, why: str) -> dict[str, Any]:
        """Do without a step; what waits for it goes on and sees why.

        Raises:
            InvalidInput: no reason is given.
            NotFound, NotPossibleNow, MissionEnded: it cannot be skipped; the error says why.
        """
        _check_why(why)
        done = await self._do(mission, by, why, lambda _, sealed: Skip(StepId(step), by.id, sealed))
        return {"mission": mission, "step": step, "changed": done}

    async def retry(self, mission: str, step: str, by: Principal, why: str = "") -> dict[str, Any]:
        """Have a step done again that failed, was refused or was skipped. What its writes did is matched, not repeated.

        Raises:
            NotFound, NotPossibleNow, MissionEnded: it cannot be done again; the error says why.
        """
        return await self._again(mission, step, by, why, all_after=False)

    async def rerun(self, mission: str, step: str, by: Principal, why: str = "") -> dict[str, Any]:
        """Have a step done again that has ended, and everything that has begun and depends on it.

        Raises:
            NotFound, NotPossibleNow, MissionEnded: it cannot be done again; the error says why.
        """
        return await self._again(mission, step, by, why, all_after=True)

    async def _again(self, mission: str, step: str, by: Principal, why: str, *, all_after: bool) -> dict[str, Any]:
        def command(active: ActiveMission, sealed: str) -> ControlCommand:
            wrote = lambda name: bool(active.log.writes(name))  # noqa: E731 -- one line, used once
            return Reopen(StepId(step), by.id, wrote, sealed, all_after)

        await self._do(mission, by, why, command)
        return {"mission": mission, "step": step, "changed": True}

    async def steer(self, mission: str, change: PlanChange, by: Principal, why: str) -> dict[str, Any]:
        """Add steps, remove steps or give steps another input, where they have not begun.

        Raises:
            InvalidInput: no reason is given.
            InvalidPlan: the plan that would come of it cannot be carried out.
            NotFound, NotPossibleNow, MissionEnded: it cannot be changed; the error says why.
        """
        _check_why(why)
        bodies: list[PutBlob] = []

        def seal(given: Mapping[str, Any]) -> str:
            pointer, body = self.core.door.vault.seal(mission, dict(given))
            bodies.append(body)
            return pointer.cid

        def command(active: ActiveMission, sealed: str) -> ControlCommand:
            bodies.clear()
            registry = self.core.door.controls.registry
            granted = active.state.submitted.tools if active.state.submitted else ()
            given = [one.given for one in change.add] + list((change.change or {}).values())
            known = {digest for one in given for digest in known_values(self.core.door, active.id, one)}
            return SteerPlan(
                by.id,
                sealed,
                has_skill=lambda skill: skill in registry.names.skills,
                has_tool=lambda tool: tool in registry.tools and covers(granted, tool),
                add=tuple(_step(one, seal(one.given)) for one in change.add),
                remove=tuple(StepId(name) for name in dict.fromkeys(change.remove)),
                change={StepId(name): seal(one) for name, one in (change.change or {}).items()},
                known=tuple(sorted(known)),
            )

        await self._do(mission, by, why, command, bodies)
        return {
            "mission": mission,
            "added": [one.step for one in change.add],
            "removed": list(change.remove),
            "changed": sorted(change.change or {}),
        }

    # --- inside

    async def _do(
        self, mission: str, by: Principal, why: str, command: Command, bodies: Sequence[PutBlob] = ()
    ) -> bool:
        require(by, Right.SUBMIT)
        await require_seen(self.core, mission, by)
        core = self.core
        return await carry_out(core.door, core.store, core.clock, by, MissionId(mission), why, command, bodies)


def _step(new: NewStep, given: str) -> Step:
    if new.skill and new.tool:
        raise InvalidInput(f"The step {new.step} names both a skill and a tool.")
    kind = StepKind.SKILL if new.skill else StepKind.TOOL if new.tool else StepKind.QUESTION
    return Step(StepId(new.step), kind, new.skill or new.tool, given, tuple(StepId(name) for name in new.after))


def _check_why(why: str) -> None:
    if not why.strip():
        raise InvalidInput("Say why: it stands on record beside who did it.")
