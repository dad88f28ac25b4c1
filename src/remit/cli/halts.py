"""`halt`: stop now, list what stands still, let it go on."""

from typing import Annotated

import typer

from remit.cli.client import connected, settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(halt)


def halt(
    scope: Annotated[
        str, typer.Argument(help="tenant, agent/NAME[@VERSION], tool/SOURCE__TOOL or mission/ID.", show_default=False)
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; shown to everyone who meets the halt.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List what stands still.")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="Let SCOPE go on.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Stop SCOPE now: no new claim and no new call; what is on its way is still recorded."""

    async def work(screen: Screen) -> None:
        if not listed and not scope:
            raise InvalidInput("Name a SCOPE, or give --list.")
        async with connected(settings_of(home)) as api:
            if listed:
                found = await api.get("/halts")
                rows = [(h["scope"], h["reason"], h["by"], h["at"]) for h in found]
                screen.result(found, lambda: screen.table(("scope", "reason", "by", "at"), rows))
            elif lift:
                lifted = await api.delete("/halts", scope=scope)
                screen.result(lifted, lambda: screen.say(f"{scope} goes on; `remit watch MISSION` drives what waits."))
            else:
                halted = await api.post("/halts", {"scope": scope, "reason": reason})
                screen.result(halted, lambda: screen.say(f"{scope} stands still until `remit halt {scope} --lift`."))

    run(work, as_json=as_json)
