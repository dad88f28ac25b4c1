"""Errors as RFC 9457 shows them. What is not in the catalogue is told without its details."""

import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from remit.errors import Internal, InvalidInput, NotFound, RemitError

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("remit.api")
#: How routes tell of it in the OpenAPI description.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457), with `code`, `rule`, `retryable`, `hint` and `remedy`.",
        "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
    }
}


def problem(error: RemitError) -> JSONResponse:
    """The answer that tells of this error."""
    headers = {"retry-after": str(math.ceil(error.retry_after_seconds))} if error.retry_after_seconds else None
    return JSONResponse(error.to_json(), status_code=error.status, media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every error of the catalogue, of the router and of validation with a problem."""

    @app.exception_handler(RemitError)
    async def told(_request: Request, error: RemitError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Names and messages only: the values that were sent may be secret.
        faults = [f"{'.'.join(map(str, fault['loc'][1:])) or 'body'}: {fault['msg']}" for fault in error.errors()]
        return problem(
            InvalidInput("; ".join(faults) + ".", hint="`/api/v1/openapi.json` describes what each route takes.")
        )

    @app.exception_handler(HTTPException)
    async def routed(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code in {404, 405}:
            found: RemitError = NotFound(
                f"No route takes {request.method} {request.url.path}.",
                hint="`/api/v1/openapi.json` lists every route.",
            )
        else:
            found = InvalidInput(f"{error.detail}.", hint="A body is JSON, in UTF-8.")
        told = {**found.to_json(), "status": error.status_code}
        return JSONResponse(told, status_code=error.status_code, media_type=MEDIA_TYPE, headers=error.headers)


class LastResort:
    """The outermost layer: whatever else is raised becomes a problem without details, and stands in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:  # noqa: BLE001 -- the process boundary: a mistake of ours must not end the server
            _LOG.exception("%s %s failed", scope.get("method", ""), scope.get("path", ""))
            if not started:
                await problem(Internal())(scope, receive, send)
