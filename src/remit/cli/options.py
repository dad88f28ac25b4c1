"""Options that many commands take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


def _inherited(context: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """An option may stand before or after the command: where it is not given here, what stood before holds."""
    above = context.parent
    while not value and above is not None:
        value = above.params.get(str(param.name))
        above = above.parent
    return value


class Verdict(StrEnum):
    """An answer that is given to every question for which it is open."""

    APPROVE = "approve"
    REJECT = "reject"


class Priority(StrEnum):
    """How urgent a mission is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


Home = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", callback=_inherited, help="The home folder; REMIT_HOME or ~/.remit where not given."
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", callback=_inherited, help="Print exactly one JSON document; all else goes to stderr."),
]
Answer = Annotated[
    Verdict | None,
    typer.Option("--answer", help="Give this answer to every question for which it is open, and go on."),
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An argument and its value; may be repeated.")
]
Note = Annotated[str, typer.Option("--note", help="Why; it stands in the record, sealed.")]
