"""Where secrets stand: `env:NAME`, `file:PATH`, `kubernetes:SECRET/KEY`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from remit.errors import CredentialMissing

#: A longer file is no secret but a mistake.
_BYTES_MAX = 64 * 1024


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

    def __init__(self, environment: Mapping[str, str], *, folder: Path, mounted: Path) -> None:
        """Name the places.

        Args:
            environment: of `env:NAME`; read at each call.
            folder: what the path of `file:PATH` starts from where it is relative.
            mounted: the folder under which a cluster mounts one folder for each secret (`kubernetes:SECRET/KEY`).
        """
        self._environment = environment
        self._folder = folder
        self._mounted = mounted

    async def resolve(self, ref: str) -> str:
        store, _, name = ref.partition(":")
        match store:
            case "env":
                return self._from_environment(name)
            case "file":
                return await _from_file(self._folder / name, ref)
            case "kubernetes":
                return await _from_file(self._mounted / name, ref)
            case _:
                raise CredentialMissing(f"No store of secrets is known by {store!r}.", rule="credential_store")

    def refused(self, ref: str) -> None:
        """Nothing is remembered here."""

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
