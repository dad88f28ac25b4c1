"""Workflows: what there is, whether a written one can be carried out, and how its steps hang together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core
from remit.control_plane.missions import Missions
from remit.errors import InvalidResource, NotFound
from remit.gateway.enforce import MODEL_SOURCE
from remit.identity import Principal
from remit.registry import TABLE, Registry, StoredResource, Workflow, plan_apply
from remit.registry.flow_fit import check_fit
from remit.resources import Problem, RawResource, read_resources


@dataclass(frozen=True, slots=True)
class Workflows:
    """Workflows of one home."""

    core: Core

    def show(self, name: str) -> dict[str, Any]:
        """One workflow with its steps.

        Raises:
            NotFound: there is none.
        """
        found = self.core.door.controls.registry.workflow(name)
        return {
            "name": found.name,
            "description": found.description,
            "start": found.start,
            "inputs": dict(found.inputs),
            "tools": list(found.tools),
            "budget": {"amount": found.budget.text, "currency": found.budget.currency},
            "deadline_hours": found.deadline_hours,
            "steps": _nodes(found),
            "output": found.output,
        }

    async def check(
        self, files: Sequence[tuple[str, str]] = (), *, name: str = "", prompts: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What is wrong with the workflows in files, or with one that was applied, each at its line.

        Raises:
            NotFound: no workflow of this name was applied.
        """
        stored = await self._stored()
        if name:
            one = stored.get(f"Workflow/{name}")
            if one is None:
                raise NotFound(f"There is no workflow {name!r}.")
            raws = [RawResource("Workflow", one.name, one.fields, one.file, 0, {})]
            names = self.core.door.controls.registry.names
            problems = self.core.kinds["Workflow"].check(raws[0], names)
            registry = self.core.door.controls.registry
        else:
            built_in = (MODEL_SOURCE, *self.core.built_in)
            plan = plan_apply(files, stored, self.core.kinds, prompts=prompts or {}, built_in=built_in)
            problems = list(plan.problems)
            raws = [raw for file, text in files for raw in read_resources(text, file)[0] if raw.kind == "Workflow"]
            after = {**stored, **{resource.key: resource for resource in plan.resources}}
            registry = Registry.build(after.values(), self.core.door.controls.registry.tools.values())
        if not any(problem.severity == "error" for problem in problems):
            problems += [problem for raw in raws for problem in check_fit(raw, registry)]
        return {
            "workflows": sorted(raw.name for raw in raws),
            "errors": [_told(problem) for problem in problems if problem.severity == "error"],
            "warnings": [_told(problem) for problem in problems if problem.severity == "warning"],
        }

    async def graph(
        self, files: Sequence[tuple[str, str]] = (), *, name: str = "", mission: str = "", by: Principal | None = None
    ) -> dict[str, Any]:
        """A workflow's steps and what each waits for; with a mission, the steps that it has and where each stands.

        Raises:
            NotFound, RightsExceeded: there is no such workflow or mission, or this person does not see it.
            InvalidResource: a file holds no workflow that can be read.
        """
        if mission:
            assert by is not None
            shown = await Missions(self.core).show(mission, by)
            nodes = [
                {key: step[key] for key in ("id", "kind", "target", "after", "status")} | {"each": False, "when": ""}
                for step in shown["steps"]
            ]
            return {"name": shown["workflow"], "mission": mission, "steps": nodes}
        if name:
            found = self.core.door.controls.registry.workflow(name)
        else:
            found = await self._read_one(files)
        return {"name": found.name, "mission": "", "steps": _nodes(found)}

    async def _read_one(self, files: Sequence[tuple[str, str]]) -> Workflow:
        checked = await self.check(files)
        if checked["errors"]:
            raise InvalidResource("\n".join(checked["errors"]))
        raws = [raw for file, text in files for raw in read_resources(text, file)[0] if raw.kind == "Workflow"]
        if len(raws) != 1:
            raise InvalidResource(f"The file holds {len(raws)} workflows; one is drawn at a time.")
        registry = Registry.build([StoredResource("Workflow", raws[0].name, raws[0].fields)])
        return registry.workflow(raws[0].name)

    async def _stored(self) -> dict[str, StoredResource]:
        return {key: StoredResource.from_json(value) for key, value in await self.core.store.records(TABLE)}


def _told(problem: Problem) -> str:
    return str(problem)


def _nodes(found: Workflow) -> list[dict[str, Any]]:
    if not found.steps:
        start = {"id": "plan", "kind": "skill", "target": found.start, "after": [], "each": False, "when": ""}
        return [{**start, "status": ""}]
    return [
        {
            "id": one.name,
            "kind": one.kind,
            "target": one.target,
            "after": list(one.after),
            "each": one.each,
            "when": str(one.recipe.get("when", "")),
            "status": "",
        }
        for one in found.steps
    ]
