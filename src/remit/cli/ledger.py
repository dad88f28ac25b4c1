"""`ledger`: look at the record, take it away, verify it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.exits import Exits
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import InvalidInput

group = typer.Typer(help="Look at the record, export it, verify it.", no_args_is_help=True, rich_markup_mode=None)

Mission = Annotated[str, typer.Option("--mission", metavar="ID", help="Only this mission and its steps.")]


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="ledger")


@group.callback()
def _group(home: Home = None) -> None:
    """Look at the record, export it, verify it."""


@group.command()
def show(
    mission: Mission = "",
    after: Annotated[int, typer.Option("--after", min=0, help="The last place that is known.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many entries at most.")] = 200,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show entries in the order they were written."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            entries = await api.get("/ledger", mission=mission, after=after, limit=limit)

        def told() -> None:
            rows = [(e["idx"], e["at"], e["kind"], e["actor"], e["entry"]) for e in entries]
            screen.table(("idx", "at", "kind", "actor", "entry"), rows, right=("idx",))
            if len(entries) == limit:
                screen.note(f"There may be more: --after {entries[-1]['idx']}")

        screen.result(entries, told)

    run(work, as_json=as_json)


@group.command()
def export(
    jsonl: Annotated[
        Path, typer.Option("--jsonl", metavar="FILE", help="Where the lines go; an old file is replaced.")
    ],
    mission: Mission = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Export the record as lines that a stranger can verify."""

    async def work(screen: Screen) -> None:
        if not jsonl.parent.is_dir():
            raise InvalidInput(f"There is no folder {jsonl.parent}.")
        async with connected(settings_of(home)) as api:
            lines = await api.get_bytes("/ledger/export", mission=mission)
        try:
            jsonl.write_bytes(lines)
        except OSError as error:
            raise InvalidInput(f"{jsonl} cannot be written: {error.strerror}.") from error
        made = {"file": str(jsonl), "lines": lines.count(b"\n"), "bytes": len(lines)}
        screen.result(made, lambda: screen.say(f"{made['lines']} lines in {jsonl}; `remit ledger verify {jsonl}`."))

    run(work, as_json=as_json)


@group.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported file; the home's own record where none is named.")
    ] = None,
    key: Annotated[str, typer.Option("--key", metavar="VKEY", help="The key you trust: text, or a file with it.")] = "",
    seals: Annotated[
        Path | None,
        typer.Option("--seals", metavar="FILE", help="Seals that were kept elsewhere: a copy of seals.log."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check the record against its chains and seals, and name the first entry that was touched.

    An exported FILE is checked with no home at hand. Without --key the key that the file itself names is used, which
    whoever forged the whole file could have replaced.
    """

    async def work(screen: Screen) -> Exits:
        if file is not None:
            verdict = _verify_file(file, key, seals)
        elif key or seals:
            raise InvalidInput("--key and --seals go with an exported FILE.")
        else:
            async with connected(settings_of(home)) as api:
                verdict = await api.get("/ledger/verify")
        screen.result(verdict, lambda: _tell(screen, verdict))
        return Exits.FINE if verdict["ok"] else Exits.UNVERIFIED

    run(work, as_json=as_json)


def _verify_file(file: Path, key: str, seals: Path | None) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415 -- with the verifier, which only this command needs

    from remit.ledger.verify import verify_export  # noqa: PLC0415 -- as above

    try:
        vkey = Path(key).read_text("utf-8").strip() if key and Path(key).is_file() else key
        kept = _notes(seals.read_text("utf-8")) if seals else []
        with file.open("rb") as lines:
            verdict = verify_export(lines, vkey=vkey or None, kept=kept)
    except OSError as error:
        raise InvalidInput(f"{error.filename} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("The key or the seals are not UTF-8 text.") from error
    bad = verdict.first_bad
    return {**asdict(verdict), "first_bad": bad._asdict() if bad else None}


def _notes(text: str) -> list[str]:
    """The seals of a seals.log: each is a text, an empty line and its signatures, with an empty line after it."""
    parts = [part for part in text.split("\n\n") if part.strip()]
    return [f"{body}\n\n{signed.rstrip()}\n" for body, signed in zip(parts[::2], parts[1::2], strict=False)]


def _tell(screen: Screen, verdict: dict[str, Any]) -> None:
    entries = f"{verdict['entries']} entries, {verdict['sealed']} of them under a seal"
    bad = verdict["first_bad"]
    if bad is None:
        screen.say(f"ok: {entries}; nothing was touched.", style="green")
    else:
        where = ", ".join(
            part
            for part in (
                bad["ref"] or "",
                f"idx {bad['idx']}" if bad["idx"] is not None else "",
                f"line {bad['line']}" if bad["line"] is not None else "",
            )
            if part
        )
        screen.say(f"NOT OK: {entries}.", style="red")
        screen.say(f"first touched: {where or 'the file'}: {bad['reason']}")
    for note in verdict["notes"]:
        screen.note(f"note: {note}")
