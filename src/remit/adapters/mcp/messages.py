"""JSON-RPC messages of the Model Context Protocol, and its versions, as a client over HTTP needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import orjson

from remit.errors import ToolUnreachable

#: The revision without a handshake: each request says who asks, and in which version.
MODERN = "2026-07-28"
#: Revisions that begin with `initialize`, best first.
HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

UNSUPPORTED_VERSION = -32022
METHOD_NOT_FOUND = -32601
_META = "io.modelcontextprotocol/"
_IDENTITY = {"name": "remit", "version": version("remit")}


class Answered(Exception):
    """The server answered with an error of its own."""

    def __init__(self, code: int, message: str, number: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        #: Of the request that it answers; another than the one sent where the server refused to read it.
        self.number = number


@dataclass(frozen=True, slots=True)
class Agreed:
    """What client and server agreed on."""

    version: str
    session: str = ""
    #: What the server says that it is: name, version.
    server: Mapping[str, Any] | None = None

    @property
    def modern(self) -> bool:
        return self.version == MODERN


def request(number: int | None, method: str, params: Mapping[str, Any] | None, *, modern: bool) -> bytes:
    """A request, or a notification where it has no number."""
    params = dict(params or {})
    if modern:
        params["_meta"] = {
            **params.get("_meta", {}),
            f"{_META}protocolVersion": MODERN,
            f"{_META}clientInfo": _IDENTITY,
            f"{_META}clientCapabilities": {},
        }
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    if params:
        message["params"] = params
    return orjson.dumps(message)


def hello() -> Mapping[str, Any]:
    """The parameters of `initialize`; Remit offers nothing that a server could call back."""
    return {"protocolVersion": HANDSHAKE[0], "capabilities": {}, "clientInfo": _IDENTITY}


def response(asked: Mapping[str, Any]) -> bytes:
    """The answer to a request of the server's: a ping is answered, anything else is not offered."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.get("id")}
    if asked.get("method") == "ping":
        message["result"] = {}
    else:
        message["error"] = {"code": METHOD_NOT_FOUND, "message": "Remit offers this to no server."}
    return orjson.dumps(message)


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
        raise Answered(error["code"], str(error.get("message") or "no reason told"), message.get("id"))
    result = message.get("result")
    if not isinstance(result, dict):
        raise ToolUnreachable("The server's answer is not in the protocol's form.")
    return result


def server_of(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the server says that it is, from its first answer."""
    found = result.get("serverInfo") or (result.get("_meta") or {}).get(f"{_META}serverInfo")
    return found if isinstance(found, dict) else None
