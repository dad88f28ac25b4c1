"""Running one command: its loop, its errors, its exit code."""

import asyncio
import signal
import traceback
from collections.abc import Awaitable, Callable

import typer

from remit.cli.client import ProblemAnswered
from remit.cli.exits import Exits, exit_of
from remit.cli.screen import Screen, drop_output, output_gone
from remit.errors import Internal, RemitError

_ABOVE = "The lines above say where; what was answered before is on record and is not lost."

Work = Callable[[Screen], Awaitable[Exits | int | None]]


def run(work: Work, *, as_json: bool, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    """Run a command to its end and leave with its exit code; on asyncio's own loop where no other is given."""
    screen = Screen(as_json=as_json)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            code = runner.run(_awaited(work, screen)) or Exits.FINE
    except RemitError as error:
        code = _told(screen, error.to_json())
    except ProblemAnswered as answered:
        code = _told(screen, answered.problem)
    except Exception as error:  # noqa: BLE001 -- the process boundary: a mistake of ours still has its exit code
        if isinstance(error, BrokenPipeError) and output_gone():
            drop_output()
            code = Exits.UNREAD
        else:
            traceback.print_exception(error)
            code = _told(screen, Internal(hint=_ABOVE).to_json())
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.note("interrupted; what was on its way is on record and goes on from there")
        code = Exits.INTERRUPTED
    raise typer.Exit(code)


async def _awaited(work: Work, screen: Screen) -> Exits | int | None:
    # The loop's own handler wakes it through a pipe. What `asyncio.run` installs does not: a signal that comes in the
    # instant before the loop begins to wait would be heard only when something else happens.
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        return await work(screen)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _told(screen: Screen, problem: dict[str, object]) -> Exits:
    screen.problem(problem)
    return exit_of(problem)


def fast_loop() -> asyncio.AbstractEventLoop:
    """The faster loop where the platform has it: it writes an answer at once, and costs a tenth less for each call."""
    try:
        import uvloop  # noqa: PLC0415 -- not for `--help`
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
