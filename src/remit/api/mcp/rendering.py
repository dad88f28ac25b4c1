"""Tools, answers and refusals as MCP clients take them."""

from collections.abc import Mapping
from typing import Any

import orjson

from remit.api.mcp.wire import Rejected
from remit.errors import ApprovalPending, Fault, RemitError, ToolFailed, ToolUnreachable, UnknownTool
from remit.gateway import Answer
from remit.tools import Tool

#: Where a problem stands for clients that look for it, whatever else the result holds.
PROBLEM = "remit/problem"
_INVALID_PARAMS = -32602


def definition(tool: Tool, name: str) -> dict[str, Any]:
    """The tool as its source defined it, under the name that this path gives it."""
    return {"name": name, "description": tool.description, "inputSchema": tool.input_schema, **tool.extra}


def called(answer: Answer) -> Mapping[str, Any]:
    """The result of a call, block by block as the source gave it.

    Raises:
        Rejected: the source answered with an error of the protocol; it goes on as it came.
    """
    if answer.raw is not None:
        return _as_it_came(answer.raw)
    content = answer.content
    if isinstance(content, dict) and content.keys() == {"text"} and isinstance(content["text"], str):
        return {"content": [{"type": "text", "text": content["text"]}]}
    result: dict[str, Any] = {"content": [{"type": "text", "text": orjson.dumps(content).decode()}]}
    if isinstance(content, dict):
        result["structuredContent"] = content
    return result


def requested(answer: Answer) -> Mapping[str, Any]:
    """The result of a governed request that is no tool call.

    Raises:
        Rejected: as `called`.
    """
    return _as_it_came(answer.raw) if answer.raw is not None else dict(answer.content)


def refused(error: RemitError, tool: Tool | None) -> Mapping[str, Any]:
    """A call that came to nothing, as a result: so that the model reads why, and what would help.

    Clients show an error of the protocol to nobody, or end the agent's run for it. The problem also stands as
    structured content, unless the tool promised another form for that.

    Raises:
        Rejected: the tool is not known, Remit could not answer, or the source answered with an error of the protocol.
    """
    if isinstance(error, ToolFailed):
        if error.raw is not None:
            return _as_it_came(error.raw)
        return {"content": [{"type": "text", "text": error.detail}], "isError": True}
    problem = error.to_json()
    if isinstance(error, UnknownTool):
        raise Rejected(_INVALID_PARAMS, str(error), data=problem)
    if isinstance(error, Fault) and not isinstance(error, ToolUnreachable):
        raise Rejected.by(error)
    result = {"content": [{"type": "text", "text": _said(error)}], "isError": True, "_meta": {PROBLEM: problem}}
    if tool is None or "outputSchema" not in tool.extra:
        result["structuredContent"] = problem
    return result


def _said(error: RemitError) -> str:
    lead = "Waiting" if isinstance(error, ApprovalPending) else "Refused"
    if isinstance(error, Fault):
        lead = "Failed"
    lines = [f"{lead} ({error.code}): {error}", f"Rule: {error.rule}"]
    if error.advice:
        lines.append(f"What helps: {error.advice}")
    if error.remedy:
        lines.append(f"What would permit it, for a person to look at:\n{error.remedy}")
    return "\n".join(lines)


def _as_it_came(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    error = raw.get("error")
    if isinstance(error, dict) and "content" not in raw:
        raise Rejected(int(error.get("code", 0)), str(error.get("message", "")), data=error.get("data"))
    return raw
