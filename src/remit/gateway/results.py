"""An answer against what the tool promised: its size, and its own schema."""

from dataclasses import replace
from typing import Any

import jsonschema_rs

from remit.gateway.transport import ToolResult
from remit.tools import Tool

#: A larger answer is refused: what a model or a person cannot read has no business in a mission's state.
RESULT_BYTES_MAX = 8 * 1024 * 1024
_VALIDATORS: dict[str, jsonschema_rs.Validator | None] = {}


def too_long(tool: Tool, result: ToolResult, size: int) -> ToolResult:
    """The result, or in its place what is told of one that has too many bytes."""
    if size <= RESULT_BYTES_MAX:
        return result
    return _withheld(tool, result, f"The answer has {size} bytes; {RESULT_BYTES_MAX} are taken.")


def as_promised(tool: Tool, result: ToolResult) -> ToolResult:
    """The result, or in its place what is told of one that breaks the schema that the tool itself declares."""
    schema = tool.extra.get("outputSchema")
    if result.error is not None or not isinstance(schema, dict) or not isinstance(result.content, dict):
        return result
    if tool.pin not in _VALIDATORS:
        _VALIDATORS[tool.pin] = _validator(schema)
    validator = _VALIDATORS[tool.pin]
    if validator is None or validator.is_valid(_structured(result)):
        return result
    fault = next(iter(validator.iter_errors(_structured(result))))
    place = ".".join(str(part) for part in fault.instance_path) or "the answer"
    return _withheld(tool, result, f"The answer is not what the tool declares: {place}: {fault.message}.")


def _structured(result: ToolResult) -> Any:
    """What the schema speaks of: a source that answers in blocks of content gives the structured part beside them."""
    if result.raw is not None and "structuredContent" in result.raw:
        return result.raw["structuredContent"]
    return result.content


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(schema, mask="(value)")
    except (ValueError, jsonschema_rs.ReferencingError):
        return None  # what cannot be read promises nothing


def _withheld(tool: Tool, result: ToolResult, why: str) -> ToolResult:
    """A read failed; a write has taken place all the same, and only its answer is kept back."""
    if tool.sink and result.error is None:
        return replace(result, content={"withheld": why}, raw=None)
    return replace(result, content=None, error=why, raw=None)
