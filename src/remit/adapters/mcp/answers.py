"""What a server answered, in the door's form."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from remit.errors import ToolUnreachable
from remit.gateway.transport import ToolResult

if TYPE_CHECKING:
    import mcp_types as types

_ASKS = "The tool asks for further input, which Remit does not pass on."


def result(answer: "types.CallToolResult | types.InputRequiredResult") -> ToolResult:
    """The answer that the protocol's own client gave."""
    return read_result(answer.model_dump(mode="json", by_alias=True, exclude_none=True))


def read_result(answer: Mapping[str, Any]) -> ToolResult:
    """The answer as it stood in a message.

    Raises:
        ToolUnreachable: it is not in the protocol's form.
    """
    if answer.get("resultType") == "input_required":
        return ToolResult(content=None, error=_ASKS)
    blocks = answer.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) and "type" in block for block in blocks):
        raise ToolUnreachable("The server's answer is not in the protocol's form.")
    structured = answer.get("structuredContent")
    text = "\n".join(str(block.get("text", "")) for block in blocks if block["type"] == "text")
    if answer.get("isError"):
        return ToolResult(content=structured, error=text or "The tool failed and did not say why.")
    return ToolResult(content=_content(blocks, text) if structured is None else structured)


def _content(blocks: Sequence[Mapping[str, Any]], text: str) -> dict[str, Any]:
    if any(block["type"] != "text" for block in blocks):
        return {"text": text, "blocks": [block for block in blocks if block["type"] != "text"]}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"text": text}
    if isinstance(value, dict):
        return value
    # A bare number or word is text that happens to be JSON; only a list is structure without an object around it.
    return {"result": value} if isinstance(value, list) else {"text": text}
