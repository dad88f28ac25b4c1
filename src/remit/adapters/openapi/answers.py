"""What a service answered, in the door's form."""

import base64
from collections.abc import Callable
from typing import Any

import orjson

from remit.adapters.egress import Reply
from remit.errors import CredentialRefused, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult

#: Of what a service says about its error.
_TOLD_MAX = 1000
_WORDS = ("detail", "title", "message", "error_description", "error", "reason")


def result(reply: Reply, *, refused: Callable[..., CredentialRefused], credential: str) -> ToolResult:
    """The answer as content, or as the service's own no.

    `refused` makes the error for a credential that was not taken, `credential` is where that stands.

    Raises:
        CredentialRefused, ToolUnavailable: the service said that it did nothing.
        ToolUnreachable: it failed; what it did before is not known.
    """
    status = reply.status
    if 200 <= status < 300:
        return ToolResult(content=_content(reply))
    rule = f"http_{status}"
    if status == 401:
        raise refused(f"The service answered {status}.", rule=rule)
    if status in {408, 429, 503}:
        after = reply.headers.get("retry-after", "")
        told = f"; it asks to wait {after} seconds" if after.isdigit() and len(after) < 7 else ""
        raise ToolUnavailable(f"The service answered {status}{told}.", rule=rule)
    if status >= 500 and status not in {501, 505}:
        raise ToolUnreachable(f"The service answered {status}.", rule=rule)
    # Not a failure of the source: it may refuse one thing to a credential that it takes for others.
    asked = f" (asked with the credential {credential})" if status == 403 and credential else ""
    return ToolResult(content=_content(reply), error=f"The service answered {status}{_reason(reply)}{asked}")


def _content(reply: Reply) -> Any:
    if not reply.body:
        return {"status": reply.status}
    if _is_json(reply):
        try:
            value = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            raise ToolUnreachable("The service's answer is not the JSON that it says it is.") from None
        return value if isinstance(value, dict) else {"result": value}
    try:
        return {"text": reply.body.decode()}
    except UnicodeDecodeError:
        return {"media_type": reply.media_type, "base64": base64.b64encode(reply.body).decode()}


def _is_json(reply: Reply) -> bool:
    return reply.media_type == "application/json" or reply.media_type.endswith("+json")


def _reason(reply: Reply) -> str:
    """What the service says of its error, in its own words (RFC 9457, or what is usual)."""
    try:
        problem = orjson.loads(reply.body) if _is_json(reply) else None
    except orjson.JSONDecodeError:
        problem = None
    if not isinstance(problem, dict):
        text = reply.body.decode(errors="replace").strip() if reply.media_type.startswith("text/plain") else ""
        return f": {text[:_TOLD_MAX]}" if text else "."
    for word in _WORDS:
        told = problem.get(word)
        if isinstance(told, dict):
            told = told.get("message") or told.get("detail")
        if isinstance(told, list):
            told = orjson.dumps(told).decode()
        if isinstance(told, str) and told:
            return f": {told[:_TOLD_MAX]}"
    return "."
