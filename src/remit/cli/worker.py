"""`worker`: carries missions that Temporal gives it, beside other workers."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from remit.cli.client import settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import fast_loop, run
from remit.cli.screen import Screen

if TYPE_CHECKING:
    from remit.control_plane import ControlPlane


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(worker)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say."""

    pool: str
    at_once: int
    grace_seconds: int
    metrics_port: int | None
    metrics_host: str


def worker(
    pool: Annotated[str, typer.Option("--pool", help="The pool whose missions it carries.")] = "default",
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=10_000, help="Missions carried at once.")] = 100,
    grace: Annotated[
        int, typer.Option("--grace", min=0, max=3600, help="Seconds for steps under way, once it is told to end.")
    ] = 30,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port", min=0, max=65535, help="Answer /healthz and /metrics here; 0 takes a free port."
        ),
    ] = None,
    metrics_host: Annotated[str, typer.Option("--metrics-host", help="The address for them.")] = "127.0.0.1",
    hand_back: Annotated[
        bool, typer.Option("--hand-back", help="Let one process drive the home again; all workers must have ended.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Carry missions until SIGTERM or Ctrl-C; steps under way are ended first, and the missions go to other workers.

    Needs REMIT_TEMPORAL, and the home's record where every worker reaches it (REMIT_STORE).
    """
    asked = _Asked(pool, at_once, grace, metrics_port, metrics_host)

    async def work(screen: Screen) -> None:
        # All adapters: not for `--help`.
        from remit import bootstrap, driving  # noqa: PLC0415 -- as above
        from remit.control_plane import closing  # noqa: PLC0415 -- as above
        from remit.errors import InvalidSetting  # noqa: PLC0415 -- as above

        settings = settings_of(home)
        if not hand_back and not settings.temporal:
            raise InvalidSetting(
                "REMIT_TEMPORAL does not say where Temporal listens.",
                hint="Set it, such as 127.0.0.1:7233; without workers, `remit serve` drives the missions itself.",
            )
        async with closing(await bootstrap.open_home(settings)) as plane:
            if hand_back:
                handed = await driving.hand_back(plane.core.store)
                told = "one process may drive this home again" if handed else "one process drives this home already"
                screen.result({"handed_back": handed}, lambda: screen.say(told))
                return
            bootstrap.quiet_collector()
            await _carry(plane, asked, screen)
        screen.note("ended; missions go on at other workers")

    run(work, as_json=as_json, loop_factory=fast_loop)


async def _carry(plane: "ControlPlane", asked: _Asked, screen: Screen) -> None:
    from remit.api.serve import listening  # noqa: PLC0415 -- all adapters: not for `--help`
    from remit.api.worker import worker_app  # noqa: PLC0415 -- as above
    from remit.drivers import ClusterDriver, WorkerCounts  # noqa: PLC0415 -- as above
    from remit.driving import worker_of  # noqa: PLC0415 -- as above

    await plane.core.keep_lease()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    driver, counts = plane.core.driver, WorkerCounts(asked.pool, asked.at_once)
    assert isinstance(driver, ClusterDriver), "REMIT_TEMPORAL is set"
    about: dict[str, object] = {"pool": asked.pool, "home": str(plane.core.home), "pid": os.getpid()}

    def ready() -> None:
        screen.result(about, lambda: screen.say(f"Remit carries missions of the pool {asked.pool}"))

    async with AsyncExitStack() as around:
        if asked.metrics_port is not None:
            app = worker_app(counts, lambda: driver.left.count)
            place = await around.enter_async_context(listening(app, asked.metrics_port, asked.metrics_host))
            about["metrics"] = place.url
        sweeping = asyncio.create_task(driver.sweep(stop))
        try:
            await worker_of(plane.core, counts, grace_seconds=asked.grace_seconds).run(stop, ready)
        finally:
            stop.set()
            await sweeping
