"""Errors and pieces of answers in the form that OpenAI's clients read. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from remit.errors import RemitError

#: What clients make of a refusal: some retry by status, some by type.
_TYPES = {
    "unauthenticated": ("authentication_error", "invalid_api_key"),
    "budget_exhausted": ("insufficient_quota", "insufficient_quota"),
    "no_budget": ("insufficient_quota", "insufficient_quota"),
    "invalid_arguments": ("invalid_request_error", None),
    "invalid_input": ("invalid_request_error", None),
    "unknown_tool": ("invalid_request_error", "model_not_found"),
}
#: A client that sees 429 with this type gives up instead of trying again at once.
_STATUS = {"budget_exhausted": 429, "no_budget": 429, "unknown_tool": 404, "tool_failed": 400} | dict.fromkeys(
    ("invalid_arguments", "invalid_input"), 400
)


def error_of(error: RemitError) -> tuple[int, dict[str, Any]]:
    """Status and body: OpenAI's form, with Remit's problem beside it."""
    kind, code = _TYPES.get(error.code, (None, None))
    status = _STATUS.get(error.code, error.status)
    if kind is None:
        kind = "server_error" if status >= 500 else "permission_error" if status == 403 else "invalid_request_error"
    message = " ".join(part for part in (error.title, error.detail, error.advice) if part)
    told = {"message": message, "type": kind, "param": None, "code": code or error.code}
    return status, {"error": told, "remit": error.to_json()}


def event(data: Mapping[str, Any], *, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"


def is_usage_only(chunk: Mapping[str, Any]) -> bool:
    """True for the last chunk of a chat's stream, which a client gets only where it asked for it."""
    return not chunk.get("choices") and bool(chunk.get("usage"))
