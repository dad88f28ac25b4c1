"""JSON-RPC messages of the Model Context Protocol, and its versions, as a client over HTTP needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import orjson

from remit.errors import ToolUnreachable

#: The revision without a handshake: each request says who asks, and in which version.
MODERN = "2026-07-28"
#: Revisions that begin with `initialize`, best first.
HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

UNSUPPORTED_VERSION, METHOD_NOT_FOUND, INTERNAL_ERROR = -32022, -32601, -32603
_META = "io.modelcontextprotocol/"
_IDENTITY = {"name": "remit", "version": version("remit")}


class Answered(Exception):
    """The server answered with an error of its own."""

    def __init__(self, error: Mapping[str, Any], number: Any) -> None:
        super().__init__(error["code"])
        #: As it came: `code`, `message`, and perhaps `data`.
        self.error = error
        #: Of the request that it answers; another than the one sent where the server refused to read it.
        self.number = number

    @property
    def message(self) -> str:
        return str(self.error.get("message") or "no reason told")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What client and server agreed on."""

    version: str
    session: str = ""
    #: What the server said of itself: `capabilities`, `serverInfo`, `instructions`.
    offers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def modern(self) -> bool:
        return self.version == MODERN

    def offers_changes(self, kind: str) -> bool:
        """Whether the server says when its tools, prompts or resources change."""
        capabilities = self.offers.get("capabilities")
        found = capabilities.get(kind) if isinstance(capabilities, dict) else None
        return isinstance(found, dict) and found.get("listChanged") is True


def request(
    number: int | None, method: str, params: Mapping[str, Any] | None, *, modern: bool, asks: Mapping[str, Any]
) -> bytes:
    """A request, or a notification where it has no number; `asks` is what the caller can be asked."""
    params = dict(params or {})
    if modern:
        params["_meta"] = {
            **params.get("_meta", {}),
            f"{_META}protocolVersion": MODERN,
            f"{_META}clientInfo": _IDENTITY,
            f"{_META}clientCapabilities": asks,
        }
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    if params:
        message["params"] = params
    return orjson.dumps(message)


def notification(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """Something that is told and not answered."""
    return request(None, method, params, modern=False, asks={})


def hello(asks: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of `initialize`."""
    return {"protocolVersion": HANDSHAKE[0], "capabilities": asks, "clientInfo": _IDENTITY}


def response(number: Any, outcome: Mapping[str, Any]) -> bytes:
    """The answer to a request of the server's."""
    return orjson.dumps({"jsonrpc": "2.0", "id": number, **outcome})


def read(text: bytes) -> dict[str, Any]:
    """One message.

    Raises:
        ToolUnreachable: it is none.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ToolUnreachable("The server's answer is not in the protocol's form.")
    return message


def outcome(message: Mapping[str, Any]) -> dict[str, Any]:
    """The result that an answer holds.

    Raises:
        Answered: it holds an error.
        ToolUnreachable: it holds neither.
    """
    error = message.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        raise Answered(error, message.get("id"))
    result = message.get("result")
    if not isinstance(result, dict):
        raise ToolUnreachable("The server's answer is not in the protocol's form.")
    return result
