"""`init`, `apply`, `agents`, `tools`: the home, and what is declared in it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.config import Settings


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (init, apply, agents, tools):
        app.command()(command)


def init(
    store: Annotated[
        str,
        typer.Option(
            "--store",
            metavar="URL",
            help="A PostgreSQL database for the record, without a password; or `embedded`: the home's own file.",
        ),
    ] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a new home: keys, store, a budget, and you as its owner. What is there stays."""

    async def work(screen: Screen) -> None:
        from remit.bootstrap import create_home, is_home  # noqa: PLC0415 -- 0.3 s that `--help` does without
        from remit.stores import shown  # noqa: PLC0415 -- as above

        settings = settings_of(home)
        was_there = is_home(replace(settings, store="")) or is_home(settings)
        if store:
            settings = _chosen(settings, store, moves=was_there)
        await create_home(settings)
        vkey = (settings.home / "ledger.vkey").read_text("utf-8").strip()
        made = {"home": str(settings.home), "created": not was_there, "vkey": vkey, "store": shown(settings)}

        def show() -> None:
            screen.say(f"{'Home already there' if was_there else 'New home'}: {settings.home}")
            screen.say(f"Its record stands in {made['store']}.")
            screen.say(f"Its ledger is checked with this key; keep a copy elsewhere: {vkey}")

        screen.result(made, show)

    run(work, as_json=as_json)


def _chosen(settings: Settings, store: str, *, moves: bool) -> Settings:
    """The settings with this store; a home that has a record may only choose a copy of it."""
    from remit.bootstrap import switch_store  # noqa: PLC0415 -- as above
    from remit.stores import EMBEDDED, check_choice  # noqa: PLC0415 -- as above

    if store != EMBEDDED:
        check_choice(store)
    if moves:
        switch_store(settings, store)
    return replace(settings, store="" if store == EMBEDDED else store)


def apply(
    files: Annotated[
        list[Path],
        typer.Option("--file", "-f", metavar="PATH", help="A resource file or a folder of them; repeatable."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Apply resource files, all or none; a bad file is refused with every error at its line."""

    async def work(screen: Screen) -> None:
        from remit.registry.files import read_files, read_prompts  # noqa: PLC0415 -- pydantic: not for `--help`

        read = read_files(files)
        body = {
            "files": [{"name": name, "text": text} for name, text in read],
            "prompts": read_prompts(read),
            "dry_run": dry_run,
        }
        async with connected(settings_of(home)) as api:
            applied = await api.post("/apply", body)
        for warning in applied["warnings"]:
            screen.note(f"warning: {warning}")
        screen.result(applied, lambda: show_applied(screen, applied))

    run(work, as_json=as_json)


def show_applied(screen: Screen, applied: dict[str, Any]) -> None:
    """What changed, resource by resource, with each difference."""
    for change in applied["changes"]:
        screen.say(f"{change['action']:<9}  {change['kind']} {change['name']}  ({change['file']})")
        for difference in change["differences"]:
            screen.say(f"             {difference}")
    for tool in applied["tools"]:
        screen.say(f"tool       {tool}")
    changed = sum(change["action"] != "unchanged" for change in applied["changes"])
    told = "applied" if applied["applied"] else "to apply; nothing was written"
    screen.say(f"{changed} of {len(applied['changes'])} resources {told}.")


def agents(home: Home = None, as_json: AsJson = False) -> None:
    """List every agent version, and the skills that callers get from it."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/agents")
        rows = [
            (a["name"], a["version"], a["stage"], a["autonomy"], ", ".join(a["skills"]), ", ".join(a["tools"]))
            for a in found
        ]
        columns = ("agent", "version", "stage", "autonomy", "skills", "tools")
        screen.result(found, lambda: screen.table(columns, rows))

    run(work, as_json=as_json)


def tools(home: Home = None, as_json: AsJson = False) -> None:
    """List every accepted tool with its tier and the meaning of its arguments."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/tools")
        rows = [
            (t["name"], t["tier"], ", ".join(f"{role}={argument}" for role, argument in t["roles"].items()),
             t["description"].split("\n")[0])
            for t in found
        ]  # fmt: skip
        screen.result(found, lambda: screen.table(("tool", "tier", "roles", "description"), rows))

    run(work, as_json=as_json)
