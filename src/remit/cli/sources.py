"""`sources`: how sources of tools are, and `sources add`: import one, with tiers and roles to look at."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import Client, connected, settings_of
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.resources import show_applied
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput

group = typer.Typer(help="How sources of tools are; import a new one.", rich_markup_mode=None)

_SQLITE = "sqlite:///"
#: Written in place of the address, where the credential is the whole of it.
_DIALECTS = ("sqlite", "postgres", "mysql")
#: What the states of a breaker mean to someone who has never heard of one.
_IN_WORDS = {"closed": "in use", "open": "rests", "half-open": "is tried again"}


class Form(StrEnum):
    """What a source can be."""

    MCP = "mcp"
    OPENAPI = "openapi"
    SQL = "sql"
    SOAP = "soap"
    A2A = "a2a"
    PYTHON = "python"


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    add_listing(app, "sources", group, listed)


@group.command("list")
def listed(home: Home = None, as_json: AsJson = False) -> None:
    """List every source: its form, its tools, and how it has answered of late."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/sources")
        rows = [(s["name"], s["form"], s["tools"], _IN_WORDS[s["state"]], s["failures"], s["waiting"]) for s in found]
        columns = ("source", "form", "tools", "state", "failures", "waiting")
        screen.result(found, lambda: screen.table(columns, rows, right=("tools", "failures", "waiting")))

    run(work, as_json=as_json)


@group.command()
def add(
    form: Annotated[Form, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="First part of its tools' names.")],
    place: Annotated[
        str,
        typer.Argument(help="Its address, document, WSDL, card, module or database; for `mcp` also a command line."),
    ],
    credential: Annotated[str, typer.Option(help="Where its secret stands: `env:NAME`, `file:PATH`, ...")] = "",
    certificate: Annotated[
        str, typer.Option(metavar="FILE", help="A client certificate that it is shown (mutual TLS); with --key.")
    ] = "",
    key: Annotated[str, typer.Option(metavar="FILE", help="The certificate's private key.")] = "",
    variable: Annotated[
        str, typer.Option(metavar="NAME", help="In which variable a command of `mcp` receives that secret.")
    ] = "",
    allow: Annotated[
        list[str] | None, typer.Option(help="An address or host that is not public and may be reached; repeatable.")
    ] = None,
    ca: Annotated[
        str, typer.Option(metavar="FILE", help="The authority of its certificate, where no public one.")
    ] = "",
    env: Annotated[
        list[str] | None, typer.Option(help="A variable that the command of `mcp` receives; repeatable.")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="For `sql`: only this TABLE, or of it only TABLE=COLUMN,COLUMN; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the YAML here.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Apply it as it is proposed.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask a source what it offers, and propose tiers and roles: a table to look at, and the YAML to keep.

    A database is connected to and looked at: typed queries are proposed for each table that its account may read.
    Nothing is applied without --accept. A tool whose name does not tell what it does is proposed as critical.
    """

    async def work(screen: Screen) -> None:
        source = _fields(form, name, place)
        tables = dict(_table(text) for text in table or ())
        if tables and form is not Form.SQL:
            raise InvalidInput("--table is for `sql`.")
        source |= _credential(credential, variable, certificate, key) | _network(allow or [], ca)
        if env:
            source["env"] = env
        if out is not None and out.exists():
            raise InvalidInput(f"{out} is there already.", hint="Name another file, or move that one away.")
        async with connected(settings_of(home)) as api:
            proposed = await api.post("/sources/propose", {"source": source, "tables": tables})
            applied = await _accepted(api, screen, name, proposed["yaml"]) if accept else None
        if out is not None:
            out.write_text(proposed["yaml"], "utf-8")
        screen.result({**proposed, "applied": applied}, lambda: _show(screen, name, proposed, out, applied))

    run(work, as_json=as_json)


def _credential(ref: str, variable: str, certificate: str, key: str) -> dict[str, Any]:
    if bool(certificate) != bool(key):
        raise InvalidInput("--certificate and --key go together.")
    written: dict[str, Any] = {"ref": ref, **({"as": {"env": variable}} if variable else {})} if ref else {}
    if certificate:
        written["certificate"] = {"file": _of_this_folder(certificate), "key": _of_this_folder(key)}
    return {"credential": written} if written else {}


def _network(allow: list[str], ca: str) -> dict[str, Any]:
    written = {**({"allow": allow} if allow else {}), **({"ca": _of_this_folder(ca)} if ca else {})}
    return {"network": written} if written else {}


async def _accepted(api: Client, screen: Screen, name: str, text: str) -> dict[str, Any]:
    body = {"files": [{"name": f"{name}.yaml", "text": text}], "prompts": {}, "dry_run": False}
    applied: dict[str, Any] = await api.post("/apply", body)
    for warning in applied["warnings"]:
        screen.note(f"warning: {warning}")
    return applied


def _show(
    screen: Screen, name: str, proposed: dict[str, Any], out: Path | None, applied: dict[str, Any] | None
) -> None:
    rows = [
        (tool["name"], tool["tier"], ", ".join(f"{r}={a}" for r, a in tool["roles"].items()), tool["because"])
        for tool in proposed["tools"]
    ]
    if rows:
        screen.table(("tool", "tier", "roles", "because"), rows)
    screen.say()
    for note in proposed["notes"]:
        screen.note(note)
    if applied is not None:
        show_applied(screen, applied)
    elif out is None:
        screen.say(proposed["yaml"].rstrip())
    if out is not None:
        screen.say(f"Written: {out}")
    if applied is None:
        where = out or f"{name}.yaml"
        screen.note(f"Nothing is applied yet. Look at each tier, then: remit apply -f {where}")


def _fields(form: Form, name: str, place: str) -> dict[str, Any]:
    is_address = place.startswith(("http://", "https://"))
    match form:
        case Form.MCP:
            words = [] if is_address else [_of_this_folder(word) for word in shlex.split(place)]
            body: dict[str, Any] = {"url": place} if is_address else {"command": words}
        case Form.OPENAPI:
            body = {"document": _of_this_folder(place)}
        case Form.SQL if place in _DIALECTS:
            body = {"dialect": place}
        case Form.SQL:
            body = {"url": _of_this_folder(place, before=_SQLITE)}
        case Form.SOAP:
            body = {"wsdl": _of_this_folder(place)}
        case Form.A2A:
            body = {"card": place}
        case Form.PYTHON:
            body = {"module": place}
    return {"name": name, form.value: body}


def _of_this_folder(place: str, *, before: str = "") -> str:
    """The place as a full path where it is a file as seen from here: a source is asked from another folder."""
    path = Path(place.removeprefix(before))
    return f"{before}{path.absolute()}" if place.startswith(before) and path.is_file() else place


def _table(text: str) -> tuple[str, list[str]]:
    table, equals, columns = text.partition("=")
    if not table or (equals and not columns):
        raise InvalidInput(f"{text!r} is neither TABLE nor TABLE=COLUMN,COLUMN.")
    return table.strip(), [column.strip() for column in columns.split(",") if column.strip()]
