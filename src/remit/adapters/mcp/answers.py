"""What a server answered, in the door's form, and as it came."""

from collections.abc import Mapping
from typing import Any

import orjson

from remit.errors import ToolUnreachable
from remit.gateway.transport import ToolResult

_ASKS = "The tool asks for further input, and nobody is there to give it."
_FORM = "The server's answer is not in the protocol's form."


def result(outcome: Mapping[str, Any], method: str) -> ToolResult:
    """The outcome of one governed request.

    Raises:
        ToolUnreachable: it is not in the protocol's form.
    """
    if (error := outcome.get("error")) is not None:
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            raise ToolUnreachable(_FORM)
        return ToolResult(content=None, error=error["message"], raw={"error": error})
    answer = outcome.get("result")
    if not isinstance(answer, dict):
        raise ToolUnreachable(_FORM)
    return read_result(answer) if method == "tools/call" else ToolResult(content=answer, raw=answer)


def read_result(answer: Mapping[str, Any]) -> ToolResult:
    """The answer to a call as it stood in a message.

    Raises:
        ToolUnreachable: it is not in the protocol's form.
    """
    if answer.get("resultType") == "input_required":
        return ToolResult(content=None, error=_ASKS)
    blocks, structured = answer.get("content", []), answer.get("structuredContent")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) and "type" in block for block in blocks):
        raise ToolUnreachable(_FORM)
    if not blocks and structured is None and "content" not in answer:
        raise ToolUnreachable(_FORM)
    text = "\n".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
    if answer.get("isError"):
        return ToolResult(structured, error=text or "The tool failed and did not say why.", raw=answer)
    content = structured if structured is not None else _content(blocks, text)
    plain = answer.keys() <= {"content", "isError"} and blocks == [{"type": "text", "text": text}]
    return ToolResult(content, raw=None if plain and content == {"text": text} else answer)


def _content(blocks: list[dict[str, Any]], text: str) -> dict[str, Any]:
    if any(block.get("type") != "text" for block in blocks):
        return {"text": text, "blocks": [block for block in blocks if block.get("type") != "text"]}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"text": text}
    if isinstance(value, dict):
        return value
    # A bare number or word is text that happens to be JSON; only a list is structure without an object around it.
    return {"result": value} if isinstance(value, list) else {"text": text}
