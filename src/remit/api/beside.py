"""`/sidecar/v1`: what sidecars come to with the token of their enrolment. People come to `/api/v1/sidecars` instead."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from remit.api.context import WHOLE_MAX, Body
from remit.api.passing_on import bounded
from remit.api.problems import problem
from remit.control_plane import ControlPlane, Enrolled
from remit.errors import InvalidInput, NotFound, RemitError, SidecarUnknown
from remit.sidecars import Told

PREFIX = "/sidecar"
_TOP = f"{PREFIX}/v1/"
_BODY_BYTES_MAX = 32 << 20
_SCHEME = "bearer "
Amount = Field(ge=0, le=WHOLE_MAX)


class JoinBody(Body):
    """Which key seals the sidecar's record."""

    vkey: str = Field(max_length=1000)


class BundleBody(Body):
    """What the sidecar has, and what it asks with."""

    have: str = Field("", max_length=64)
    nonce: str = Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")
    wait_seconds: float = Field(0.0, ge=0, le=60)


class AccountBody(Body):
    """What was spent and given back since the enrolment, and what is asked for, in US dollar micro-units."""

    granted: int = Amount
    used: int = Amount
    returned: int = Amount
    ask: int = Amount


class RecordBody(Body):
    """The next lines of the record, after so many, and the seal over all with them."""

    after: int = Field(ge=0, le=WHOLE_MAX)
    seal: str = Field(max_length=4000)
    lines: str = Field(min_length=1)


class SidecarDoor:
    """An ASGI application for the paths below `/sidecar`."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._one_at_a_time: dict[str, asyncio.Lock] = {}
        self._answers: dict[str, Callable[[Enrolled, bytes], Awaitable[dict[str, Any]]]] = {
            "join": self._join,
            "bundle": self._bundle,
            "account": self._account,
            "record": self._record,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer: Response = await self._answered(request)
        except ValidationError as error:
            # Names and messages only: the values that were sent may be secret.
            faults = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors()]
            answer = problem(InvalidInput("; ".join(faults) + "."))
        except RemitError as no:
            answer = problem(no)
        await answer(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        what = self._answers.get(request.url.path.removeprefix(_TOP))
        if request.method != "POST" or what is None:
            raise NotFound(f"Sidecars ask with POST {_TOP}{{join,bundle,account,record}}.")
        header = request.headers.get("authorization", "")
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise SidecarUnknown
        one = await self._plane.sidecars.known(header[len(_SCHEME) :].strip())
        told = await what(one, await bounded(request, _BODY_BYTES_MAX))
        return JSONResponse(told, headers={"cache-control": "no-store"})

    async def _join(self, one: Enrolled, body: bytes) -> dict[str, Any]:
        asked = JoinBody.model_validate_json(body)
        await self._plane.sidecars.join(one, asked.vkey)
        tree = await self._plane.sidecar_records.standing(one.id)
        return {"agent": one.agent, "principal": one.principal, "size": tree.size, "root": tree.root.hex()}

    async def _bundle(self, one: Enrolled, body: bytes) -> dict[str, Any]:
        asked = BundleBody.model_validate_json(body)
        pushed = await self._plane.sidecar_bundles.push(
            one, have=asked.have, nonce=asked.nonce, wait_seconds=asked.wait_seconds
        )
        return {"head": pushed.head, "body": pushed.body}

    async def _account(self, one: Enrolled, body: bytes) -> dict[str, Any]:
        asked = AccountBody.model_validate_json(body)
        told = Told(asked.granted, asked.used, asked.returned, asked.ask)
        return (await self._plane.sidecar_accounts.settle(one, told)).to_json()

    async def _record(self, one: Enrolled, body: bytes) -> dict[str, Any]:
        asked = RecordBody.model_validate_json(body)
        async with self._one_at_a_time.setdefault(one.id, asyncio.Lock()):
            size = await self._plane.sidecar_records.take(one, asked.lines.encode(), asked.seal, after=asked.after)
        return {"size": size}
