"""Where secrets stand: `env:NAME`, `file:PATH`, `kubernetes:SECRET/KEY`, `vault:MOUNT/PATH#FIELD`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from remit.adapters.secrets.vault import Vault
from remit.errors import CredentialMissing

#: A longer file is no secret but a mistake.
_BYTES_MAX = 64 * 1024
_NO_VAULT = "Set REMIT_VAULT_ADDRESS and REMIT_VAULT_TOKEN_FILE for the process that runs Remit."


class Secrets(Protocol):
    """Gives the secret that a reference names."""

    async def resolve(self, ref: str) -> str:
        """The secret as it stands now; a secret that was changed outside is used from the next call on.

        Raises:
            CredentialMissing: it is not there, is empty, or cannot be read.
        """
        ...

    def refused(self, ref: str) -> None:
        """A source did not take the secret: what was remembered of it, if anything, is not used again."""
        ...


class SecretStores:
    """Finds the store that a reference begins with, and asks it."""

    def __init__(
        self, environment: Mapping[str, str], *, folder: Path, mounted: Path, vault: Vault | None = None
    ) -> None:
        """Name the places.

        Args:
            environment: of `env:NAME`; read at each call.
            folder: what the path of `file:PATH` starts from where it is relative.
            mounted: the folder under which a cluster mounts one folder for each secret (`kubernetes:SECRET/KEY`).
            vault: of `vault:MOUNT/PATH#FIELD`; None where none is configured.
        """
        self._environment = environment
        self._folder = folder
        self._mounted = mounted
        self._vault = vault

    async def resolve(self, ref: str) -> str:
        store, _, name = ref.partition(":")
        match store:
            case "env":
                return self._from_environment(name)
            case "file":
                return await _from_file(self._folder / name, ref)
            case "kubernetes":
                return await _from_file(self._mounted / name, ref)
            case "vault" if self._vault is not None:
                return await self._vault.resolve(name)
            case "vault":
                raise CredentialMissing(f"{ref} cannot be read: no Vault is configured.", hint=_NO_VAULT)
            case _:
                raise CredentialMissing(f"No store of secrets is known by {store!r}.", rule="credential_store")

    def refused(self, ref: str) -> None:
        if self._vault is not None:
            self._vault.refused(ref.removeprefix("vault:"))

    def _from_environment(self, name: str) -> str:
        secret = self._environment.get(name, "")
        if not secret:
            raise CredentialMissing(f"The environment variable {name} of Remit's process is not set.")
        return secret


async def _from_file(path: Path, ref: str) -> str:
    try:
        content = await asyncio.to_thread(_read, path)
        secret = content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise CredentialMissing(f"{ref} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CredentialMissing(f"{ref} is not text.") from None
    if not secret or len(content) > _BYTES_MAX:
        raise CredentialMissing(f"{ref} is {'longer than a secret can be' if secret else 'empty'}.")
    return secret


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BYTES_MAX + 1)
