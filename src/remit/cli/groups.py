"""Groups of commands that list what they are about where none of their commands is named."""

from collections.abc import Callable
from pathlib import Path

import typer

from remit.cli.options import AsJson, Home


def add_listing(app: typer.Typer, name: str, group: typer.Typer, listed: Callable[[Path | None, bool], None]) -> None:
    """Add a group under this name; without a command it does what its `list` does."""

    @group.callback(invoke_without_command=True, help=f"{group.info.help} Without a command: list.")
    def _without_a_command(context: typer.Context, home: Home = None, as_json: AsJson = False) -> None:
        if context.invoked_subcommand is None:
            listed(home, as_json)

    app.add_typer(group, name=name)
