"""Which model is meant: a pydantic-ai name, or the address of an OpenAI-compatible endpoint."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from remit.errors import InvalidSetting

_NAME = re.compile(r"[a-z0-9_./-]+:\S+|test")
#: The providers that can be reached at another address.
OPENAI_KINDS = frozenset({"openai", "openai-chat", "openai-responses"})
_FORM = "PROVIDER:MODEL as pydantic-ai names it, or http://HOST:PORT/v1, optionally with #MODEL"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A provider's model, or an endpoint and perhaps the model to ask for there."""

    #: pydantic-ai's name of the provider; None for an endpoint given by its address.
    provider: str | None
    #: None: the endpoint's own first model.
    model: str | None
    #: Address of the endpoint; None for the provider's own.
    base_url: str | None

    @classmethod
    def read(cls, text: str, base_url: str | None = None) -> "ModelSpec":
        """Read a setting such as `openai:gpt-4o-mini` or `http://127.0.0.1:8000/v1#llama`.

        Raises:
            InvalidSetting: it has neither form.
        """
        if text.startswith(("http://", "https://")):
            address, _, model = text.partition("#")
            if not urlsplit(address).hostname:
                raise InvalidSetting(f"The model {address!r} is no address; it is {_FORM}.")
            return cls(provider=None, model=model or None, base_url=address.rstrip("/"))
        if not _NAME.fullmatch(text):
            raise InvalidSetting(f"The model {text!r} is not understood; it is {_FORM}.")
        provider, _, model = text.partition(":")
        elsewhere = base_url.rstrip("/") if base_url and provider in OPENAI_KINDS else None
        return cls(provider=provider, model=model or text, base_url=elsewhere)

    @property
    def text(self) -> str:
        if self.provider is None:
            return f"{self.base_url}#{self.model}" if self.model else str(self.base_url)
        return self.provider if self.model == self.provider else f"{self.provider}:{self.model}"

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is given and stands on this machine."""
        host = urlsplit(self.base_url or "").hostname
        if host is None or host == "localhost":
            return host is not None
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False
