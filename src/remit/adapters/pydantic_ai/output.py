"""The object in a model's answer, wherever the model put it."""

import re
from typing import Any

import orjson
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def text_of(response: ModelResponse) -> str:
    return "".join(part.content for part in response.parts if isinstance(part, TextPart))


def object_of(response: ModelResponse, name: str) -> dict[str, Any] | None:
    """The answer as an object, unchecked; None where there is none.

    In order: the call of the output tool `name`, the only call of any tool, JSON text, JSON in a fence, the text from
    the first brace to the last.
    """
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    named = [call for call in calls if call.tool_name == name] or (calls if len(calls) == 1 else [])
    if named:
        return _object(named[0].args)
    text = text_of(response)
    fenced = [match.group(1) for match in _FENCED.finditer(text)]
    for candidate in (text, *fenced, text[text.find("{") : text.rfind("}") + 1]):
        if (found := _object(candidate)) is not None:
            return found
    return None


def _object(written: object) -> dict[str, Any] | None:
    if isinstance(written, str):
        try:
            written = orjson.loads(written)
        except orjson.JSONDecodeError:
            return None
    return dict(written) if isinstance(written, dict) else None
