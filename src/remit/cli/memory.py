"""`memory`: what agents keep beyond a mission's steps; `state`: what a step keeps over its attempts."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput

memory = typer.Typer(help="List, show and erase what agents remember.", rich_markup_mode=None)
state = typer.Typer(
    help="Show what a mission's steps keep, or go back to it.", no_args_is_help=True, rich_markup_mode=None
)

Scope = Annotated[str, typer.Argument(help="mission/ID, agent/NAME, person/NAME or tenant/NAME.", show_default=False)]
Person = Annotated[str, typer.Option("--person", metavar="NAME", help="The memory of this person.")]


def add_to(app: typer.Typer) -> None:
    """Add these groups."""
    add_listing(app, "memory", memory, list_scopes)
    app.add_typer(state, name="state")


@state.callback()
def _state(home: Home = None) -> None:
    """Show what a mission's steps keep, or go back to it."""


@memory.command("list")
def list_scopes(home: Home = None, as_json: AsJson = False) -> None:
    """List the scopes that you see, with how much stands in each."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/memory")
        rows = [(one["scope"], one["notes"], one["bytes"], _held(one)) for one in found]
        columns = ("scope", "notes", "bytes", "legal hold")
        screen.result(found, lambda: screen.table(columns, rows, right=("notes", "bytes")))

    run(work, as_json=as_json)


@memory.command()
def show(
    scope: Scope = "",
    person: Person = "",
    text: Annotated[str, typer.Option("--text", help="Only notes that hold these words, the best first.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the notes of a scope."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            shown = await api.get("/memory/notes", scope=_scope(scope, person), text=text)

        def told() -> None:
            rows = [
                (n["key"], _short(n["value"]), "yes" if n["trusted"] else "no", n["by"], n["at"], n["expires_at"])
                for n in shown["found"]
            ]
            screen.table(("key", "value", "trusted", "by", "at", "until"), rows)

        screen.result(shown, told)

    run(work, as_json=as_json)


@memory.command()
def erase(
    scope: Scope = "",
    person: Person = "",
    basis: Annotated[str, typer.Option("--basis", help="Who asked for it, or which rule does; on record.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Erase a scope for good: its key is destroyed, and copies of the store become unreadable, too."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            gone = await api.delete("/memory", scope=_scope(scope, person), basis=basis)
        screen.result(gone, lambda: screen.say(f"{gone['erased']} notes of {gone['scope']} are gone for good."))

    run(work, as_json=as_json)


@memory.command()
def hold(
    scope: Scope = "",
    person: Person = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; shown to whoever would erase.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Put a scope under legal hold: nothing in it is erased, by nobody and by no lapse of time."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            held = await api.post("/memory/holds", {"scope": _scope(scope, person), "reason": reason})
        screen.result(held, lambda: screen.say(f"{held['scope']} is held until `remit memory release`."))

    run(work, as_json=as_json)


@memory.command()
def release(scope: Scope = "", person: Person = "", home: Home = None, as_json: AsJson = False) -> None:
    """End a legal hold."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            free = await api.delete("/memory/holds", scope=_scope(scope, person))
        screen.result(free, lambda: screen.say(f"{free['scope']} is held no more."))

    run(work, as_json=as_json)


@state.command("show")
def show_state(
    mission: Annotated[str, typer.Argument(help="The mission's id.", show_default=False)],
    step: Annotated[str, typer.Option("--step", metavar="NAME", help="Only this step's.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what each step of a mission keeps: goal, slices and log."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            shown = await api.get(f"/missions/{mission}/state", step=step)

        def told() -> None:
            for one in shown:
                _tell(screen, one)
            if not shown:
                screen.say(f"No step of {mission} keeps a working state.")

        screen.result(shown, told)

    run(work, as_json=as_json)


@state.command()
def rewind(
    mission: Annotated[str, typer.Argument(help="The mission's id.", show_default=False)],
    step: Annotated[str, typer.Argument(help="The step.", show_default=False)],
    seq: Annotated[int, typer.Argument(help="The snapshot's number.", min=1, show_default=False)],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Have a step's next read find an earlier snapshot; what came after stays on record."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            back = await api.post(f"/missions/{mission}/state/{step}/rewind", {"seq": seq})
        screen.result(back, lambda: screen.say(f"{step} goes on from snapshot {seq}, now number {back['seq']}."))

    run(work, as_json=as_json)


def _scope(scope: str, person: str) -> str:
    if bool(scope) == bool(person):
        raise InvalidInput("Name a SCOPE, or give --person NAME.")
    return scope or f"person/{person}"


def _held(listed: Mapping[str, Any]) -> str:
    hold = listed["hold"]
    return f"{hold['by']}: {hold['reason']}" if hold else ""


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _tell(screen: Screen, one: Mapping[str, Any]) -> None:
    changed = "; policies have changed since" if one["policy_changed"] else ""
    screen.say(f"{one['step']}: snapshot {one['seq']} of {one['saved_at']} by {one['agent']}{changed}")
    screen.say(f"  goal: {_short(one['goal'])}")
    for name, value in sorted(one["tools"].items()):
        screen.say(f"  {name}: {_short(value)}")
    for reflection in one["reflections"][-10:]:
        screen.say(f"  - {_short(reflection)}")
