"""`store`: where the record stands, and copying it elsewhere."""

from typing import Annotated

import typer

from remit.cli.client import address_of, settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.errors import HomeBusy

group = typer.Typer(help="Where the record stands, and copying it.", no_args_is_help=True, rich_markup_mode=None)

_PLACE = "`embedded` (the home's own file), or postgresql://USER@HOST:PORT/DATABASE without a password."


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="store")


@group.callback()
def _group(home: Home = None) -> None:
    """Where the record stands, and copying it."""


@group.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=_PLACE)],
    target: Annotated[str, typer.Argument(metavar="TO", help=_PLACE)],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy the whole record, byte for byte, and compare the two; FROM is not changed. Run again, it goes on."""

    async def work(screen: Screen) -> None:
        from remit.bootstrap import copy_store  # noqa: PLC0415 -- 0.3 s that `--help` does without

        settings = settings_of(home)
        if (served := await address_of(settings)) is not None:
            raise HomeBusy(f"A server at {served} drives it.", hint="Stop `remit serve` before the record is copied.")

        def told(what: str, done: int, total: int) -> None:
            screen.note(f"{what}: {done} of {total}")

        counts = copy_store(settings, source, target, told)

        def show() -> None:
            rows = ", ".join(f"{count} {words}" for words, count in counts.items())
            screen.say(f"Copied, compared and verified: {rows}.")
            screen.say("The home still uses the record that it used. To use the copy:")
            screen.say(f"  remit init --store {target}")

        screen.result({"copied": counts}, show)

    run(work, as_json=as_json)
