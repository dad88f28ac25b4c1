"""JSON-RPC 2.0 as MCP carries it over HTTP: messages, codes, and what is wrong with a request."""

from collections.abc import Mapping
from typing import Any

import orjson

from remit.api.depth import LEVELS_MAX, is_too_deep
from remit.errors import RemitError

#: Protocols that begin with a handshake, and those in which each request stands for itself.
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
#: What a code is as an HTTP status, in the newer protocol; all others are answered with 200.
STATUS_OF = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}

META = "io.modelcontextprotocol/"
JSON, STREAM = b"application/json", b"text/event-stream"


class Rejected(Exception):
    """A request that is not answered with a result."""

    def __init__(self, code: int, message: str, *, data: Any = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        #: The HTTP status, where the code alone does not say it.
        self.status = status

    @classmethod
    def by(cls, error: RemitError) -> "Rejected":
        """The refusal of something that has no result of its own; the code is the problem's HTTP status."""
        return cls(error.status, str(error), data=error.to_json())

    def to_json(self) -> dict[str, Any]:
        """The error object."""
        told: dict[str, Any] = {"code": self.code, "message": self.message}
        return told if self.data is None else {**told, "data": self.data}


def parsed(body: bytes) -> dict[str, Any]:
    """The one message that a body holds.

    Raises:
        Rejected: it is no JSON, or no single message.
    """
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected(PARSE_ERROR, "The body is not JSON.", status=400) from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Rejected(INVALID_REQUEST, "The body is not one JSON-RPC 2.0 message.", status=400)
    if is_too_deep(message, body):
        raise Rejected(INVALID_REQUEST, f"Lists and objects stand more than {LEVELS_MAX} deep.", status=400)
    number, method, params = message.get("id"), message.get("method"), message.get("params")
    if (
        isinstance(number, bool)
        or not isinstance(number, (int, str, type(None)))
        or ("id" in message and number is None)
    ):
        raise Rejected(INVALID_REQUEST, "The id is neither a whole number nor a text.", status=400)
    if method is not None and not isinstance(method, str):
        raise Rejected(INVALID_REQUEST, "The method is not a text.", status=400)
    if method is None and not ("id" in message and ("result" in message or "error" in message)):
        raise Rejected(INVALID_REQUEST, "The message is no request, notification or response.", status=400)
    if params is not None and not isinstance(params, dict):
        raise Rejected(INVALID_PARAMS, "The params are not an object.", status=400)
    return message


def answer(number: Any, result: Mapping[str, Any]) -> dict[str, Any]:
    """A response."""
    return {"jsonrpc": "2.0", "id": number, "result": result}


def failure(number: Any, error: Mapping[str, Any]) -> dict[str, Any]:
    """A response that tells of an error."""
    return {"jsonrpc": "2.0", "id": number, "error": error}


def notification(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A notification."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def frame(message: Mapping[str, Any], *, name: str = "") -> bytes:
    """The message as one event of a stream; with a name where a caller can come back to it."""
    told = b"event: message\ndata: " + orjson.dumps(message) + b"\n\n"
    return f"id: {name}\n".encode() + told if name else told
