"""`doctor`: whether the home is in order, and what could go around the door."""

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.connect import inherited
from remit.cli.exits import Exits
from remit.cli.network_rules import Form, rules_for
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.config import environment
from remit.errors import InvalidInput

group = typer.Typer(rich_markup_mode=None)

#: `remit connect` puts its own in the place of these.
_REPLACED = frozenset({"OPENAI_API_KEY", "OPENAI_BASE_URL"})
_COLUMNS = ("way", "state", "finding", "why it matters", "what closes it")


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="doctor")


@group.callback(invoke_without_command=True)
def _examine(context: typer.Context, home: Home = None, as_json: AsJson = False) -> None:
    """Look whether the home is in order, and say what to do about the rest; exit code 1 where something is not."""
    if context.invoked_subcommand is not None:
        return

    async def work(screen: Screen) -> Exits:
        async with connected(settings_of(home)) as api:
            found = await api.get("/doctor")
        rows = [(check["check"], "ok" if check["ok"] else "not ok", check["detail"]) for check in found["checks"]]
        screen.result(found, lambda: screen.table(("check", "state", "finding"), rows))
        return Exits.FINE if found["ok"] else Exits.REFUSED

    run(work, as_json=as_json)


@group.command()
def egress(
    agent: Annotated[
        str, typer.Option("--agent", metavar="NAME", help="Look at what `remit connect` runs as this agent now.")
    ] = "",
    pid: Annotated[
        int, typer.Option("--pid", metavar="NUMBER", help="Look at this process, and at those that it started.")
    ] = 0,
    network_policy: Annotated[
        bool,
        typer.Option("--network-policy", help="Print rules that leave an agent only the door, and look at nothing."),
    ] = False,
    form: Annotated[Form | None, typer.Option("--form", help="Which rules to print; all where not given.")] = None,
    door: Annotated[
        str, typer.Option("--door", metavar="HOST:PORT", help="Where the door is, for the rules.")
    ] = "127.0.0.1:8321",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what could go around the door, why it matters, and what closes it; exit code 1 where a way is open.

    Only what stands here is looked at: nothing is sent anywhere, and of a secret only its name is told. Without --agent
    or --pid it is what an agent would find that is started here, by you.
    """

    async def rules(screen: Screen) -> None:
        texts = rules_for(door, form)
        screen.result(texts, lambda: screen.say("\n".join(texts.values()).rstrip()))

    async def work(screen: Screen) -> Exits:
        settings = settings_of(home)
        async with connected(settings) as api:
            found = await api.get("/doctor/egress")
        ways = [*found["ways"], *_surroundings(agent, pid, found, settings.home)]
        fine = all(way["state"] != "open" for way in ways)
        rows = [(way["way"], way["state"], way["finding"], way["why"], way["closes"]) for way in ways]
        screen.result({"ok": fine, "ways": ways}, lambda: screen.table(_COLUMNS, rows))
        return Exits.FINE if fine else Exits.REFUSED

    run(rules if network_policy else work, as_json=as_json)


def _surroundings(agent: str, pid: int, found: dict[str, Any], home: Path) -> list[dict[str, str]]:
    # Not for `--help`.
    from remit.adapters.surroundings import agents_of, around, beside  # noqa: PLC0415 -- as said

    refs, door = found["credentials"], found["door"]
    if not agent and not pid:
        names = inherited(environment()).keys() - _REPLACED
        return [way.to_json() for way in around(names, refs, home=home, folder=Path.cwd())]
    pids = [pid] if pid else agents_of(agent)
    if not pids:
        raise InvalidInput(f"`remit connect` runs no agent {agent!r} here now.", hint="Name a process with --pid.")
    return [way.to_json() for one in pids for way in beside(one, refs, door, home=home)]
