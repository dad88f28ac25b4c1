"""Carries requests to models behind one OpenAI-compatible endpoint."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from remit.adapters.egress import EgressClient, Reply
from remit.adapters.openai.prices import CURRENCY, Prices, Tokens
from remit.adapters.openai.requests import OPERATIONS, Operation, checked, operation, prepared, worst_tokens
from remit.adapters.openai.streams import ChatAnswer, Events, ResponseAnswer, cached_tokens, tokens_of
from remit.errors import ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult, Usage
from remit.quantities import Money
from remit.tools import Tool

#: Answers that another try may not get: timeout, conflict, too early, too many. So is every 5xx.
_PASSING = frozenset({408, 409, 425, 429})
_MESSAGE_MAX = 500
_JSON = {"content-type": "application/json", "accept": "application/json"}
_EVENTS = {"content-type": "application/json", "accept": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """One model as it is offered."""

    #: What agents ask for.
    name: str
    #: What the endpoint calls it.
    model: str
    prices: Prices
    #: The most tokens of one answer.
    output_tokens_max: int
    #: The field that bounds a chat's answer there.
    limit_field: str
    operations: tuple[str, ...]


class ModelsTransport:
    """Carries one request at a time to one of its models. It never tries again: the caller does."""

    def __init__(self, client: EgressClient, url: str, models: Sequence[ModelEndpoint]) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._models = {model.name: model for model in models}

    def worst_case(self, arguments: Mapping[str, Any]) -> Money:
        """The most that a request is taken to cost.

        Raises:
            PriceUnknown: the model has no price.
        """
        model = self._models[arguments["model"]]
        return model.prices.tokens(*worst_tokens(operation(arguments), arguments["request"], model.output_tokens_max))

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> None:  # noqa: ARG002 -- the port's form
        """Look at a request before anything is held or sent.

        Raises:
            InvalidArguments: it lacks what every request has, or asks the provider for what would pass by the door.
        """
        checked(operation(arguments), arguments["request"])

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        return await self.stream(tool, arguments, idempotency_key=idempotency_key, on_part=None)

    async def stream(
        self,
        tool: Tool,
        arguments: Mapping[str, Any],
        *,
        idempotency_key: str,  # noqa: ARG002 -- a model has no effect to repeat
        on_part: Callable[[Any], None] | None,
    ) -> ToolResult:
        """Ask once; each piece of the answer is handed to `on_part` as it comes."""
        model, wanted = self._models[arguments["model"]], operation(arguments)
        on_part = None if wanted.name == "embeddings" else on_part  # those come in one piece
        request = {**arguments["request"], "stream": on_part is not None}
        sent = prepared(
            wanted,
            request,
            model=model.model,
            output_tokens_max=model.output_tokens_max,
            limit_field=model.limit_field,
        )
        if not sent["stream"]:
            del sent["stream"]
        body = orjson.dumps(sent)
        if on_part is None:
            reply = await self._client.send(
                "POST", self._url + wanted.path, headers=_JSON, content=body, seconds=tool.timeout_seconds
            )
            answer = self._answer(reply)
            return answer if isinstance(answer, ToolResult) else self._result(model, arguments, answer)
        return await self._streamed(model, wanted, arguments, body, on_part, tool.timeout_seconds)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return [definition(model) for model in self._models.values()]

    async def close(self) -> None:
        await self._client.close()

    async def _streamed(
        self,
        model: ModelEndpoint,
        wanted: Operation,
        arguments: Mapping[str, Any],
        body: bytes,
        on_part: Callable[[Any], None],
        seconds: float,
    ) -> ToolResult:
        whole = ChatAnswer() if wanted.name == "chat" else ResponseAnswer()
        events = Events()
        headers, address = _EVENTS, self._url + wanted.path
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.open("POST", address, headers=headers, content=body) as response,
            ):
                if response.status_code != 200:
                    told = self._answer(Reply(response.status_code, response.headers, await response.aread()))
                    assert isinstance(told, ToolResult)
                    return told
                async for piece in response.aiter_raw():
                    for data in events.feed(piece):
                        if (part := whole.take(data)) is not None:
                            on_part(part)
        except TimeoutError:
            raise ToolUnreachable(f"The model was not done in {seconds:g} seconds.", rule="timeout") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ToolUnreachable("The model's endpoint sent what is no part of an answer.") from error
        if not whole.ended:
            raise ToolUnreachable("The model's answer broke off.", rule="half_an_answer")
        return self._result(model, arguments, whole.answer())

    def _answer(self, reply: Reply) -> dict[str, Any] | ToolResult:
        """The model's answer, or its refusal.

        Raises:
            ToolUnavailable, CredentialRefused, ToolUnreachable: there is none.
        """
        if reply.status in {401, 403}:
            raise self._client.refused(f"The model's endpoint answered {reply.status}.", rule=f"http_{reply.status}")
        if reply.status in _PASSING or reply.status >= 500:
            raise ToolUnavailable(f"The model's endpoint answered {reply.status}.", rule=f"http_{reply.status}")
        try:
            answer = orjson.loads(reply.body)
        except ValueError:
            answer = None
        if reply.status != 200:
            return _refused(reply.status, answer)
        if not isinstance(answer, dict):
            raise ToolUnreachable("The model's endpoint answered what is no answer of a model.")
        return answer

    def _result(self, model: ModelEndpoint, arguments: Mapping[str, Any], answer: dict[str, Any]) -> ToolResult:
        usage = answer.get("usage")
        told = tokens_of(usage)
        if told is None:
            # An endpoint that tells no usage is taken at its worst.
            return ToolResult(answer, usage=Usage(self.worst_case(arguments), *_worst(model, arguments)))
        tokens_in, tokens_out = told
        cost = model.prices.cost(Tokens(tokens_in, tokens_out, cache_read_tokens=cached_tokens(usage)))
        return ToolResult(answer, usage=Usage(cost, tokens_in, tokens_out))


def definition(model: ModelEndpoint) -> dict[str, Any]:
    """The model as a tool."""
    return {
        "name": model.name,
        "description": f"Ask the language model {model.model} once.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "model": {"const": model.name},
                "operation": {"enum": [name for name in OPERATIONS if name in model.operations]},
                "request": {"type": "object", "description": "As the OpenAI-compatible endpoint takes it."},
            },
            "required": ["model", "operation", "request"],
            "additionalProperties": False,
        },
    }


def _worst(model: ModelEndpoint, arguments: Mapping[str, Any]) -> tuple[int, int]:
    return worst_tokens(operation(arguments), arguments["request"], model.output_tokens_max)


def _refused(status: int, answer: Any) -> ToolResult:
    told = answer.get("error") if isinstance(answer, dict) else None
    message = told.get("message") if isinstance(told, dict) else None
    why = f": {message[:_MESSAGE_MAX]}" if isinstance(message, str) and message else ""
    return ToolResult(
        None, error=f"http_{status}: the model's endpoint refused the request{why}", usage=Usage(Money(0, CURRENCY))
    )
