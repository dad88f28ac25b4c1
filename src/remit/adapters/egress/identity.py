"""The certificate by which a source is shown who asks (mutual TLS): read from its files, and anew once they change."""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from stat import S_IMODE

from remit.errors import CredentialExposed, CredentialMissing
from remit.registry import ClientCertificate

#: The group may read a key, as mounted secrets have it; nobody else may, and nobody but its owner may write it.
_OTHERS = 0o037
#: When the files were last written, and how long they are.
State = tuple[int, int, int, int]


class ClientIdentity:
    """One source's certificate and key."""

    def __init__(self, declared: ClientCertificate, *, password: Callable[[], Awaitable[str]] | None = None) -> None:
        """Describe it; nothing is read yet.

        Args:
            declared: where the files are, as full paths.
            password: gives the key's; None where it has none.
        """
        self._declared = declared
        self._password = password

    @property
    def shown(self) -> str:
        """Where the certificate is, as errors name it."""
        return self._declared.file

    def state(self) -> State:
        """What tells that the files are others than before.

        Raises:
            CredentialMissing: one cannot be looked at.
            CredentialExposed: others may read the key.
        """
        told: list[int] = []
        for path, is_key in ((self._declared.file, False), (self._declared.key, True)):
            try:
                found = Path(path).stat()
            except OSError as error:
                raise _unreadable(path, str(error.strerror)) from None
            if is_key and S_IMODE(found.st_mode) & _OTHERS:
                raise CredentialExposed(
                    f"The key {path} can be read or written by others.", hint=f"chmod 600 {path}", rule="key_exposed"
                )
            told += [found.st_mtime_ns, found.st_size]
        return told[0], told[1], told[2], told[3]

    async def load(self, context: ssl.SSLContext) -> None:
        """Show the certificate in connections of this context.

        Raises:
            CredentialMissing: a file cannot be read, or they do not belong together.
        """
        password = await self._password() if self._password else ""
        certificate, key = self._declared.file, self._declared.key
        try:
            # With a password of its own the library never asks for one at the terminal.
            context.load_cert_chain(certificate, key, password=lambda: password)
        except ssl.SSLError:
            raise CredentialMissing(
                f"The certificate {certificate} and the key {key} cannot be used together.",
                hint="Both are PEM, the key is the certificate's, and `password` opens it where it is locked.",
            ) from None
        except OSError as error:
            raise _unreadable(f"{certificate} or {key}", str(error.strerror)) from None


def _unreadable(path: str, why: str) -> CredentialMissing:
    return CredentialMissing(
        f"The client certificate's file {path} cannot be read: {why}.",
        hint="Name it by its full path, or by its path from the home, and let the account that runs Remit read it.",
    )
