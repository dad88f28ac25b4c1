"""The model object that a specification means."""

import os
from contextlib import suppress

import openai
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from remit.adapters.openai.spec import OPENAI_KINDS, ModelSpec
from remit.errors import InvalidSetting

_LIST_SECONDS = 5.0
_UNNAMED = "default"
_OPENAI = "https://api.openai.com/"


async def connected(spec: ModelSpec, api_key: str | None) -> Model:
    """Make the model ready; an endpoint without a named model is asked for its first.

    Raises:
        InvalidSetting: pydantic-ai knows no such model, its package is missing, or it wants a key.
    """
    try:
        model = await _model(spec, api_key)
    except (UserError, ImportError, ValueError) as error:
        raise InvalidSetting(f"The model {spec.text} cannot be used: {error}") from None
    await model.__aenter__()
    return model


async def _model(spec: ModelSpec, api_key: str | None) -> Model:
    if spec.provider is None:
        endpoint = _endpoint(spec, api_key)
        return OpenAIChatModel(spec.model or await _first(endpoint.client), provider=endpoint)
    if spec.provider not in OPENAI_KINDS:
        return infer_model(spec.text)
    provider = OpenAIProvider(base_url=spec.base_url, api_key=api_key)
    stands_in = not provider.base_url.startswith(_OPENAI)
    # Endpoints that stand in for OpenAI's all speak chat completions; few speak the newer API.
    if spec.provider == "openai-chat" or (spec.provider == "openai" and stands_in):
        return OpenAIChatModel(str(spec.model), provider=provider)
    return OpenAIResponsesModel(str(spec.model), provider=provider)


def _endpoint(spec: ModelSpec, api_key: str | None) -> OpenAICompatibleProvider:
    return OpenAICompatibleProvider(
        "openai-compatible",
        base_url=str(spec.base_url),
        # The provider SDKs read their own keys from the environment; for an endpoint this is the name in use.
        api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
        # The older name of the limit is the one that every server heeds.
        profile=OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False),
    )


async def _first(client: openai.AsyncOpenAI) -> str:
    with suppress(openai.OpenAIError, IndexError, ValueError):
        page = await client.with_options(max_retries=0, timeout=_LIST_SECONDS).models.list()
        return page.data[0].id
    return _UNNAMED
