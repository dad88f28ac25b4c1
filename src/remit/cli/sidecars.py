"""`sidecar`: the door beside an agent; `sidecars`: enrolling them, and looking at what they did."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from remit.cli.client import connected, settings_of
from remit.cli.connect import run_agent
from remit.cli.exits import Exits
from remit.cli.explain import dollars
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput
from remit.quantities import Money

if TYPE_CHECKING:
    from remit.config import Settings

group = typer.Typer(help="Doors beside agents: enrol, list, remove, look.", rich_markup_mode=None)

_AGE = re.compile(r"([1-9]\d{0,5})(s|m|h)")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_AGE_SECONDS_MAX = 86_400
_LISTEN = re.compile(r"(?:127\.0\.0\.1|localhost):(\d{1,5})")

Ident = Annotated[str, typer.Argument(metavar="ID", help="As `remit sidecars list` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(context_settings={"ignore_unknown_options": True})(sidecar)
    add_listing(app, "sidecars", group, listed)


def sidecar(
    control: Annotated[
        str, typer.Option("--control", metavar="URL", help="The control plane; https beyond this machine.")
    ],
    token_file: Annotated[
        Path, typer.Option("--token-file", metavar="FILE", help="What `remit sidecars enrol` wrote.", dir_okay=False)
    ],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND...", help="The agent's program and arguments.")
    ] = None,
    policy_age_max: Annotated[
        str, typer.Option("--policy-age-max", metavar="TIME", help="No call by a policy older than this: 1s to 24h.")
    ] = "5m",
    record_max: Annotated[
        int, typer.Option("--record-max", min=1, max=10_000_000, help="How many entries may wait to be sent on.")
    ] = 10_000,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="127.0.0.1:PORT", help="Where the agent comes in; port 0 takes a free one."),
    ] = "127.0.0.1:0",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole door beside an agent, by the policies that the control plane pushes.

    Calls to tools and models are decided, held, recorded and made here; only policies, budget in slices and the record
    cross the network. The agent is told where the door is by REMIT_MCP_URL, OPENAI_BASE_URL and OPENAI_API_KEY: in its
    environment where a command is given, and in HOME/agent.env.
    """

    async def work(screen: Screen) -> int:
        given = _Given(control, token_file, _age(policy_age_max), record_max, _port(listen), command or [])
        return await _served(given, settings_of(home), screen)

    run(work, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Given:
    """What `remit sidecar` was called with."""

    control: str
    token_file: Path
    age_seconds: float
    record_max: int
    port: int
    command: list[str]


async def _served(given: _Given, settings: "Settings", screen: Screen) -> int:
    """Open the sidecar's home and serve its agent; the agent's exit code."""
    # The server and all adapters: not for `--help`.
    from remit.adapters.system import SystemClock  # noqa: PLC0415 -- as above
    from remit.api.serve_beside import ENV_FILE, serve_beside  # noqa: PLC0415 -- as above
    from remit.bootstrap import open_sidecar, quiet_collector  # noqa: PLC0415 -- as above
    from remit.control_plane import closing  # noqa: PLC0415 -- as above

    plane, companion = await open_sidecar(
        settings,
        given.control,
        _read(given.token_file),
        policy_age_seconds=given.age_seconds,
        record_max=given.record_max,
    )
    beside = companion.beside

    def ready(address: str) -> None:
        serial = beside.known.serial if beside.known else 0
        told = {"address": address, "agent": beside.bundle["agent"], "principal": beside.bundle["principal"]}
        told |= {"id": beside.enrolment.id, "serial": serial, "env_file": str(settings.home / ENV_FILE)}
        line = f"{told['agent']} acts for {told['principal']} beside the door at {address}, policy {serial}"
        if given.command:
            screen.note(line)
        else:
            screen.result(told, lambda: screen.say(line))

    async def agent(addresses: Mapping[str, str]) -> int:
        return await run_agent(given.command, addresses)

    try:
        async with closing(plane):
            quiet_collector()
            work = agent if given.command else None
            code = await serve_beside(plane, companion, SystemClock(), port=given.port, ready=ready, work=work)
    finally:
        await beside.link.close()
    if waiting := companion.sending.waiting:
        screen.note(f"{waiting} entries wait in the home; they are sent on at the next start")
    return code


@group.command()
def enrol(
    name: Annotated[str, typer.Argument(help="What people call it, such as the machine's name.")],
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent, whose `run` is `connected`.")],
    token_file: Annotated[
        Path, typer.Option("--token-file", metavar="FILE", help="Where to write what it starts with.")
    ],
    principal: Annotated[
        str, typer.Option("--for", metavar="PRINCIPAL", help="The person for whom it acts; you, where not given.")
    ] = "",
    slice_usd: Annotated[
        str, typer.Option("--slice", metavar="USD", help="How much it holds unspent at a time.")
    ] = "1.00",
    budget: Annotated[str, typer.Option("--budget", metavar="USD", help="The most that it may ever spend.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a sidecar and write its token file: bring that to its machine, and nowhere else."""

    async def work(screen: Screen) -> None:
        body = {"name": name, "agent": agent, "for": principal, "slice_usd_micros": _micros(slice_usd)}
        body |= {"budget_usd_micros": _micros(budget) if budget else None}
        async with connected(settings_of(home)) as api:
            with _new_file(token_file) as file:
                enrolled = await api.post("/sidecars", body)
                json.dump({key: enrolled[key] for key in ("id", "name", "token", "vkey")}, file)
        told = {key: enrolled[key] for key in ("id", "name", "agent", "principal")} | {"token_file": str(token_file)}
        screen.result(told, lambda: screen.say(f"{told['id']} is enrolled; it starts with {token_file}"))

    run(work, as_json=as_json)


@group.command("list")
def listed(home: Home = None, as_json: AsJson = False) -> None:
    """List sidecars: the policy that each was given, what it spent and holds, and how far its record has come."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/sidecars")
        columns = ("id", "name", "agent", "for", "policy", "entries", "USD used", "USD held", "heard")
        rows = [
            (one["id"], one["name"], one["agent"], one["principal"], one["serial"], one["entries"],
             dollars(one["used_usd_micros"]), dollars(one["held_usd_micros"]), one["heard_at"])
            for one in found
        ]  # fmt: skip
        screen.result(found, lambda: screen.table(columns, rows, right=("policy", "entries", "USD used", "USD held")))

    run(work, as_json=as_json)


@group.command()
def remove(ident: Ident, home: Home = None, as_json: AsJson = False) -> None:
    """Know a sidecar no more: it refuses every call, and what it still holds counts as spent. Its record stays."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            gone = await api.delete(f"/sidecars/{ident}")
        lost = gone["written_off_usd_micros"]
        screen.result(gone, lambda: screen.say(f"{ident} is removed; {dollars(lost)} USD that it held count as spent."))

    run(work, as_json=as_json)


@group.command()
def record(
    ident: Ident,
    mission: Annotated[str, typer.Option("--mission", metavar="ID", help="Only this mission and its steps.")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check it against its chain and its seals.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write it for `remit ledger verify FILE`.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many entries.")] = 200,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show, verify or export what a sidecar wrote and sent on."""

    async def work(screen: Screen) -> Exits | None:
        async with connected(settings_of(home)) as api:
            if export is not None:
                export.write_bytes(await api.get_bytes(f"/sidecars/{ident}/export"))
                screen.result({"file": str(export)}, lambda: screen.say(f"Written to {export}"))
                return None
            if verify:
                verdict = await api.get(f"/sidecars/{ident}/verify")
                told = "fits its chain and its seals" if verdict["ok"] else f"was touched: {verdict['first_bad']}"
                screen.result(verdict, lambda: screen.say(f"The record of {ident} {told}."))
                return None if verdict["ok"] else Exits.UNVERIFIED
            found = await api.get(f"/sidecars/{ident}/record", mission=mission, limit=limit)
        rows = [(one["idx"], one["at"], one["kind"], one["entry"], one["actor"]) for one in found]
        screen.result(found, lambda: screen.table(("idx", "at", "kind", "entry", "actor"), rows, right=("idx",)))
        return None

    run(work, as_json=as_json)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A file that nobody else may read; gone again where nothing came of it."""
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be made: {error.strerror}.", hint="Name a file that is not there."
        ) from error
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read.") from error


def _age(text: str) -> float:
    found = _AGE.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= _AGE_SECONDS_MAX:
        raise InvalidInput(f"{text!r} is no age for a policy: write 30s, 5m or 1h, at most 24h.")
    return float(seconds)


def _port(text: str) -> int:
    found = _LISTEN.fullmatch(text)
    if found is None or int(found[1]) > 65_535:
        raise InvalidInput(
            f"{text!r} is no place to listen.", hint="Write 127.0.0.1:PORT: the agent stands on this machine."
        )
    return int(found[1])


def _micros(usd: str) -> int:
    try:
        return Money.of(usd, "USD").micros
    except ValueError as error:
        raise InvalidInput(f"{usd!r} is no amount in US dollars, such as 2.50.") from error
