"""How a mission is shown while it goes on: redrawn on a terminal, one plain line per event elsewhere."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from remit.cli.progress import Event, Progress, Seen
from remit.cli.screen import Screen, clean, one_line, styled
from remit.cli.values import instant

#: How many open steps the live table shows.
_ROWS_MAX = 12
_REPORT_SECONDS = 1.0
#: How many characters of what a model says in a step are shown.
_WORDS_MAX = 60


class View:
    """Plain lines, one per event."""

    #: True where what models say as they say it is shown.
    hears = False

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.progress = Progress()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def take(self, events: Sequence[Event], *, silent: bool = False) -> None:
        """Take in what happened; with `silent` it is not told, because it was told before."""
        for event in events:
            self.progress.take(event)
            if not silent:
                self.tell(event)

    def tell(self, event: Event) -> None:
        """Tell of one event."""
        step, told = _words(event, self.progress)
        self.screen.say(f"{event['at'][11:19]}  {one_line(step):<24}  {one_line(told)}".rstrip())

    def hear(self, step: str, words: str) -> None:
        """Take in what a model says in a step."""

    def wants_money(self) -> bool:
        """True where the money paid so far should be looked up now."""
        return False

    def draw(self, paid: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Show how things stand."""


class LiveView(View):
    """A progress bar, the open steps with what models say in them, and the money paid so far; redrawn in place."""

    hears = True

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._said: dict[str, str] = {}
        self._paid: list[Mapping[str, Any]] = []
        self._counted = 0
        self._looked_at = 0.0
        self._live: Any = None

    def __enter__(self) -> Self:
        from rich.live import Live  # noqa: PLC0415 -- only a terminal needs it

        self._live = Live(console=self.screen.console, auto_refresh=False, transient=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        progress = self.progress
        waiting = f", {len(progress.questions)} for a person" if progress.questions else ""
        self.screen.say(f"{progress.ended} of {len(progress.steps)} steps ended{waiting}")

    def tell(self, event: Event) -> None:
        """The table tells it."""

    def hear(self, step: str, words: str) -> None:
        """Keep the newest words of each step."""
        self._said[step] = (self._said.get(step, "") + words)[-_WORDS_MAX:]

    def wants_money(self) -> bool:
        """After calls of tools, at most once a second."""
        now = asyncio.get_running_loop().time()
        if self.progress.calls == self._counted or now < self._looked_at + _REPORT_SECONDS:
            return False
        self._counted, self._looked_at = self.progress.calls, now
        return True

    def draw(self, paid: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Redraw."""
        if paid is not None:
            self._paid = list(paid)
        self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> Any:
        from rich.console import Group  # noqa: PLC0415 -- as above
        from rich.progress_bar import ProgressBar  # noqa: PLC0415 -- as above
        from rich.table import Table  # noqa: PLC0415 -- as above
        from rich.text import Text  # noqa: PLC0415 -- as above

        progress = self.progress
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=max(len(progress.steps), 1), completed=progress.ended, width=32),
            Text(f"{progress.ended}/{len(progress.steps)} steps"),
            Text(f"{len(progress.questions)} for a person" if progress.questions else "", style="yellow"),
            Text(f"paid {money(self._paid)}" if self._paid else "", style="green"),
        )
        table = Table(box=None, pad_edge=False, show_header=False)
        steps = progress.open()
        for step in steps[:_ROWS_MAX]:
            said = self._said.get(step.name, "") if step.status == "running" else ""
            what = ", ".join(step.rules) if step.status == "waiting" else one_line(said) or step.agent or _until(step)
            table.add_row(
                styled(step.status), Text(one_line(step.name)), Text(one_line(step.target or step.kind)), Text(what)
            )
        if len(steps) > _ROWS_MAX:
            table.add_row(Text("..."), Text(f"and {len(steps) - _ROWS_MAX} more"), Text(), Text())
        return Group(head, table)


def view_for(screen: Screen) -> View:
    """The view that fits where the output goes."""
    return LiveView(screen) if screen.terminal else View(screen)


def money(paid: Sequence[Mapping[str, Any]]) -> str:
    """Sums by currency, such as `1,200.00 EUR and 80.00 USD`."""
    return " and ".join(clean(f"{part['amount']} {part['currency']}") for part in paid) or "nothing"


def _words(event: Event, progress: Progress) -> tuple[str, str]:
    """The step that an event is about, and what to tell."""
    step = str(event.get("step") or (event["by"] if event["kind"] in _OF_PROPOSER else ""))
    if event["kind"] == "step.suspended":
        step = progress.questions[event["approval"]]
    tell = _TOLD.get(event["kind"])
    return step, tell(event) if tell else str(event["kind"])


def _started(event: Event) -> str:
    return f"started ({event['agent']})" if event["agent"] else "started"


def _until(step: Seen) -> str:
    return f"until {instant(step.until_us)}" if step.until_us else ""


def _parked(event: Event) -> str:
    what = f"waits for mission {event['mission']}" if event["mission"] else "waits"
    return f"{what} until {instant(event['until_us'])}" if event["until_us"] else what


def _elapsed(event: Event) -> str:
    return "its time has come" if event["what"] == "timer" else f"failed: {event['what']} has passed"


def _ruled_out(event: Event) -> str:
    return f"left out: {event['of']} did not end well" if event["of"] else "left out: its condition does not hold"


def _failed(event: Event) -> str:
    return f"{'refused' if event['refused'] else 'failed'}: {', '.join(event['rules']) or event['code']}"


#: Kinds whose `by` is a step.
_OF_PROPOSER = frozenset({"plan.extended", "plan.rejected"})
_TOLD: dict[str, Callable[[Event], str]] = {
    "mission.submitted": lambda e: f"{e['workflow']} submitted by {e['principal']} ({e['reader']})",
    "mission.completed": lambda _: "mission completed",
    "mission.failed": lambda e: f"mission failed: {e['code']} {e['detail']}",
    "mission.cancelled": lambda e: f"mission cancelled by {e['by']}",
    "mission.stopping": lambda e: f"undoes what was done: {e['outcome']} {e['by'] or e['code']}",
    "undo.planned": lambda e: f"{len(e['steps'])} steps are undone, the last first",
    "plan.proposed": lambda e: f"proposed {len(e['steps'])} steps",
    "plan.extended": lambda e: f"{e['count'] if 'count' in e else len(e['steps'])} steps joined the plan",
    "plan.rejected": lambda e: f"its plan was rejected: {e['faults']}",
    "step.started": _started,
    "step.succeeded": lambda _: "done",
    "step.failed": _failed,
    "step.retried": lambda e: f"tried again, attempt {e['attempt']}",
    "step.interrupted": lambda e: f"interrupted ({e['code']}), goes on later",
    "step.suspended": lambda e: f"asks a person: {', '.join(e['rules'])}" if e["rules"] else "asks a person",
    "step.prepared": lambda _: "has its input",
    "step.expanded": lambda e: f"its list has {e['count']} items",
    "step.ruled_out": _ruled_out,
    "step.parked": _parked,
    "step.elapsed": _elapsed,
    "event.occurred": lambda e: f"{e['name']} was told by {e['source']}",
    "mission.paused": lambda e: f"paused by {e['by']}{', its clock stands still' if e['stop_clock'] else ''}",
    "mission.resumed": lambda e: f"goes on, says {e['by']}",
    "step.skipped": lambda e: f"skipped by {e['by']}",
    "steps.reopened": lambda e: f"{', '.join(e['steps'])} done again, says {e['by']}",
    "plan.steered": lambda e: f"{len(e['added'])} steps joined the plan, says {e['by']}",
    "step.removed": lambda e: f"taken out of the plan by {e['by']}",
    "step.changed": lambda e: f"given another input by {e['by']}",
    "approval.answered": lambda e: f"answered: {e['verdict']} by {e['by']}",
    "approval.reminded": lambda _: "still waits: those who are asked are reminded",
    "approval.escalated": lambda e: f"still waits: {', '.join(e['to'])} may answer now, too",
    "approval.expired": lambda _: "nobody answered in time",
}
