"""The model's requests leave by Remit's one way out: a transport for the HTTP client that the providers' SDKs take."""

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import httpx2

from remit.adapters.egress import EgressTransport, httpx_client
from remit.adapters.openai.spec import ModelSpec
from remit.errors import EgressRefused, InvalidSetting, ToolUnreachable
from remit.registry import Network

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
#: pydantic-ai's names of providers that send every request through a client of httpx2 which they are given.
_GIVEN_HTTPX2 = frozenset(
    {
        "alibaba", "anthropic", "azure", "azure-responses", "cerebras", "crusoe", "deepseek", "fireworks", "google",
        "heroku", "litellm", "mistral", "moonshotai", "nebius", "ollama", "openrouter", "ovhcloud", "sambanova",
        "together", "vercel", "vllm", "zai",
    }
)  # fmt: skip
#: And those that take one of httpx.
_GIVEN_HTTPX = frozenset({"cohere", "groq"})
#: What a client waits for where the request says nothing; a request always does.
_SECONDS = 120.0


def reached(spec: ModelSpec, declared: Network) -> Network:
    """What the model may be reached at: what was declared, and this machine where the model was put there by name."""
    return replace(declared, networks=(*declared.networks, *_LOOPBACK)) if spec.loopback else declared


class WayOut:
    """The clients of one model, over one transport."""

    def __init__(self, network: Network) -> None:
        self._transport = EgressTransport(network)

    def client(self) -> httpx2.AsyncClient:
        """A client that decides nothing of its own."""
        timeout = httpx2.Timeout(_SECONDS)
        return httpx2.AsyncClient(
            transport=_Carried(self._transport), trust_env=False, follow_redirects=False, timeout=timeout
        )

    def client_for(self, provider: str) -> Any:
        """The client that this provider of pydantic-ai takes.

        Raises:
            InvalidSetting: it takes none, so that its requests could not be held to what is allowed.
        """
        if provider in _GIVEN_HTTPX2:
            return self.client()
        if provider in _GIVEN_HTTPX:
            return httpx_client(self._transport, seconds=_SECONDS)
        raise InvalidSetting(
            f"The provider {provider!r} sends requests past Remit's way out.",
            hint="Name an OpenAI-compatible endpoint of it by its address, or one of "
            f"{', '.join(sorted(_GIVEN_HTTPX2 | _GIVEN_HTTPX | {'openai'}))}.",
        )

    async def close(self) -> None:
        await self._transport.aclose()


def stopped(error: BaseException) -> ToolUnreachable | None:
    """What the way out itself said, where that is why an SDK's request failed; without a trace of the request."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, EgressRefused):
            hint = _MOVED if seen.rule == "egress_redirect" else _DECLARE
            return EgressRefused(seen.detail, hint=hint, rule=seen.rule)
        if isinstance(seen, ToolUnreachable):
            return type(seen)(seen.detail, hint=seen.advice, rule=seen.rule)
        seen = seen.__cause__ or seen.__context__
    return None


_MOVED = "If that is where the model stands now, write that address in REMIT_MODEL."
_DECLARE = (
    "If that is meant, name the address, network or host in REMIT_MODEL_NETWORK; otherwise correct the model's address."
)


class _Carried(httpx2.AsyncBaseTransport):
    """httpx2's form of the way out; the two libraries name the same things alike."""

    def __init__(self, transport: EgressTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=await request.aread(),
            extensions=dict(request.extensions),
        )
        try:
            answer = await self._transport.handle_async_request(asked)
        except httpx.TransportError as error:
            raise _as_httpx2(error) from None
        return httpx2.Response(answer.status_code, headers=answer.headers.raw, stream=_Body(answer))


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.aiter_raw():
                yield chunk
        except httpx.TransportError as error:
            raise _as_httpx2(error) from None

    async def aclose(self) -> None:
        await self._answer.aclose()


def _as_httpx2(error: httpx.TransportError) -> httpx2.TransportError:
    known: type[httpx2.TransportError] = getattr(httpx2, type(error).__name__, httpx2.NetworkError)
    return known(str(error))
