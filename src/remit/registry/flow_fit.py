"""Whether a workflow's steps fit what they name: inputs and outputs by their schemas, tools by grants and tiers."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import orjson

from remit.errors import RemitError
from remit.identity import covers
from remit.registry.references import Reference, references
from remit.registry.registry import Registry
from remit.registry.steps import StepDocument, templates
from remit.resources import Path, Problem, RawResource
from remit.tools import Tier


def check_fit(raw: RawResource, registry: Registry) -> list[Problem]:
    """What does not fit, given everything that is in force; the workflow's own form has been checked."""
    written = raw.fields.get("steps") or {}
    steps = {name: StepDocument.model_validate_json(orjson.dumps(fields)) for name, fields in written.items()}
    return [problem for name, step in steps.items() for problem in _Fit(raw, registry, steps, name, step).problems()]


class _Fit:
    """One step, held against what it names."""

    def __init__(
        self, raw: RawResource, registry: Registry, steps: Mapping[str, StepDocument], name: str, step: StepDocument
    ) -> None:
        self.raw = raw
        self.registry = registry
        self.steps = steps
        self.at: Path = ("steps", name)
        self.step = step

    def problems(self) -> Iterator[Problem]:
        yield from self._input()
        yield from self._grants()
        yield from self._outputs()

    def _input(self) -> Iterator[Problem]:
        """Arguments that are missing, not known, or of another type."""
        what, schema = self._takes()
        declared, given = schema.get("properties", {}), self.step.given
        for argument in sorted(set(schema.get("required", ())) - set(given)):
            yield self.raw.problem((*self.at, "with"), f"{what} needs {argument!r}, which is not given")
        if schema.get("additionalProperties") is False:
            for argument in sorted(set(given) - set(declared)):
                yield self.raw.problem((*self.at, "with", argument), f"{what} takes no {argument!r}")
        for argument, value in given.items():
            if argument in declared and not any(references(value)):
                for fault in jsonschema_rs.validator_for(declared[argument]).iter_errors(value):
                    yield self.raw.problem((*self.at, "with", argument), f"{what} takes another value: {fault.message}")

    def _takes(self) -> tuple[str, Mapping[str, Any]]:
        step = self.step
        if step.tool is not None and step.tool in self.registry.tools:
            return step.tool, self.registry.tools[step.tool].input_schema
        if step.workflow is not None and step.workflow in self.registry.workflows:
            return f"workflow {step.workflow}", self.registry.workflows[step.workflow].inputs
        if step.skill is not None:
            return step.skill, self._skill(step.skill)[0]
        return "", {}

    def _skill(self, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        try:
            skill = self.registry.resolve(name).skill(name)
        except RemitError:
            return {}, {}  # that nobody offers it is told of elsewhere
        return (skill.input_schema, skill.output_schema) if skill else ({}, {})

    def _grants(self) -> Iterator[Problem]:
        step, registry = self.step, self.registry
        if step.tool is not None and (tool := registry.tools.get(step.tool)) is not None:
            if tool.tier is Tier.CRITICAL and step.approve is None:
                told = (
                    f"{tool.name} is critical: a person is asked, unless a limit or a standing approval covers the call"
                )
                yield self.raw.problem((*self.at, "tool"), told, "warning")
            version = registry.agent(step.agent) if step.agent and step.agent in registry.names.current else None
            if version is not None and not covers(version.tools, tool.name):
                yield self.raw.problem((*self.at, "agent"), f"{version.ref} was not given {tool.name}")
        below = registry.workflows.get(step.workflow or "")
        own = self.raw.fields.get("tools", [])
        for one in below.steps if below else ():
            if one.kind == "tool" and not covers(own, one.target):
                tier = registry.tools[one.target].tier if one.target in registry.tools else Tier.CRITICAL
                told = f"its step {one.name!r} calls {one.target} ({tier}), which is not among this workflow's `tools`"
                yield self.raw.problem((*self.at, "workflow"), told)

    def _outputs(self) -> Iterator[Problem]:
        """References into outputs whose schema has no such field."""
        for field, template in templates(self.step).items():
            for at, reference in references(template):
                if reference.step and reference.path[1:2] == ("output",) and (told := self._lacks(reference)):
                    yield self.raw.problem((*self.at, field, *at), told)

    def _lacks(self, reference: Reference) -> str:
        before = self.steps[reference.step]
        if before.skill is None or before.for_each is not None or reference.optional:
            return ""
        schema: Any = self._skill(before.skill)[1]
        for part in reference.path[2:]:
            declared = schema.get("properties") if isinstance(schema, Mapping) else None
            if not isinstance(declared, Mapping):
                return ""
            if part not in declared:
                return f"{reference}: what {before.skill} gives has no {part!r}; it has {', '.join(sorted(declared))}"
            schema = declared[part]
        return ""
