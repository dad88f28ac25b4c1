"""The protocol without a handshake (2026-07-28): each request says who asks, what it can do, and where it stands."""

import asyncio
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from remit.api.mcp.lines import CallLine, Questions
from remit.api.mcp.wire import HEADER_MISMATCH, INVALID_PARAMS, META, MODERN_VERSIONS, UNSUPPORTED_VERSION, Rejected
from remit.api.names import unguessable

_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ROUTING = frozenset({"mcp-protocol-version", "mcp-method", "mcp-name"})
_PARAMETER = "mcp-param-"
_PAUSED_MAX = 1024


def check_envelope(message: Mapping[str, Any], headers: Mapping[str, str], raw: list[tuple[str, str]]) -> None:
    """What a request says of itself in its body must be what its headers say.

    Raises:
        Rejected: it does not say enough, contradicts itself, or names a version that is not spoken here.
    """
    names = [name for name, _ in raw if name in _ROUTING]
    if len(names) != len(set(names)):
        raise Rejected(HEADER_MISMATCH, "A header that says where the request goes stands twice.")
    params = message.get("params") or {}
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        raise Rejected(INVALID_PARAMS, "`params._meta` is missing: each request says its version, and what it can do.")
    if missing := [key for key in (f"{META}protocolVersion", f"{META}clientCapabilities") if key not in meta]:
        raise Rejected(INVALID_PARAMS, f"`params._meta` lacks {', '.join(missing)}.")
    version, can = meta[f"{META}protocolVersion"], meta[f"{META}clientCapabilities"]
    if not isinstance(version, str) or not isinstance(can, dict):
        raise Rejected(INVALID_PARAMS, "The version is a text, and what the client can do an object.")
    if headers.get("mcp-protocol-version") != version:
        raise Rejected(HEADER_MISMATCH, "Header MCP-Protocol-Version and the body name different versions.")
    if headers.get("mcp-method") != message["method"]:
        raise Rejected(HEADER_MISMATCH, "Header Mcp-Method and the body name different methods.")
    named = params.get(_NAMED.get(message["method"], ""))
    if named is not None and _decoded(headers.get("mcp-name")) != named:
        raise Rejected(HEADER_MISMATCH, "Header Mcp-Name and the body name different things.")
    if version not in MODERN_VERSIONS:
        told = {"supported": list(MODERN_VERSIONS), "requested": version}
        raise Rejected(UNSUPPORTED_VERSION, "This version of the protocol is not spoken here.", data=told)


def check_mirrors(schema: Mapping[str, Any], arguments: Any, raw: list[tuple[str, str]]) -> None:
    """Arguments that a schema asks to see in headers too (`x-mcp-header`) must be the same there.

    Raises:
        Rejected: they are not.
    """
    if not any(name.startswith(_PARAMETER) for name, _ in raw) and b'"x-mcp-header"' not in orjson.dumps(schema):
        return
    from mcp.shared.inbound import validate_mcp_param_headers  # noqa: PLC0415 -- 0.4 s, and few tools ask for it

    folded: dict[str, str] = {}
    for name, value in raw:
        if name in folded and name.startswith(_PARAMETER):
            raise Rejected(HEADER_MISMATCH, f"Header {name} stands twice.")
        folded[name] = value
    wrong = validate_mcp_param_headers(schema, arguments if isinstance(arguments, dict) else {}, folded)
    if wrong is not None:
        raise Rejected(HEADER_MISMATCH, wrong.message)


def _decoded(value: str | None) -> str | None:
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return b64decode(value[9:-2], validate=True).decode("utf-8")
    except ValueError:  # no base64, not even ASCII, or no UTF-8 once decoded
        return None


@dataclass(slots=True)
class Paused:
    """A request that asked its caller something, and goes on when it comes back with the answers."""

    #: Who may come back, with which method and params.
    whose: tuple[Any, ...]
    work: "asyncio.Task[Mapping[str, Any]]"
    line: CallLine
    questions: Questions
    asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, name: str, question: Mapping[str, Any]) -> None:
        """Put a question to the caller, in the answer to its request."""
        self.asked[name] = question
        self.turned.set()

    async def next(self) -> Mapping[str, Any] | None:
        """The result, or None where questions must be answered first.

        Raises:
            Rejected: as the request itself.
        """
        turn = asyncio.ensure_future(self.turned.wait())
        try:
            await asyncio.wait({self.work, turn}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.cancel()
        return self.work.result() if self.work.done() else None


class Pauses:
    """Requests that wait for their callers to come back."""

    def __init__(self) -> None:
        self._paused: OrderedDict[str, Paused] = OrderedDict()

    def keep(self, paused: Paused) -> Mapping[str, Any]:
        """Keep a request, and tell its caller what must be answered."""
        state = unguessable()
        asked, paused.asked = paused.asked, {}
        paused.turned.clear()
        self._paused[state] = paused
        while len(self._paused) > _PAUSED_MAX:
            self._paused.popitem(last=False)[1].questions.close()
        return {"resultType": "input_required", "inputRequests": asked, "requestState": state}

    def resume(self, state: Any, whose: tuple[Any, ...], answers: Any) -> Paused:
        """The request that goes on.

        Raises:
            Rejected: there is none, or it is another's, or another request.
        """
        paused = self._paused.get(state) if isinstance(state, str) else None
        if paused is None or paused.whose != whose:
            raise Rejected(INVALID_PARAMS, "No request waits under this `requestState`; make it anew.")
        del self._paused[state]
        if isinstance(answers, dict):
            for name, answer in answers.items():
                if isinstance(answer, dict):
                    paused.questions.answered(name, {"result": answer})
        return paused
