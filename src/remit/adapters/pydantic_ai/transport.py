"""The source `model` with the one tool `chat`."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import orjson

from remit.adapters.openai.prices import CURRENCY, Prices
from remit.adapters.openai.spec import ModelSpec
from remit.adapters.pydantic_ai.chat_tool import DEFINITION
from remit.errors import InvalidSetting, PriceUnknown, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult, Usage
from remit.quantities import Money
from remit.registry import Network
from remit.tools import Tool

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from remit.adapters.pydantic_ai.way_out import WayOut

#: A token of prose is seldom shorter than three bytes; figures and codes are, hence a tenth and a fixed part on top.
_BYTES_PER_TOKEN = 3
_MARGIN_TOKENS = 200


class ModelTransport:
    """Carries one request at a time to one model. It never tries again: the mission does."""

    def __init__(
        self,
        spec: str,
        base_url: str | None = None,
        price: str | None = None,
        *,
        network: Network | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 120.0,
        output_tokens_max: int = 4096,
    ) -> None:
        """Describe the model; nothing is imported or reached yet.

        Args:
            spec: `PROVIDER:MODEL` as pydantic-ai names it, or the address of an OpenAI-compatible endpoint.
            base_url: where the provider `openai` is reached; None leaves it to OPENAI_BASE_URL.
            price: `IN/OUT`, US dollars per million tokens; None takes the published price.
            network: where it may be reached besides public addresses, and on this machine where `spec` puts it there.
            api_key: for `openai` and for endpoints; None leaves it to the provider's own variable.
            timeout_seconds: how long a request may take where its tool does not say less.
            output_tokens_max: the most that a request may ask for, and what it gets where it does not ask.

        Raises:
            InvalidSetting: the specification or the price is not in form.
        """
        # As with keys, the variable is the provider's SDK's own; it is read here because prices depend on the place.
        self._spec = ModelSpec.read(spec, base_url or os.environ.get("OPENAI_BASE_URL"))
        self._prices = Prices.read(self._spec, price)
        self._network = network or Network()
        self._api_key = api_key
        self._timeout_seconds = timeout_seconds
        self._output_tokens_max = output_tokens_max
        self._connecting: asyncio.Task[tuple[Model, WayOut]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """The model as it was specified."""
        return self._spec.text

    @property
    def network(self) -> Network:
        """Where it may be reached besides public addresses, and besides this machine."""
        return self._network

    @property
    def price_note(self) -> str | None:
        """What a reader of costs must know: that a model on this machine was priced at zero."""
        return self._prices.note()

    def worst_case(self, arguments: Mapping[str, Any]) -> Money:
        """The most that a request is taken to cost: its size over-estimated, and every token that it may answer.

        Raises:
            PriceUnknown: the model has no price.
        """
        size = len(orjson.dumps(dict(arguments)))
        tokens_in = size * 11 // (_BYTES_PER_TOKEN * 10) + _MARGIN_TOKENS
        return self._prices.tokens(tokens_in, self._output_tokens(arguments))

    def price_of(self, usage: Usage) -> Money:
        """The price of so many tokens, rounded up to a micro-dollar; none of them taken as read from a cache.

        Raises:
            PriceUnknown: the model has no price.
        """
        return self._prices.tokens(usage.tokens_in, usage.tokens_out)

    async def prepare(self) -> str:
        """Connect, and return the name of the model that will be asked.

        Raises:
            InvalidSetting: pydantic-ai knows no such model, its package is missing, or it wants a key.
        """
        return (await self._connected()).model_name

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:  # noqa: ARG002 - a model has no effect to repeat
        if self._closed:
            raise ToolUnavailable("The model's connection is closed.", rule="not_sent")
        try:
            worst = self.worst_case(arguments)
            model = await self._connected()
        except (InvalidSetting, PriceUnknown) as error:
            why = f"{error.code}: {error.detail} {error.advice}"
            return ToolResult(content=None, error=why, usage=Usage(Money(0, CURRENCY)))
        chat = await asyncio.to_thread(_chat)
        answer = await chat.ask(
            model,
            arguments,
            output_tokens=self._output_tokens(arguments),
            seconds=min(tool.timeout_seconds, self._timeout_seconds),
        )
        if isinstance(answer, ToolUnreachable):
            raise answer
        if isinstance(answer, ToolResult):
            return answer
        note = self.price_note
        content = answer.content | ({"price_note": note} if note else {})
        tokens = answer.usage
        # A provider that tells no usage is taken at its worst.
        told = bool(tokens.input_tokens or tokens.output_tokens)
        cost = self._prices.cost(tokens, model=model.model_name) if told else worst
        return ToolResult(content=content, usage=Usage(cost, tokens.input_tokens, tokens.output_tokens))

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return [DEFINITION]

    async def close(self) -> None:
        self._closed = True
        connecting, self._connecting = self._connecting, None
        if connecting is None or self._loop is not asyncio.get_running_loop():
            return
        connecting.cancel()
        await asyncio.wait([connecting])
        if not connecting.cancelled() and connecting.exception() is None:
            model, way_out = connecting.result()
            await model.__aexit__(None, None, None)
            await way_out.close()

    def _output_tokens(self, arguments: Mapping[str, Any]) -> int:
        asked = arguments.get("max_output_tokens") or (arguments.get("settings") or {}).get("max_tokens")
        return min(int(asked or self._output_tokens_max), self._output_tokens_max)

    async def _connected(self) -> "Model":
        """The model, made ready once and for all callers; anew on another event loop or after a failure."""
        loop = asyncio.get_running_loop()
        task = self._connecting
        if task is None or self._loop is not loop or (task.done() and (task.cancelled() or task.exception())):
            self._loop = loop
            self._connecting = task = loop.create_task(self._connect())
        model, _ = await asyncio.shield(task)
        return model

    async def _connect(self) -> "tuple[Model, WayOut]":
        provider = await asyncio.to_thread(_provider, self._spec.text)
        way_out: WayOut = provider.WayOut(provider.reached(self._spec, self._network))
        try:
            model: Model = await provider.connected(self._spec, self._api_key, way_out)
        except BaseException:
            await way_out.close()
            raise
        return model, way_out


def _provider(spec: str) -> ModuleType:
    try:
        from remit.adapters.pydantic_ai import provider  # noqa: PLC0415 - imports pydantic-ai: 1.2 s
    except ImportError as error:
        raise InvalidSetting(
            f"The model {spec} needs the package {error.name}.", hint="Install it: `pip install 'remit[models]'`."
        ) from error
    return provider


def _chat() -> ModuleType:
    from remit.adapters.pydantic_ai import chat  # noqa: PLC0415 - imports pydantic-ai

    return chat
