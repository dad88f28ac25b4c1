"""A model for agents written with pydantic-ai: each of its requests goes through the door."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from remit.adapters.pydantic_ai.chat_tool import SETTINGS
from remit.adapters.pydantic_ai.request import PARAMETERS

Call = Callable[[Mapping[str, Any]], Awaitable[Any]]
#: Differs from run to run: a resumed agent must ask in the same words, or its tape does not know the call again.
_VOLATILE = frozenset({"timestamp", "run_id", "conversation_id"})


class DoorModel(Model[Any]):
    """Hands every request to `call` as the arguments of `model__chat`, and reads the answer from its content."""

    def __init__(self, call: Call, *, model_name: str = "remit", max_output_tokens: int | None = None) -> None:
        super().__init__()
        self._call = call
        self._model_name = model_name
        self._max_output_tokens = max_output_tokens

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return "remit"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        content = await self._call(self._arguments(messages, model_settings, model_request_parameters))
        try:
            [response] = ModelMessagesTypeAdapter.validate_json(orjson.dumps([content["response"]]))
        except (KeyError, TypeError, ValidationError):
            raise UnexpectedModelBehavior("The door's answer holds no model response.") from None
        assert isinstance(response, ModelResponse)
        return response

    def _arguments(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "messages": [_stable(written) for written in ModelMessagesTypeAdapter.dump_python(messages, mode="json")],
            "parameters": _sorted(PARAMETERS.dump_python(parameters, mode="json")),
        }
        if chosen := {name: value for name, value in (settings or {}).items() if name in SETTINGS}:
            arguments["settings"] = chosen
        if self._max_output_tokens is not None:
            arguments["max_output_tokens"] = self._max_output_tokens
        return arguments


def _stable(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in message.items() if name not in _VOLATILE}
    parts = [{name: value for name, value in part.items() if name not in _VOLATILE} for part in message["parts"]]
    return kept | {"parts": parts}


def _sorted(parameters: dict[str, Any]) -> dict[str, Any]:
    """Sets come as lists in an order of their own."""
    names = ("revealed_tool_names", "introduced_tool_names", "deferred_capability_ids")
    return parameters | {name: sorted(parameters.get(name) or ()) for name in names}
