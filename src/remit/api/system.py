"""The process itself: version, health, and numbers for Prometheus."""

from typing import Any

from fastapi import APIRouter, Response

from remit import __version__
from remit.api.context import Plane
from remit.control_plane import ControlPlane, Triggers
from remit.drivers import ClusterDriver, Driver

routes = APIRouter(tags=["system"])
#: Routes that stand outside REST v1.
outside = APIRouter(tags=["system"])

_STATUSES = ("working", "waiting", "paused", "undoing", "halted", "queued", "completed", "failed", "cancelled")


@routes.get("/version")
async def show_version(plane: Plane) -> dict[str, Any]:
    """Which release answers, over which home, and what reads and judges."""
    return {"version": __version__, "api": "v1", "home": str(plane.core.home), "reader": plane.core.reader}


@routes.get("/doctor")
async def examine(plane: Plane) -> dict[str, Any]:
    """Every check of the home's health with its finding; `ok` is true where none failed."""
    return await plane.doctor.examine()


@routes.get("/doctor/egress")
async def examine_egress(plane: Plane) -> dict[str, Any]:
    """What of this home could go around the door, from what is declared: nothing is asked or reached for it."""
    return plane.doctor.egress()


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
    lines = family("remit_missions", "gauge", "Missions by where they stand.")
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
        lines += [*family(name, kind, told), f"{name} {value}"]
    lines += family("remit_tokens", "counter", "Tokens of language models.")
    lines.append(f'remit_tokens{{direction="input"}} {found.tokens_input}')
    lines.append(f'remit_tokens{{direction="output"}} {found.tokens_output}')
    lines += _of_triggers(plane.triggers)
    lines += _of_cluster(plane.core.driver)
    return "\n".join(lines) + "\n"


def _of_triggers(triggers: Triggers) -> list[str]:
    lines = family("remit_trigger_events", "counter", "Events by trigger and fate, since the process began.")
    for (name, fate), count in sorted(triggers.fates.items()):
        lines.append(f'remit_trigger_events{{trigger="{name}",fate="{fate}"}} {count}')
    lines += family("remit_trigger_forged", "counter", "Requests that were not authentic, by trigger and reason.")
    for (name, why), count in sorted(triggers.forged.items()):
        lines.append(f'remit_trigger_forged{{trigger="{name}",reason="{why}"}} {count}')
    lines += family("remit_connected", "gauge", "1 where a stream of others, or a place to tell, is reached.")
    for name, health in sorted(triggers.health.items()):
        lines.append(f'remit_connected{{of="{name}"}} {int(health.state == "connected")}')
    return lines


def _of_cluster(driver: Driver) -> list[str]:
    if not isinstance(driver, ClusterDriver):
        return []
    lines = family(
        "remit_missions_due", "gauge", "Missions that should be under way, as the process that sweeps sees it."
    )
    lines.append(f"remit_missions_due {driver.left.count}")
    lines += family("remit_missions_carried", "gauge", "Missions that this process drives itself.")
    return [*lines, f"remit_missions_carried {driver.carrying}"]


def family(name: str, kind: str, told: str) -> list[str]:
    """How Prometheus is told of the numbers that follow."""
    return [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
