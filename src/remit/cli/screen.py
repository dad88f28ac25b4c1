"""What is printed, and where: results on stdout, everything else on stderr; tables and colour only on a terminal."""

import json
import os
import select
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

_STYLES = {
    "paid": "green", "completed": "green", "succeeded": "green", "ok": "green", "active": "green", "permit": "green",
    "closed": "green", "declared": "yellow",
    "waiting": "yellow", "blocked": "yellow", "halted": "yellow", "paused": "yellow", "undoing": "yellow",
    "queued": "yellow", "ask": "yellow", "critical": "yellow",
    "running": "cyan", "working": "cyan", "ready": "cyan",
    "refused": "red", "failed": "red", "unreadable": "red", "not ok": "red", "deny": "red", "inactive": "red",
    "open": "red",
    "cancelled": "magenta", "retired": "dim", "pending": "dim",
}  # fmt: skip

Row = Sequence[object]


def clean(value: object) -> str:
    """Text that may go to a terminal: what documents and tools wrote must not move the cursor or change colours."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} else "\ufffd" for c in text
    )


def one_line(value: object) -> str:
    """As `clean`, with line ends as spaces."""
    return " ".join(clean(value).split())


def indented(text: object) -> str:
    """A text of several lines, below what it belongs to."""
    return "\n".join(f"    {line}" for line in str(text).rstrip().splitlines())


class Screen:
    """Where one command prints."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.terminal = not as_json and sys.stdout.isatty()
        #: True where a person can be asked.
        self.asks = self.terminal and sys.stdin.isatty()
        self._console: Any = None

    @property
    def console(self) -> Any:
        """The terminal, for tables and live views."""
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415 -- only a terminal needs it

            self._console = Console(highlight=False, soft_wrap=False)
        return self._console

    def result(self, document: Any, show: Callable[[], None]) -> None:
        """Print the command's result: the one JSON document, or what `show` prints for people."""
        if self.as_json:
            print(json.dumps(document, indent=2, ensure_ascii=False), flush=True)
        else:
            show()

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print lines for people; beside a JSON document they go to stderr."""
        if self.terminal and style:
            from rich.text import Text  # noqa: PLC0415 -- as above

            self.console.print(Text(clean(text), style=style))
        else:
            print(clean(text), file=self._lines, flush=True)

    def note(self, text: str) -> None:
        """Tell something beside the result."""
        print(clean(text), file=sys.stderr, flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Row], *, right: Sequence[str] = ()) -> None:
        """Print rows in columns: as a table on a terminal, else as aligned text; `right` names columns of numbers."""
        cells = [[one_line(value) for value in row] for row in rows]
        if self.terminal:
            self._rich_table(columns, cells, right)
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in ([*columns], *cells):
            parts = [
                cell.rjust(width) if name in right else cell.ljust(width)
                for name, cell, width in zip(columns, row, widths, strict=True)
            ]
            print("  ".join(parts).rstrip(), file=self._lines)

    def problem(self, problem: Mapping[str, Any]) -> None:
        """Tell of an error: for people on stderr; with --json also as the document."""
        if self.as_json:
            print(json.dumps(problem, indent=2, ensure_ascii=False))
        detail = str(problem.get("detail") or "")
        self.note(f"error: {problem.get('title', '')}" + (f"\n{detail}" if "\n" in detail else f" {detail}").rstrip())
        if problem.get("rule") not in {None, "", problem.get("code")}:
            self.note(f"rule: {problem['rule']}")
        if problem.get("hint"):
            self.note(f"hint: {problem['hint']}")
        if problem.get("remedy"):
            self.note("what would permit it (nothing is applied by itself):")
            self.note(indented(problem["remedy"]))

    @property
    def _lines(self) -> TextIO:
        return sys.stderr if self.as_json else sys.stdout

    def _rich_table(self, columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[str]) -> None:
        from rich.table import Table  # noqa: PLC0415 -- as above

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(styled, row))
        self.console.print(table)
        if not cells:
            self.say("none", style="dim")


def output_gone() -> bool:
    """True where nobody reads what is printed any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(what & select.POLLERR for _, what in poll.poll(0))
    except (OSError, ValueError):
        return True


def drop_output() -> None:
    """Let what is still printed go nowhere, so that nothing complains of a reader who went away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def styled(cell: str) -> Any:
    """A cell, in the colour of the status that it names."""
    from rich.text import Text  # noqa: PLC0415 -- as above

    return Text(cell, style=_STYLES.get(cell, ""))
