"""Secrets in HashiCorp Vault and what speaks its API: the key-value engine, version 2."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import orjson

from remit.errors import CredentialMissing, ToolUnreachable

#: How long a secret is used before it is asked for again; one that a source refuses is asked for at once.
KEPT_SECONDS = 60.0

#: Asks an address with these headers, and gives status and body; raises ToolUnreachable where that is not possible.
Get = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]


class Vault:
    """Reads secrets by `MOUNT/PATH#FIELD`."""

    def __init__(self, address: str, token_file: Path, get: Get) -> None:
        """Describe the place; nothing is asked yet.

        Args:
            address: where Vault stands.
            token_file: holds the token; read each time, as an agent of Vault's renews it.
            get: carries the request.
        """
        self._address = address.rstrip("/")
        self._token_file = token_file
        self._get = get
        self._kept: dict[str, tuple[str, float]] = {}
        self._asking = asyncio.Lock()

    async def resolve(self, name: str) -> str:
        """The secret.

        Raises:
            CredentialMissing: it is not there, or Vault cannot be asked.
        """
        async with self._asking:
            secret, until = self._kept.get(name, ("", 0.0))
            if asyncio.get_running_loop().time() >= until:
                secret = await self._asked(name)
                self._kept[name] = (secret, asyncio.get_running_loop().time() + KEPT_SECONDS)
            return secret

    def refused(self, name: str) -> None:
        """A source did not take it."""
        self._kept.pop(name, None)

    async def _asked(self, name: str) -> str:
        place, _, key = name.partition("#")
        mount, _, path = place.partition("/")
        try:
            token = (await asyncio.to_thread(self._token_file.read_text, "utf-8")).strip()
            status, body = await self._get(f"{self._address}/v1/{mount}/data/{path}", {"x-vault-token": token})
        except (OSError, UnicodeDecodeError):
            raise CredentialMissing("The file that REMIT_VAULT_TOKEN_FILE names cannot be read.") from None
        except ToolUnreachable as error:
            raise CredentialMissing(f"Vault cannot be asked: {error.detail}") from None
        if status != 200:
            told = {403: "its token may not read it", 404: "there is nothing"}.get(status, f"it answered {status}")
            raise CredentialMissing(f"Vault does not give vault:{name}: {told}.")
        try:
            secret = orjson.loads(body)["data"]["data"][key]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise CredentialMissing(f"What Vault holds at {place} has no field {key!r}.") from None
        if not isinstance(secret, str) or not secret:
            raise CredentialMissing(f"vault:{name} is empty, or no text.")
        return secret
