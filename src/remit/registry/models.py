"""`models:` of a tool source: language models behind one OpenAI-compatible endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictStr, field_validator

from remit.registry.schemas import Document, worded

ModelOperation = Literal["chat", "responses", "embeddings"]
_TokenField = Literal["max_tokens", "max_completion_tokens"]
_ModelName = Annotated[StrictStr, worded(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,99}", "a model's name")]
_OPENAI = "api.openai.com"


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        # Not shown back: what is refused here may hold a password.
        raise ValueError("expected an address such as https://api.openai.com/v1, without user and password in it")
    return text.rstrip("/")


class ModelDocument(Document):
    """One model as agents may ask for it."""

    model: StrictStr | None = Field(None, description="What the endpoint calls it; the name here by default.")
    price: (
        Annotated[StrictStr, worded(r"\d{1,6}(\.\d{1,6})?/\d{1,6}(\.\d{1,6})?", "INPUT/OUTPUT, such as '0.15/0.60'")]
        | None
    ) = Field(
        None,
        description="US dollars per million tokens in and out, such as `'0.15/0.60'`; the published price by default. "
        "A model without a price is refused, except on this machine.",
    )
    max_output_tokens: int = Field(
        4096, description="The most tokens of one answer, and what is held for it.", ge=1, le=1_000_000
    )
    operations: tuple[ModelOperation, ...] = Field(
        ("chat", "responses"), description="What it is offered for: `chat`, `responses`, `embeddings`."
    )
    instead: tuple[StrictStr, ...] = Field(
        (), description="Full names of models (`SOURCE__NAME`) that are asked where it cannot be reached, in order."
    )

    @field_validator("operations")
    @classmethod
    def _something(cls, operations: tuple[ModelOperation, ...]) -> tuple[ModelOperation, ...]:
        if not operations:
            raise ValueError("expected at least one of chat, responses, embeddings")
        return operations


class ModelsDocument(Document):
    """An endpoint and its models."""

    url: Annotated[StrictStr, AfterValidator(_address)] = Field(
        description="The endpoint's address, such as `https://api.openai.com/v1`."
    )
    provider: StrictStr | None = Field(
        None, description="Whose published prices hold, such as `openai`; by default the address tells."
    )
    bound: _TokenField | None = Field(
        None,
        description="The field that bounds a chat's answer there; `max_completion_tokens` at OpenAI, else "
        "`max_tokens`.",
    )
    models: dict[
        Annotated[StrictStr, worded(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,99}", "a model's name")], ModelDocument
    ] = Field(description="The models that may be asked at all, by the name that agents use.", min_length=1)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a source."""

    name: str
    model: str
    price: str | None
    output_tokens_max: int
    operations: tuple[str, ...]
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Models:
    """An endpoint and its models, by the name that agents use."""

    url: str
    provider: str | None
    limit_field: str
    models: Mapping[str, Model]


def models(document: ModelsDocument | None) -> Models | None:
    """The document as the rest of Remit sees it."""
    if document is None:
        return None
    openai = urlsplit(document.url).hostname == _OPENAI
    return Models(
        document.url,
        document.provider,
        document.bound or ("max_completion_tokens" if openai else "max_tokens"),
        {
            name: Model(name, one.model or name, one.price, one.max_output_tokens, one.operations, one.instead)
            for name, one in document.models.items()
        },
    )
