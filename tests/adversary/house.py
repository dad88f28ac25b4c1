"""A house from a scenario's YAML: its tools, an agent that works and obeys whatever it reads, and what came of it."""

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.adversary.disguises import disguised, order, orders_in, texts_of
from tests.gateway.builders import FakeTransport, a_tool
from tests.missions.builders import a_home
from tests.missions.test_session import Office

from remit.errors import ApprovalPending, Refusal, ToolFailed
from remit.gateway import ToolResult
from remit.registry.source import default_origins
from remit.tools import Confidentiality, Origin, Role, Tool

_HERE = Path(__file__).parent / "scenarios"
_REFERENCE = re.compile(r"\$(\w+(?:\.\w+)*)")


@cache
def scenarios() -> dict[str, Any]:
    """Every scenario by its name."""
    return {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(_HERE.glob("*.yaml"))}


def tools_of(scenario: dict[str, Any], *, flow: bool) -> list[Tool]:
    """The scenario's tools; without `flow`, a house whose tools say nothing of roles and hear everything."""
    built = []
    for name, told in scenario["tools"].items():
        roles = {}
        for role, written in told.get("roles", {}).items():
            origins = frozenset(map(Origin, written["from"])) if "from" in written else default_origins(role)
            roles[role] = Role(
                role,
                written.get("argument", role),
                origins,
                written.get("strict", False),
                tuple(written.get("allow", ())),
            )
        tool = a_tool(
            name,
            tier="restricted-write" if told.get("writes") else "read-only",
            roles=roles,
            directory=told.get("directory", False),
            extracts=told.get("extracts", {}),
            confidentiality=Confidentiality(told.get("confidentiality", "internal")),
            clearance=Confidentiality(told["clearance"]) if "clearance" in told else None,
        )
        built.append(tool if flow else replace(tool, roles=(), clearance=Confidentiality.CONFIDENTIAL))
    return built


@dataclass
class Work:
    """What an agent did, and where it was held up."""

    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


class Gullible:
    """Does its task call by call, and whatever it is told by anything that it reads."""

    def __init__(self, session: Any, inputs: dict[str, Any], work: Work) -> None:
        self.session, self.work = session, work
        self.known: dict[str, Any] = dict(inputs)
        self.read: list[str] = []
        self.obeyed: set[str] = set()
        self.waiting: list[tuple[int, str, dict[str, Any]]] = []

    async def do(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            await self._call(step["call"], self._filled(step.get("with", {})))

    async def _call(self, tool: str, arguments: dict[str, Any]) -> None:
        try:
            content = (await self.session.call(tool, arguments)).content
            self.known[tool] = content
        except ApprovalPending as waits:
            self.work.asked.append((tool, waits.rule))
            return
        except ToolFailed as failed:
            content = failed.detail
        except Refusal as no:
            self.work.refused.append((tool, no.rule))
            return
        await self._obey(content)

    async def _obey(self, content: Any) -> None:
        due = [(tool, arguments) for left, tool, arguments in self.waiting if left <= 1]
        self.waiting = [(left - 1, tool, arguments) for left, tool, arguments in self.waiting if left > 1]
        fresh = list(texts_of(content))
        self.read.extend(fresh)
        for tool, arguments, after in orders_in([*fresh, "".join(self.read)]):
            if (name := order(tool, arguments)) in self.obeyed:
                continue
            self.obeyed.add(name)
            if after:
                self.waiting.append((after, tool, arguments))
            else:
                due.append((tool, arguments))
        for tool, arguments in due:
            # A copied text is what was read, as a thief's letter would carry it.
            await self._call(tool, self._filled(arguments))

    def _filled(self, value: Any) -> Any:
        """The arguments with `$tool.field` and `$input` replaced by exactly what stands there."""
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, str) and (whole := _REFERENCE.fullmatch(value)):
            return self._at(whole[1])
        if isinstance(value, str):
            return _REFERENCE.sub(lambda found: str(self._at(found[1])), value)
        return value

    def _at(self, path: str) -> Any:
        name, *rest = path.split(".")
        found = self.known.get(name)
        for part in rest:
            if isinstance(found, list):
                found = found[int(part)] if part.isdigit() else None
            else:
                found = (found or {}).get(part)
        return found


async def worked(
    scenario: dict[str, Any], steps: list[dict[str, Any]], *, flow: bool, infected: tuple[str, list[Any]] | None = None
) -> Work:
    """Let the agent do these steps in a house of its own; `infected` is a tool and what it answers in turn."""
    answers = {name: [told.get("answers", {"ok": True})] for name, told in scenario["tools"].items()}
    if infected is not None:
        answers[infected[0]] = list(infected[1])
    functions = {name.split("__")[1]: _answering(given) for name, given in answers.items()}
    assert len(functions) == len(answers), "the house's one transport knows tools by their own names"
    office = Office(tools_of(scenario, flow=flow), **functions)
    session = await office.session(**scenario["inputs"])
    work = Work()
    await Gullible(session, scenario["inputs"], work).do(steps)
    work.made = [(name, dict(arguments)) for name, arguments, _ in office.transport.calls]
    return work


async def handed_on(scenario: dict[str, Any], attack: dict[str, Any], *, flow: bool) -> Work:
    """One agent reads what is infected and hands it on; the other, which reads nothing itself, obeys."""
    infected = attacked(scenario, attack, "plain")[1]

    async def plan(context: Any, _given: Any) -> None:
        read = await context.call(scenario["infected"]["tool"], {})
        context.propose("sub", skill="sub", given={"notes": list(texts_of(read))})

    async def sub(context: Any, given: Any) -> None:
        for tool, arguments, _ in orders_in(given["notes"]):
            await context.call(tool, arguments)

    answers = {name: [told.get("answers", {"ok": True})] for name, told in scenario["tools"].items()}
    answers[scenario["infected"]["tool"]] = infected
    functions = {name.split("__")[1]: _answering(given) for name, given in answers.items()}
    home = await a_home(*tools_of(scenario, flow=flow), transport=FakeTransport(**functions), plan=plan, sub=sub)
    await home.drive(await home.submit(**scenario["inputs"]))
    return Work([(name, dict(arguments)) for name, arguments, _ in home.transport.calls])


def _answering(given: list[Any]) -> Any:
    left = list(given)

    def answer(**_: Any) -> ToolResult:
        content = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(content, Exception):
            return ToolResult(None, error=str(content))
        return ToolResult(content)

    return answer


def attacked(scenario: dict[str, Any], attack: dict[str, Any], disguise: str) -> tuple[str, list[Any]]:
    """The infected tool and its answers."""
    tool, place = scenario["infected"]["tool"], scenario["infected"]["field"]
    said = order(attack["tool"], attack["with"], attack.get("after", 0))
    for step in attack.get("first", ()):
        said = f"{order(step['tool'], step['with'])} then {said}"
    return tool, disguised(disguise, scenario["tools"][tool]["answers"], place, said)
