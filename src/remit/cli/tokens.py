"""`token`: leave for an agent outside, for minutes; and taking it away."""

import re
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput

group = typer.Typer(help="Let an agent outside act for someone.", rich_markup_mode=None)

_LIFE = re.compile(r"(\d{1,6})(s|m|)")


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="token")


@group.callback(invoke_without_command=True)
def _issue(
    context: typer.Context,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent, NAME or NAME@VERSION.")] = "",
    principal: Annotated[
        str, typer.Option("--for", metavar="PRINCIPAL", help="The person for whom it acts; you, where not given.")
    ] = "",
    mission: Annotated[str, typer.Option("--mission", metavar="ID", help="A mission of that person.")] = "",
    ttl: Annotated[str, typer.Option("--ttl", metavar="TIME", help="How long it lives: 5m to 15m.")] = "10m",
    skills: Annotated[
        list[str] | None, typer.Option("--skill", help="A skill that it is for; repeatable. All where not given.")
    ] = None,
    tools: Annotated[
        list[str] | None, typer.Option("--tool", help="A pattern of tools; repeatable. All where not given.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print a bearer token with which an agent acts for someone, for some minutes.

    It is for clients that cannot sign, on this machine: whoever reads it can use it until it ends.
    """
    if context.invoked_subcommand is not None:
        return

    async def work(screen: Screen) -> None:
        if not agent:
            raise InvalidInput("Name the agent with --agent, or give a command: list, revoke, rotate.")
        body: dict[str, Any] = {"agent": agent, "for": principal, "seconds": _seconds(ttl)}
        body |= {"mission": mission or None, "skills": skills or None, "tools": tools or None}
        async with connected(settings_of(home)) as api:
            issued = await api.post("/tokens", body)

        def told() -> None:
            screen.say(issued["token"])
            screen.note(f"{issued['id']}: {' > '.join(issued['chain'])}, until {issued['expires_at']}")

        screen.result(issued, told)

    run(work, as_json=as_json)


@group.command("list")
def listed(
    revoked: Annotated[bool, typer.Option("--revoked", help="What was revoked and may still matter.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the tokens that live; their texts are kept nowhere."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/tokens/revoked" if revoked else "/tokens")
        columns: tuple[str, ...] = ("id", "agent", "principal", "mission", "signed", "expires_at")
        if revoked:
            columns = ("scope", "reason", "by", "at")
        rows = [tuple({True: "yes", False: "no"}.get(one[name], one[name]) for name in columns) for one in found]
        screen.result(found, lambda: screen.table(columns, rows))

    run(work, as_json=as_json)


@group.command()
def revoke(
    scope: Annotated[
        str, typer.Argument(help="token/ID, agent/NAME[@VERSION], principal/ID or key/ID.", show_default=False)
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; shown in the list of what was revoked.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a token, or all tokens so far of an agent, a person or a key, within a second."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            gone = await api.delete("/tokens", scope=scope, reason=reason)
        screen.result(gone, lambda: screen.say(f"{scope} is revoked."))

    run(work, as_json=as_json)


@group.command()
def rotate(home: Home = None, as_json: AsJson = False) -> None:
    """Sign new tokens with a new key; tokens of the old one are taken until they end."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            made = await api.post("/tokens/rotate")
        screen.result(made, lambda: screen.say(f"Key {made['epoch']} signs from now on: {made['key']}"))

    run(work, as_json=as_json)


def _seconds(ttl: str) -> int:
    found = _LIFE.fullmatch(ttl)
    if found is None:
        raise InvalidInput(f"{ttl!r} is no time to live: write 10m or 600s.")
    return int(found[1]) * (60 if found[2] == "m" else 1)
