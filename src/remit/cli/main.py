"""`remit`: the commands put together, and mistakes in calling them."""

import json
import sys
from typing import NoReturn

import typer

from remit.cli import (
    approvals,
    connect,
    demo,
    doctor,
    explain,
    halts,
    ledger,
    memory,
    missions,
    policies,
    resources,
    server,
    sidecars,
    sources,
    store,
    tokens,
    triggers,
    worker,
    workflows,
)
from remit.cli.exits import TABLE, Exits
from remit.cli.options import Home
from remit.cli.screen import drop_output, output_gone
from remit.errors import InvalidInput

app = typer.Typer(
    name="remit",
    help="Remit: the control plane and runtime for fleets of AI agents.",
    epilog=TABLE,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _home(home: Home = None) -> None:
    """Remit: the control plane and runtime for fleets of AI agents."""


for part in (
    demo,
    resources,
    sources,
    missions,
    triggers,
    approvals,
    halts,
    ledger,
    memory,
    policies,
    explain,
    doctor,
    tokens,
    store,
    server,
    worker,
    connect,
    sidecars,
    workflows,
):
    part.add_to(app)


def main() -> NoReturn:
    """Run the command that the process was called with, and leave with its exit code."""
    try:
        code = app(prog_name="remit", standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        code = Exits.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Typer ends the process by itself where help meets a reader who went away.
        if not output_gone():
            raise
        drop_output()
        code = Exits.UNREAD
    except typer.TyperException as error:
        code = _misused(error)
    sys.exit(code if isinstance(code, int) else Exits.FINE)


def _misused(error: typer.TyperException) -> Exits:
    """Tell what is wrong with the call in the form of every other error; a group called alone shows its commands."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "remit"
    # Typer has no public name for this one.
    if type(error).__name__ == "NoArgsIsHelpError" and "--json" not in sys.argv:
        print(error.format_message(), file=sys.stderr)
        return Exits.MISUSED
    told = InvalidInput(error.format_message(), hint=f"`{command} --help` shows the form.")
    if "--json" in sys.argv:
        print(json.dumps(told.to_json(), indent=2))
    print(f"error: {told.detail}\nhint: {told.advice}", file=sys.stderr)
    return Exits.MISUSED
