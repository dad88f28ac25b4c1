"""One request to a model, and its answer in the door's form."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.usage import RequestUsage

from remit.adapters.pydantic_ai.failures import failure, refused
from remit.adapters.pydantic_ai.output import object_of, text_of
from remit.adapters.pydantic_ai.request import Question, question
from remit.errors import ToolUnreachable
from remit.gateway.transport import ToolResult


@dataclass(frozen=True, slots=True)
class Answer:
    content: dict[str, Any]
    usage: RequestUsage


async def ask(
    model: Model, arguments: Mapping[str, Any], *, output_tokens: int, seconds: float
) -> Answer | ToolResult | ToolUnreachable:
    """Ask once. A failure is given back, not raised, so that it carries no trace of the request along."""
    try:
        asked = question(arguments, output_tokens=output_tokens)
    except ValueError as error:
        return refused(f"invalid_arguments: {error}")
    try:
        async with asyncio.timeout(seconds):
            response = await model_request(
                model,
                asked.messages,
                model_settings={**asked.settings, "timeout": seconds},
                model_request_parameters=asked.parameters,
            )
    except Exception as error:  # noqa: BLE001 - the edge to the provider's SDK, which may raise what it likes
        return failure(error)
    return Answer(_content(arguments, asked, response), response.usage)


def _content(arguments: Mapping[str, Any], asked: Question, response: ModelResponse) -> dict[str, Any]:
    content: dict[str, Any] = {
        "output": None,
        "text": text_of(response),
        "model": response.model_name,
        "finish_reason": response.finish_reason,
    }
    if arguments.get("output_schema") is not None:
        content["output"] = object_of(response, asked.output_name)
        if content["output"] is None:
            content["problem"] = "The model's answer holds no JSON object."
    if arguments.get("messages") is not None:
        content["response"] = ModelMessagesTypeAdapter.dump_python([response], mode="json")[0]
    return content
