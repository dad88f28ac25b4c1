"""How a worker is, and what it carries, over HTTP: for probes and for whoever scales the pool."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from remit.api.system import family
from remit.drivers import WorkerCounts

_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def worker_app(counts: WorkerCounts, left: Callable[[], int]) -> Starlette:
    """`/healthz` is 200 while the worker takes missions, else 503; `/metrics` has the numbers.

    They name no mission and need no token.
    """

    async def healthz(_: Request) -> Response:
        if counts.polling:
            return PlainTextResponse("ok")
        return PlainTextResponse("draining" if counts.draining else "starting", status_code=503)

    async def metrics(_: Request) -> Response:
        return Response(_numbers(counts, left()), media_type=_FORMAT)

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])


def _numbers(counts: WorkerCounts, left: int) -> str:
    pool = f'pool="{counts.pool}"'
    lines = []
    for name, told, value in (
        ("remit_worker_missions", "Missions that this worker carries.", counts.under_way),
        ("remit_worker_slots", "Missions that it carries at most.", counts.slots),
        ("remit_worker_slots_free", "Missions that it could take now.", _free(counts)),
        ("remit_worker_draining", "1 while it ends what is under way and takes nothing more.", int(counts.draining)),
    ):
        lines += [*family(name, "gauge", told), f"{name}{{{pool}}} {value}"]
    lines += family("remit_worker_put_down_total", "counter", "Missions that it put down, by how.")
    for how, count in sorted(counts.put_down.items()):
        lines.append(f'remit_worker_put_down_total{{{pool},how="{how}"}} {count}')
    lines += family(
        "remit_missions_due", "gauge", "Missions that should be under way, as the process that sweeps sees it."
    )
    lines.append(f"remit_missions_due {left}")
    return "\n".join(lines) + "\n"


def _free(counts: WorkerCounts) -> int:
    return max(counts.slots - counts.under_way, 0) if counts.polling else 0
