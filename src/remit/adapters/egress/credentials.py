"""The credential of a source, put into a request behind the door and nowhere before it."""

import base64
from dataclasses import dataclass, field

from remit.adapters.secrets import Scrubber, Secrets
from remit.errors import CredentialMissing
from remit.registry import Credential


@dataclass(frozen=True, slots=True)
class Injected:
    """What a request gets besides what was asked."""

    header: tuple[bytes, bytes] | None = None
    query: tuple[str, str] | None = None
    #: Takes the credential out of the answer.
    scrubber: Scrubber = field(default_factory=lambda: Scrubber(()))

    def __repr__(self) -> str:
        return "Injected(...)"


class Injector:
    """Reads one source's secret at each request."""

    def __init__(self, credential: Credential, secrets: Secrets) -> None:
        self._credential = credential
        self._secrets = secrets

    @property
    def header_name(self) -> bytes:
        """The header that only the credential may fill, in small letters; empty where it stands in the address."""
        match self._credential.form:
            case "query":
                return b""
            case "header":
                return self._credential.name.lower().encode()
            case _:
                return b"authorization"

    async def inject(self) -> Injected:
        """What the next request gets.

        Raises:
            CredentialMissing: the secret is not there, or cannot stand where it should.
        """
        written = self._credential
        secret = await self._secrets.resolve(written.ref)
        if written.form == "query":
            return Injected(query=(written.name, secret), scrubber=Scrubber((secret,)))
        if not secret.isascii() or not secret.isprintable():
            raise CredentialMissing(f"{written.ref} holds characters that cannot stand in a header.")
        match written.form:
            case "header":
                value, told = secret, [secret]
            case "bearer":
                value, told = f"Bearer {secret}", [secret]
            case "basic":
                user, colon, password = secret.partition(":")
                if not colon:
                    raise CredentialMissing(f"{written.ref} is sent as `basic` and must be USER:PASSWORD.")
                value, told = f"Basic {_base64(secret)}", [secret, password]
                del user
            case "env":
                raise CredentialMissing(f"{written.ref} is sent as a variable, and there is no process to send it to.")
        return Injected(header=(self.header_name, value.encode()), scrubber=Scrubber(told))

    @property
    def ref(self) -> str:
        """Where the secret stands."""
        return self._credential.ref

    def refused(self) -> None:
        """The source did not take it: read it anew the next time, whatever was remembered."""
        self._secrets.refused(self._credential.ref)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
