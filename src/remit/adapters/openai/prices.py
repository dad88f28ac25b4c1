"""What tokens cost, in US dollars, always rounded up to a micro-dollar."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from remit.adapters.openai.spec import ModelSpec
from remit.errors import InvalidSetting, PriceUnknown
from remit.quantities import MICROS, Money

CURRENCY = "USD"
LOCAL_NOTE = "The endpoint is on this machine and no price is configured: its tokens are priced at zero."
_PRICE_MAX = Decimal(100_000)
#: pydantic-ai's names of providers that genai-prices knows by another.
_PROVIDERS = {
    "azure-responses": "azure",
    "bedrock": "aws",
    "bedrock-mantle": "aws",
    "google-cloud": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "grok": "x-ai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "xai": "x-ai",
}


@dataclass(frozen=True, slots=True)
class Prices:
    """The price of one model: the configured one, else the published one."""

    spec: ModelSpec
    #: US dollars per million tokens in and out, which are micro-dollars per token.
    configured: tuple[Decimal, Decimal] | None = None

    @classmethod
    def read(cls, spec: ModelSpec, text: str | None) -> "Prices":
        """Read `IN/OUT`, such as `0.15/0.60`.

        Raises:
            InvalidSetting: not two amounts from 0 to 100000.
        """
        if not text:
            return cls(spec)
        try:
            price_in, price_out = (Decimal(part.strip()) for part in text.split("/"))
        except (InvalidOperation, ValueError):
            price_in = price_out = Decimal("NaN")
        if not all(price.is_finite() and 0 <= price <= _PRICE_MAX for price in (price_in, price_out)):
            raise InvalidSetting(f"The price {text!r} is not INPUT/OUTPUT in US dollars per million tokens.")
        return cls(spec, (price_in, price_out))

    def cost(self, usage: Any, *, model: str | None = None) -> Money:
        """The price of a usage with `input_tokens` and `output_tokens`.

        Args:
            usage: also with what genai-prices can tell apart, such as tokens read from a cache.
            model: the model's name where the specification leaves it to the endpoint.

        Raises:
            PriceUnknown: none is configured or published, and the endpoint is not on this machine.
        """
        if self.configured is not None:
            price_in, price_out = self.configured
            return _rounded(price_in * usage.input_tokens + price_out * usage.output_tokens)
        published = self._published(usage, model or self.spec.model)
        if published is not None:
            return _rounded(published * MICROS)
        if self.spec.loopback:
            return Money(0, CURRENCY)
        raise PriceUnknown(f"There is no published price for {self.spec.text}.")

    def note(self) -> str | None:
        """What a reader of the cost must know, if anything."""
        if self.configured is not None or not self.spec.loopback:
            return None
        return LOCAL_NOTE if self._published(Tokens(1, 1), self.spec.model) is None else None

    def tokens(self, tokens_in: int, tokens_out: int) -> Money:
        return self.cost(Tokens(tokens_in, tokens_out))

    def _published(self, usage: Any, model: str | None) -> Decimal | None:
        from genai_prices import calc_price  # noqa: PLC0415 - a quarter of a second; a home without a model needs none

        if model is None:
            return None
        try:
            if self.spec.provider is None:
                return calc_price(usage, model, provider_api_url=self.spec.base_url).total_price
            provider = self.spec.provider.removeprefix("gateway/")
            return calc_price(usage, model, provider_id=_PROVIDERS.get(provider, provider)).total_price
        except LookupError:
            return None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a turn used, in the words of the price list."""

    input_tokens: int
    output_tokens: int
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    input_audio_tokens: int = 0
    cache_audio_read_tokens: int = 0
    output_audio_tokens: int = 0


def _rounded(micros: Decimal) -> Money:
    return Money(int(micros.to_integral_value(ROUND_CEILING)), CURRENCY)
