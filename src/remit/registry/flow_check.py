"""Whether a workflow's steps can be carried out: what they name, what they refer to, and in which order they come."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import orjson

from remit.identity import covers
from remit.registry.conditions import check_condition, speaks_of_item, steps_in
from remit.registry.names import Names, suggestion
from remit.registry.references import Reference, references
from remit.registry.steps import KINDS, TRIED, WITH_INPUT, StepDocument, before, is_one_reference, templates
from remit.resources import Path, Problem, RawResource

#: Field to the kinds of step that take it.
_TAKEN_BY: Mapping[str, frozenset[str]] = {
    "with": WITH_INPUT,
    "agent": frozenset({"tool"}),
    "approve": frozenset({"tool"}),
    "retry": TRIED,
    "compensate": TRIED,
    "timeout": frozenset({"skill", "tool", "event"}),
    "for_each": frozenset(KINDS) - {"timer", "until"},
}


def skills_of(fields: Mapping[str, Any]) -> list[str]:
    """The skills that a workflow asks for by name."""
    steps = fields.get("steps") or {}
    found = [fields.get("start"), *(step.get("skill") for step in steps.values())]
    found += [(step.get("compensate") or {}).get("skill") for step in steps.values()]
    return [skill for skill in found if isinstance(skill, str)]


def check_flow(raw: RawResource, names: Names) -> list[Problem]:
    """What is wrong with `start` or `steps`."""
    start, written = raw.fields.get("start"), raw.fields.get("steps")
    if (start is None) == (written is None):
        told = "expected `start`, or `steps`" if start is None else "`start` is there already: take one of the two out"
        return [raw.problem(() if start is None else ("steps",), told)]
    if written is None:
        assert start is not None
        problems = _no_skill(raw, ("start",), start, names)
        if raw.fields.get("output") is not None:
            problems.append(raw.problem(("output",), "`output` is for a workflow with `steps`"))
        return problems
    steps = {name: StepDocument.model_validate_json(orjson.dumps(fields)) for name, fields in written.items()}
    problems = [problem for name, step in steps.items() for problem in _Look(raw, names, steps, name, step).problems()]
    problems += _check_output(raw, steps)
    problems += _in_circles(raw, steps)
    if not any(problem.severity == "error" for problem in problems):
        problems += _circles_of_workflows(raw, names)
    return problems


class _Look:
    """One step, held against everything else."""

    def __init__(
        self, raw: RawResource, names: Names, steps: Mapping[str, StepDocument], name: str, step: StepDocument
    ) -> None:
        self.raw = raw
        self.names = names
        self.steps = steps
        self.name = name
        self.step = step

    def problem(self, message: str, *at: str | int) -> Problem:
        return self.raw.problem(("steps", self.name, *at), message)

    def problems(self) -> Iterator[Problem]:
        kinds = self.step.kinds
        if len(kinds) != 1:
            told = (
                f"exactly one may stand: `{kinds[0]}` is there already" if kinds else f"expected one of {_list(KINDS)}"
            )
            yield self.problem(told, *kinds[1:2])
            return
        yield from self._fields(kinds[0])
        yield from self._targets()
        yield from self._references()
        yield from self._condition()

    def _fields(self, kind: str) -> Iterator[Problem]:
        written = self.raw.fields["steps"][self.name]
        for field, taken_by in _TAKEN_BY.items():
            if field in written and kind not in taken_by:
                yield self.problem(f"`{field}` is for {_list(sorted(taken_by))}; this step is a {kind}", field)
        if "at_once" in written and "for_each" not in written:
            yield self.problem("`at_once` is for a step with `for_each`", "at_once")
        if self.step.for_each is not None and not is_one_reference(self.step.for_each):
            yield self.problem("expected one reference to a list, such as ${inputs.lines}", "for_each")
        undo = self.step.compensate
        if undo is not None and (undo.tool is None) == (undo.skill is None):
            yield self.problem("expected `tool` or `skill`", "compensate")

    def _targets(self) -> Iterator[Problem]:
        step, names = self.step, self.names
        undo = step.compensate
        for at, skill in ((("skill",), step.skill), (("compensate", "skill"), undo.skill if undo else None)):
            if skill is not None:
                yield from _no_skill(self.raw, ("steps", self.name, *at), skill, names)
        patterns = self.raw.fields.get("tools", [])
        for at, tool in ((("tool",), step.tool), (("compensate", "tool"), undo.tool if undo else None)):
            if tool is None:
                continue
            if not covers(patterns, tool):
                yield self.problem(f"{tool!r} is not among the workflow's `tools`", *at)
            if not names.reaches(tool):
                yield self.problem(f"{tool!r} stands for no known tool{suggestion(tool, names.tools)}", *at)
        if step.workflow is not None and step.workflow not in names.of("Workflow"):
            known = names.of("Workflow")
            yield self.problem(f"there is no workflow {step.workflow!r}{suggestion(step.workflow, known)}", "workflow")
        if step.agent is not None and step.agent not in names.of("Agent"):
            near = suggestion(step.agent, names.of("Agent"))
            yield self.problem(f"there is no agent {step.agent!r}{near}", "agent")

    def _references(self) -> Iterator[Problem]:
        for place, name in enumerate(self.step.after):
            if name not in self.steps:
                yield self.problem(f"there is no step {name!r}{suggestion(name, self.steps)}", "after", place)
        parts = dict(templates(self.step))
        undo = self.step.compensate
        if undo is not None:
            parts["compensate"] = {"with": undo.given}
        for field, template in parts.items():
            try:
                found = list(references(template))
            except ValueError as error:
                yield self.problem(str(error), field)
                continue
            for at, reference in found:
                own = field == "compensate" and reference.step == self.name
                if not own and (told := self._leads_nowhere(reference, field)):
                    yield self.problem(told, field, *at)

    def _leads_nowhere(self, reference: Reference, field: str) -> str:
        if reference.root in {"item", "index"} and (self.step.for_each is None or field == "for_each"):
            return f"{reference} is for a step with `for_each`, and not for its list"
        if reference.step == self.name:
            return f"{reference} refers to the step itself"
        return _no_such_place(self.raw, self.steps, reference)

    def _condition(self) -> Iterator[Problem]:
        when = self.step.when
        if when is None:
            return
        try:
            check_condition(when)
        except ValueError as error:
            yield self.problem(str(error), "when")
            return
        if speaks_of_item(when) and self.step.for_each is None:
            yield self.problem("`item` and `index` are for a step with `for_each`", "when")
        for name in steps_in(when):
            if name not in self.steps or name == self.name:
                yield self.problem(f"there is no other step {name!r}{suggestion(name, self.steps)}", "when")
        if when.strip() in {"false", "!true"}:
            told = f"step {self.name} is never reached: its condition is always false"
            yield self.raw.problem(("steps", self.name, "when"), told, "warning")


def _no_such_place(raw: RawResource, steps: Mapping[str, StepDocument], reference: Reference) -> str:
    """Why a reference leads nowhere; empty where it may lead somewhere."""
    if reference.step and reference.step not in steps:
        return f"there is no step {reference.step!r}{suggestion(reference.step, steps)}"
    if reference.root == "inputs" and reference.path:
        schema = raw.fields.get("inputs") or {}
        declared, first = schema.get("properties"), str(reference.path[0])
        if declared is not None and first not in declared and not reference.optional:
            return f"{reference}: `inputs` declares no {first!r}{suggestion(first, declared)}"
    return ""


def _check_output(raw: RawResource, steps: Mapping[str, StepDocument]) -> list[Problem]:
    try:
        found = list(references(raw.fields.get("output")))
    except ValueError as error:
        return [raw.problem(("output",), str(error))]
    problems = []
    for at, reference in found:
        told = _no_such_place(raw, steps, reference)
        if reference.root in {"item", "index"}:
            told = f"{reference} is for a step with `for_each`"
        if told:
            problems.append(raw.problem(("output", *at), told))
    return problems


def _in_circles(raw: RawResource, steps: Mapping[str, StepDocument]) -> list[Problem]:
    try:
        TopologicalSorter({name: sorted(_others_before(step, name)) for name, step in steps.items()}).prepare()
    except CycleError as error:
        way = list(reversed(error.args[1]))
        return [raw.problem(("steps", way[0]), "steps wait for each other: " + " > ".join(way))]
    return []


def _others_before(step: StepDocument, name: str) -> set[str]:
    """As `before`, as far as it can be read; a reference to the step itself is told at its own line."""
    try:
        return (before(step) - {name}) | set(step.after)
    except ValueError:
        return set(step.after)


def _circles_of_workflows(raw: RawResource, names: Names) -> Iterator[Problem]:
    """Missions that would begin missions of their own kind without end."""
    for name, fields in raw.fields["steps"].items():
        begun = fields.get("workflow")
        if begun is not None and raw.name in {begun, *_below(begun, names.workflows)}:
            told = f"workflow {raw.name!r} would begin itself, by way of {begun!r}"
            yield raw.problem(("steps", name, "workflow"), told)


def _below(workflow: str, begins: Mapping[str, frozenset[str]]) -> set[str]:
    found: set[str] = set()
    left = [workflow]
    while left:
        new = begins.get(left.pop(), frozenset()) - found
        found |= new
        left += new
    return found


def _no_skill(raw: RawResource, at: Path, skill: str, names: Names) -> list[Problem]:
    if skill in names.skills:
        return []
    return [raw.problem(at, f"no production agent offers the skill {skill!r}{suggestion(skill, names.skills)}")]


def _list(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
