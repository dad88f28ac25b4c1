"""The application: routes, problems, and nothing that is not in the control plane."""

from collections.abc import Callable

from fastapi import FastAPI

from remit import __version__
from remit.api import (
    approvals,
    control,
    halts,
    ledger,
    memories,
    missions,
    policies,
    resources,
    sessions,
    sidecars,
    sources,
    system,
    tokens,
    triggers,
    workflows,
)
from remit.api.context import Served
from remit.api.problems import RESPONSES, LastResort, install
from remit.control_plane import ControlPlane
from remit.identity import Principal

PREFIX = "/api/v1"


def create_app(plane: ControlPlane, principal: Callable[[], Principal], *, driving: bool = False) -> FastAPI:
    """REST v1 over one home.

    It lets everybody in who can call it: in process that is the caller alone; `serve` puts the gate before it.
    `driving` says that this process runs the driver, so that changes only need to wake it.
    """
    app = FastAPI(
        title="Remit",
        version=__version__,
        summary="Control plane and runtime for fleets of AI agents.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=RESPONSES,
    )
    app.state.served = Served(plane, principal, driving=driving)
    install(app)
    app.add_middleware(LastResort)
    for part in (
        missions,
        control,
        approvals,
        halts,
        resources,
        policies,
        sources,
        ledger,
        memories,
        tokens,
        sessions,
        sidecars,
        triggers,
        workflows,
        system,
    ):
        app.include_router(part.routes, prefix=PREFIX)
    app.include_router(system.outside)
    return app
