"""What a server answered, in the door's form."""

from typing import Any

import mcp_types as types
import orjson

from remit.gateway.transport import ToolResult


def result(answer: types.CallToolResult | types.InputRequiredResult) -> ToolResult:
    if isinstance(answer, types.InputRequiredResult):
        return ToolResult(content=None, error="The tool asks for further input, which Remit does not pass on.")
    text = "\n".join(block.text for block in answer.content if isinstance(block, types.TextContent))
    if answer.is_error:
        return ToolResult(content=answer.structured_content, error=text or "The tool failed and did not say why.")
    if answer.structured_content is not None:
        return ToolResult(content=answer.structured_content)
    return ToolResult(content=_content(answer, text))


def _content(answer: types.CallToolResult, text: str) -> dict[str, Any]:
    others = [block for block in answer.content if not isinstance(block, types.TextContent)]
    if others:
        return {
            "text": text,
            "blocks": [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in others],
        }
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"text": text}
    if isinstance(value, dict):
        return value
    # A bare number or word is text that happens to be JSON; only a list is structure without an object around it.
    return {"result": value} if isinstance(value, list) else {"text": text}
