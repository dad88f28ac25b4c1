"""The process itself: version, health, and numbers for Prometheus."""

from typing import Any

from fastapi import APIRouter, Response

from remit import __version__
from remit.api.context import Plane
from remit.control_plane import ControlPlane

routes = APIRouter(tags=["system"])
#: Routes that stand outside REST v1.
outside = APIRouter(tags=["system"])

_STATUSES = ("working", "waiting", "halted", "completed", "failed", "cancelled")


@routes.get("/version")
async def show_version(plane: Plane) -> dict[str, Any]:
    """Which release answers, over which home, and what reads and judges."""
    return {"version": __version__, "api": "v1", "home": str(plane.core.home), "reader": plane.core.reader}


@routes.get("/doctor")
async def examine(plane: Plane) -> dict[str, Any]:
    """Every check of the home's health with its finding; `ok` is true where none failed."""
    return await plane.doctor.examine()


@outside.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 when ready; needs no token and tells nothing else."""
    return {"status": "ok"}


@outside.get("/metrics", response_class=Response)
async def metrics(plane: Plane) -> Response:
    """Missions, approvals, ledger and cost as numbers, in the text format of Prometheus."""
    return Response(await _numbers(plane), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _numbers(plane: ControlPlane) -> str:
    found = await plane.numbers.look()
    lines = _family("remit_missions", "gauge", "Missions by where they stand.")
    lines += [f'remit_missions{{status="{status}"}} {found.missions.get(status, 0)}' for status in _STATUSES]
    for name, kind, told, value in (
        ("remit_approvals_open", "gauge", "Questions that wait for people.", found.approvals_open),
        ("remit_ledger_entries", "counter", "Entries in the ledger.", found.entries),
        ("remit_ledger_entries_sealed", "counter", "Entries that a signed head covers.", found.entries_sealed),
        (
            "remit_cost_usd_micros",
            "counter",
            "What models and priced tools cost, in US dollar micros.",
            found.usd_micros,
        ),
    ):
        lines += [*_family(name, kind, told), f"{name} {value}"]
    lines += _family("remit_tokens", "counter", "Tokens of language models.")
    lines.append(f'remit_tokens{{direction="input"}} {found.tokens_input}')
    lines.append(f'remit_tokens{{direction="output"}} {found.tokens_output}')
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
