"""The tool `chat`: its schema, and its arguments as a request to a model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from remit.adapters.pydantic_ai.chat_tool import OUTPUT_NAME, SETTINGS

PARAMETERS = TypeAdapter(ModelRequestParameters)
#: Content that the provider, or this process on its behalf, would fetch: a road past the door.
_FETCHED = frozenset({"image-url", "audio-url", "video-url", "document-url", "uploaded-file"})


@dataclass(frozen=True, slots=True)
class Question:
    """One request to a model."""

    messages: list[ModelMessage]
    parameters: ModelRequestParameters
    settings: ModelSettings
    output_name: str


def question(arguments: Mapping[str, Any], *, output_tokens: int) -> Question:
    """Read the arguments.

    Raises:
        ValueError: they are not in form, or ask for what the door cannot see; the text names no content.
    """
    settings = dict(arguments.get("settings") or {})
    if foreign := settings.keys() - SETTINGS:
        raise ValueError(f"settings {', '.join(sorted(foreign))} are not passed on")
    name = str(arguments.get("output_name") or OUTPUT_NAME)
    return Question(
        messages=_messages(arguments),
        parameters=_parameters(arguments, name),
        settings=cast("ModelSettings", settings | {"max_tokens": output_tokens, "max_retries": 0}),
        output_name=name,
    )


def _messages(arguments: Mapping[str, Any]) -> list[ModelMessage]:
    written = arguments.get("messages")
    if written is None:
        prompt = UserPromptPart(content=str(arguments["prompt"]))
        return [ModelRequest(parts=[prompt], instructions=arguments.get("instructions"))]
    if any(part in _FETCHED for part in _kinds(written)):
        raise ValueError("messages may not refer to content by address")
    try:
        return ModelMessagesTypeAdapter.validate_json(orjson.dumps(written))
    except ValidationError:
        raise ValueError("messages are not in pydantic-ai's form") from None


def _parameters(arguments: Mapping[str, Any], name: str) -> ModelRequestParameters:
    if (written := arguments.get("parameters")) is not None:
        if written.get("native_tools"):
            raise ValueError("a provider's own tools run behind the door's back and are not passed on")
        try:
            return PARAMETERS.validate_json(orjson.dumps(written))
        except ValidationError:
            raise ValueError("parameters are not in pydantic-ai's form") from None
    schema = arguments.get("output_schema")
    if schema is None:
        return ModelRequestParameters()
    # Both ways are offered; pydantic-ai takes the one that this model does best.
    return ModelRequestParameters(
        output_mode="auto",
        output_tools=[ToolDefinition(name=name, parameters_json_schema=schema, kind="output")],
        output_object=OutputObjectDefinition(json_schema=schema, name=name),
        allow_text_output=False,
    )


def _kinds(value: object) -> Iterator[str]:
    """Every `kind` in a JSON value that goes with an address or a file."""
    if isinstance(value, Mapping):
        kind = value.get("kind")
        if isinstance(kind, str) and ("url" in value or "file_id" in value):
            yield kind
        for inner in value.values():
            yield from _kinds(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _kinds(inner)
