"""`workflows`: list them, show one, check one before it runs, draw one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import Client, connected, settings_of
from remit.cli.drawing import dot, lines, mermaid
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidResource

group = typer.Typer(help="List workflows, show, check and draw them.", rich_markup_mode=None)


class Format(StrEnum):
    """How a workflow is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]
FileOrName = Annotated[str, typer.Argument(metavar="FILE|NAME", help="A resource file, a folder of them, or a name.")]


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    add_listing(app, "workflows", group, listed)


@group.command("list")
def listed(home: Home = None, as_json: AsJson = False) -> None:
    """List every workflow that was applied."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/workflows")
        rows = [
            (w["name"], w.get("start") or f"{len(w.get('steps') or {})} steps", ", ".join(w.get("tools", [])),
             w.get("description", ""))
            for w in found
        ]  # fmt: skip
        screen.result(found, lambda: screen.table(("workflow", "begins with", "tools", "description"), rows))

    run(work, as_json=as_json)


@group.command()
def show(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Show one workflow: its bounds, its inputs and its steps."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get(f"/workflows/{name}")

        def told() -> None:
            screen.say(f"{found['name']}: {found['description']}".rstrip(": "))
            budget = found["budget"]
            screen.say(f"  at most {budget['amount']} {budget['currency']} and {found['deadline_hours']} hours")
            screen.say(f"  tools: {', '.join(found['tools']) or 'none'}")
            screen.say(f"  inputs: {', '.join(found['inputs'].get('properties', {})) or 'any'}")
            _draw(screen, found["steps"])

        screen.result(found, told)

    run(work, as_json=as_json)


@group.command()
def check(what: FileOrName, home: Home = None, as_json: AsJson = False) -> None:
    """Find what would go wrong before it runs; nothing is applied.

    Cycles, references to nothing, missing skills, tools and workflows, conditions that do not type-check, inputs and
    outputs that do not fit their schemas, tools that were not given, steps that are never reached.
    """

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            if (files := _files(what)) is not None:
                found = await api.post("/workflows/check", files)
            else:
                found = await api.get(f"/workflows/{what}/check")
        for warning in found["warnings"]:
            screen.note(f"warning: {warning}")
        if found["errors"]:
            raise InvalidResource("\n".join(found["errors"]))
        names = ", ".join(found["workflows"]) or "no workflow"
        screen.result(found, lambda: screen.say(f"{names}: nothing is wrong."))

    run(work, as_json=as_json)


@group.command()
def draw(
    what: FileOrName,
    mission: Annotated[str, typer.Option("--mission", metavar="ID", help="Where this mission's steps stand.")] = "",
    form: Annotated[Format, typer.Option("--format", help="How it is drawn.")] = Format.TEXT,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Draw a workflow's steps and what each waits for."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await _graph(api, what, mission)
        steps = found["steps"]

        def told() -> None:
            if form is Format.TEXT:
                _draw(screen, steps)
            else:
                screen.say(mermaid(steps) if form is Format.MERMAID else dot(steps))

        screen.result(found, told)

    run(work, as_json=as_json)


async def _graph(api: Client, what: str, mission: str) -> Any:
    files = None if mission else _files(what)
    if files is not None:
        return await api.post("/workflows/graph", {"files": files["files"]})
    return await api.get(f"/workflows/{what}/graph", mission=mission)


def _files(what: str) -> dict[str, Any] | None:
    """The files that a path leads to; None where there is no such path, so that it is a name."""
    if not Path(what).exists():
        return None
    from remit.registry.files import read_files, read_prompts  # noqa: PLC0415 -- pydantic: not for `--help`

    read = read_files([what])
    return {"files": [{"name": name, "text": text} for name, text in read], "prompts": read_prompts(read)}


def _draw(screen: Screen, steps: Any) -> None:
    for line, colour in lines(steps):
        screen.say(line, style=colour)
