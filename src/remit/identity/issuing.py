"""The home's keys that sign agents' tokens: where they are kept, and which of them are taken now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from remit.errors import KeyMissing
from remit.identity import jose
from remit.identity.revocation import Revocations


class KeyStorage(Protocol):
    """Keeps secrets by name, readable by the home's owner only."""

    def save(self, name: str, secret: bytes) -> None:
        """Keep a secret durably; a name is used once."""
        ...

    def load(self, name: str) -> bytes | None:
        """The secret, or None where there is none of this name."""
        ...

    def remove(self, name: str) -> None:
        """Forget a secret; harmless where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class IssuingKey:
    """One key of the home that signs tokens with ES256."""

    #: Its thumbprint (RFC 7638).
    kid: str
    #: Counted from 1 in this home.
    epoch: int
    jwk: "jose.ECKey" = field(repr=False, compare=False)
    #: When the last token that it may have signed has expired; 0 while it is the current one.
    until_us: int = 0

    @classmethod
    def generate(cls, epoch: int) -> "IssuingKey":
        """A fresh key."""
        jwk = jose.ECKey.generate_key("P-256")
        return cls(jwk.thumbprint(), epoch, jwk)

    @property
    def secret(self) -> bytes:
        """What is kept of it: a private JWK."""
        return orjson.dumps(self.jwk.as_dict(private=True))

    @classmethod
    def open(cls, kid: str, epoch: int, until_us: int, secret: bytes) -> "IssuingKey":
        """The key as it was kept.

        Raises:
            KeyMissing: what was kept is not the key of this name.
        """
        try:
            jwk = jose.ECKey.import_key(orjson.loads(secret))
        except (jose.JoseError, ValueError) as error:
            raise KeyMissing(f"The key {kid} of agents' tokens cannot be read.") from error
        if jwk.thumbprint() != kid or not jwk.is_private:
            raise KeyMissing(f"The key {kid} of agents' tokens is not what its name says.")
        return cls(kid, epoch, jwk, until_us)


@dataclass(frozen=True, slots=True)
class TokenView:
    """What decides on tokens now; replaced as a whole when keys or revocations change."""

    keys: Mapping[str, IssuingKey] = field(default_factory=dict)
    revocations: Revocations = field(default_factory=Revocations)

    @property
    def current(self) -> IssuingKey | None:
        """The key that signs new tokens; None before the first."""
        return max((key for key in self.keys.values() if not key.until_us), key=lambda key: key.epoch, default=None)

    def find(self, kid: str, now_us: int) -> IssuingKey | None:
        """The key with this name, or None where it is not known or its last token has expired."""
        key = self.keys.get(kid)
        return None if key is None or (key.until_us and key.until_us <= now_us) else key
