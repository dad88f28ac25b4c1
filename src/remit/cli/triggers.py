"""`triggers`: what happens outside and what follows from it; what became of events."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput

group = typer.Typer(help="List triggers, show one, see its events, send one.", rich_markup_mode=None)

subscriptions = typer.Typer(help="List what is told to others.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The trigger's name.")]


def add_to(app: typer.Typer) -> None:
    """Add these groups."""
    add_listing(app, "triggers", group, listed)
    app.add_typer(subscriptions, name="subscriptions")


@group.command("list")
def listed(home: Home = None, as_json: AsJson = False) -> None:
    """List every trigger: how its events come, what follows, and how it goes."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/triggers")
        rows = [(t["name"], _comes(t), _follows(t), _goes(t), _counts(t)) for t in found]
        columns = ("trigger", "on", "then", "state", "since the start")
        screen.result(found, lambda: screen.table(columns, rows))

    run(work, as_json=as_json)


@group.command()
def show(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Show what a trigger reads from an event, and what follows."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get(f"/triggers/{name}")

        def told() -> None:
            screen.say(f"{name}: on {_comes(found)}, then {_follows(found)}; {_goes(found)}")
            for label, key in (("when", "when"), ("id from", "id"), ("told", "confidentiality")):
                if found[key]:
                    screen.say(f"{label}: {found[key]}")
            screen.say(f"verified: {', '.join(found['verified']) or 'nothing, so no value of it is trusted'}")
            rows = [(place, json.dumps(value, ensure_ascii=False)) for place, value in found["inputs"].items()]
            if rows:
                screen.table(("input", "value"), rows)

        screen.result(found, told)

    run(work, as_json=as_json)


@group.command()
def events(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at the most.")] = 100,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List what became of a trigger's events, the newest first."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get(f"/triggers/{name}/events", limit=limit)
        rows = [(e["at"], e["id"], e["fate"], e["duplicates"], ", ".join(e["missions"]) or e["reason"]) for e in found]
        columns = ("at", "event", "fate", "again", "mission or reason")
        screen.result(found, lambda: screen.table(columns, rows, right=("again",)))

    run(work, as_json=as_json)


@group.command()
def send(
    name: Name,
    event: Annotated[str, typer.Option("--id", help="The event's id; an id is taken once.")],
    body: Annotated[
        Path | None, typer.Option("--body", metavar="FILE", help="JSON of what it says; nothing where not given.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Send an event to a trigger with `on: api`."""

    async def work(screen: Screen) -> None:
        said = _read(body) if body is not None else None
        async with connected(settings_of(home)) as api:
            found = await api.post("/events", {"trigger": name, "id": event, "body": said})
        missions = ", ".join(found["missions"]) or "no mission"
        screen.result(found, lambda: screen.say(f"{event}: {found['fate']} ({missions})"))

    run(work, as_json=as_json)


@group.command()
def tell(
    mission: Annotated[str, typer.Argument(metavar="MISSION", help="The mission that waits.")],
    name: Annotated[str, typer.Argument(metavar="EVENT", help="The name under which it waits.")],
    event: Annotated[str, typer.Option("--id", help="The event's id; an id is taken once.")],
    body: Annotated[
        Path | None, typer.Option("--body", metavar="FILE", help="JSON of what it says; nothing where not given.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell a mission of yours that what it waits for has happened; `remit watch MISSION` drives it on."""

    async def work(screen: Screen) -> None:
        said = _read(body) if body is not None else None
        async with connected(settings_of(home)) as api:
            found = await api.post("/events", {"mission": mission, "name": name, "id": event, "body": said})
        screen.result(found, lambda: screen.say(f"{event}: {found['fate']}"))

    run(work, as_json=as_json)


@subscriptions.callback(invoke_without_command=True)
def _subscriptions(home: Home = None, as_json: AsJson = False) -> None:
    """List every subscription: what it tells whom, how far it is, and how it goes."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/subscriptions")
        rows = [(s["name"], ", ".join(s["events"]), s["url"], _goes(s), s["behind"]) for s in found]
        columns = ("subscription", "events", "to", "state", "entries behind")
        screen.result(found, lambda: screen.table(columns, rows, right=("entries behind",)))

    run(work, as_json=as_json)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} is no file of JSON: {type(error).__name__}.") from None


def _comes(trigger: dict[str, Any]) -> str:
    return f"POST {trigger['path']}" if trigger["path"] else str(trigger["on"])


def _follows(trigger: dict[str, Any]) -> str:
    if trigger["submit"]:
        return f"submit {trigger['submit']} for {trigger['principal']}"
    return f"deliver {trigger['deliver']}"


def _goes(trigger: dict[str, Any]) -> str:
    if not trigger["active"]:
        return "not active"
    connection = trigger["connection"]
    if connection is None:
        return "active"
    return f"{connection['state']}: {connection['reason']}" if connection["reason"] else str(connection["state"])


def _counts(trigger: dict[str, Any]) -> str:
    counts = [f"{count} {fate}" for fate, count in trigger["fates"].items()]
    if trigger["forged"]:
        counts.append(f"{trigger['forged']} not authentic")
    return ", ".join(counts)
