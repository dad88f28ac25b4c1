"""Workflows written in Python: the same document as a file holds, checked and applied in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from remit.resources import API_VERSION


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference under way: `ref.price` and `ref[0]` lead on from it, and its text is what stands in the file."""

    _path: str

    def __getattr__(self, name: str) -> "Ref":
        """What stands under this name."""
        return Ref(f"{self._path}.{name}")

    def __getitem__(self, place: int) -> "Ref":
        """What stands at this place of a list."""
        return Ref(f"{self._path}[{place}]")

    @property
    def optional(self) -> "Ref":
        """The same, where nothing may stand there."""
        return Ref(f"{self._path}?")

    def __str__(self) -> str:
        return f"${{{self._path}}}"


@dataclass(frozen=True, slots=True)
class StepRef:
    """A step that was written; others refer to it, or come after it."""

    name: str

    @property
    def output(self) -> Ref:
        """What it gives."""
        return Ref(f"steps.{self.name}.output")

    @property
    def status(self) -> Ref:
        """How it ended."""
        return Ref(f"steps.{self.name}.status")


class WorkflowBuilder:
    """Collects the steps of one workflow; further fields of a step are those of a file (`retry=`, `when=`, ...)."""

    def __init__(
        self,
        name: str,
        *,
        budget: str,
        inputs: Mapping[str, Any] | None = None,
        tools: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        amount, _, currency = budget.partition(" ")
        self._fields = {
            "name": name,
            "budget": {"amount": amount, "currency": currency or "USD"},
            "tools": list(tools),
            "inputs": {"type": "object", "properties": dict(inputs or {}), "required": sorted(inputs or {})},
            **fields,
        }
        self._steps: dict[str, dict[str, Any]] = {}
        self.inputs = Ref("inputs")
        self.item = Ref("item")

    def skill(self, name: str, skill: str, given: Mapping[str, Any] | None = None, **fields: Any) -> StepRef:
        """A step for a skill."""
        return self._add(name, {"skill": skill, "with": dict(given or {})}, fields)

    def tool(self, name: str, tool: str, given: Mapping[str, Any] | None = None, **fields: Any) -> StepRef:
        """One call of a tool."""
        return self._add(name, {"tool": tool, "with": dict(given or {})}, fields)

    def workflow(self, name: str, workflow: str, given: Mapping[str, Any] | None = None, **fields: Any) -> StepRef:
        """A mission of its own."""
        return self._add(name, {"workflow": workflow, "with": dict(given or {})}, fields)

    def question(self, name: str, *, title: str, after: Sequence[StepRef] = (), **fields: Any) -> StepRef:
        """A question to a person."""
        return self._add(name, {"question": {"title": title, **fields}}, {"after": after})

    def timer(self, name: str, time: str, **fields: Any) -> StepRef:
        """A wait, such as `24h`."""
        return self._add(name, {"timer": time}, fields)

    def event(self, name: str, event: str, match: Mapping[str, Any] | None = None, **fields: Any) -> StepRef:
        """A wait for an outside event."""
        return self._add(name, {"event": {"name": event, "match": dict(match or {})}}, fields)

    def output(self, template: Any) -> None:
        """What the mission gives."""
        self._fields["output"] = _plain(template)

    def document(self) -> dict[str, Any]:
        """The resource as a file would hold it."""
        return {"apiVersion": API_VERSION, "kind": "Workflow", **self._fields, "steps": self._steps}

    def yaml(self) -> str:
        """The file's text."""
        text: str = yaml.safe_dump(self.document(), sort_keys=False, allow_unicode=True, width=110)
        return text

    def _add(self, name: str, kind: Mapping[str, Any], fields: Mapping[str, Any]) -> StepRef:
        if name in self._steps:
            raise ValueError(f"step {name!r} stands there already")
        step = {**kind, **fields}
        if "after" in step:
            step["after"] = [one.name if isinstance(one, StepRef) else one for one in step["after"]]
        self._steps[name] = {key: _plain(value) for key, value in step.items() if value not in ((), [], {}, None)}
        return StepRef(name)


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
