"""The model object that a specification means."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import openai
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from remit.adapters.openai.spec import OPENAI_KINDS, ModelSpec
from remit.adapters.pydantic_ai.way_out import WayOut, reached
from remit.errors import InvalidSetting

__all__ = ["WayOut", "connected", "reached"]

_LIST_SECONDS = 5.0
_UNNAMED = "default"
_OPENAI = "https://api.openai.com/"


async def connected(spec: ModelSpec, api_key: str | None, way_out: WayOut) -> Model:
    """Make the model ready; an endpoint without a named model is asked for its first.

    Raises:
        InvalidSetting: pydantic-ai knows no such model, its package is missing, or it wants a key.
    """
    try:
        model = await _model(spec, api_key, way_out)
    except (UserError, ImportError, ValueError) as error:
        raise InvalidSetting(f"The model {spec.text} cannot be used: {error}") from None
    await model.__aenter__()
    return model


async def _model(spec: ModelSpec, api_key: str | None, way_out: WayOut) -> Model:
    if spec.provider is None:
        endpoint = _endpoint(spec, api_key, way_out)
        return OpenAIChatModel(spec.model or await _first(endpoint), provider=endpoint)
    if spec.provider not in OPENAI_KINDS:
        return infer_model(spec.text, lambda name: _provider(name, way_out))
    provider = OpenAIProvider(base_url=spec.base_url, api_key=api_key, http_client=way_out.client())
    stands_in = not provider.base_url.startswith(_OPENAI)
    # Endpoints that stand in for OpenAI's all speak chat completions; few speak the newer API.
    if spec.provider == "openai-chat" or (spec.provider == "openai" and stands_in):
        return OpenAIChatModel(str(spec.model), provider=provider)
    return OpenAIResponsesModel(str(spec.model), provider=provider)


def _provider(name: str, way_out: WayOut) -> Provider[Any]:
    with suppress(ImportError):  # a name that nobody knows is told first, a package that is missing last
        infer_provider_class(name)
    client = way_out.client_for(name)
    found: Callable[..., Provider[Any]] = infer_provider_class(name)
    return found(http_client=client)


def _endpoint(spec: ModelSpec, api_key: str | None, way_out: WayOut) -> OpenAICompatibleProvider:
    return OpenAICompatibleProvider(
        "openai-compatible",
        base_url=str(spec.base_url),
        # The provider SDKs read their own keys from the environment; for an endpoint this is the name in use.
        api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
        http_client=way_out.client(),
        # The older name of the limit is the one that every server heeds.
        profile=OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False),
    )


async def _first(endpoint: OpenAICompatibleProvider) -> str:
    with suppress(openai.OpenAIError, IndexError, ValueError):
        page = await endpoint.client.with_options(max_retries=0, timeout=_LIST_SECONDS).models.list()
        return page.data[0].id
    return _UNNAMED
