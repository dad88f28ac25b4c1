"""How a tool source is reached: what it may connect to, and the secret that is injected."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError, ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, StrictStr, Tag, model_validator

from remit.registry.behalf import Exchange, ExchangeDocument, PerPersonDocument, exchange
from remit.registry.schemas import Document, by_form, worded
from remit.registry.secret_ref import SecretReference

#: A wider network would declare a good part of the internet, or all private addresses of a kind at once and more.
_PREFIX_MIN = {4: 8, 6: 7}
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_ADDRESS = re.compile(r"https?://[^\s/@?#\\]+([/?][^\s#]*)?")

AllowedNetwork = IPv4Network | IPv6Network


def _allowed(text: str) -> str:
    network = network_of(text)
    if network is None:
        if not _HOST.fullmatch(text.lower()) or re.fullmatch(r"[\d.]+", text):
            raise ValueError(f"{text[:60]!r} cannot stand here: expected an address, a network, or a host's name")
    elif network.prefixlen < _PREFIX_MIN[network.version]:
        raise ValueError(f"{text} is too wide: the shortest prefix is /{_PREFIX_MIN[network.version]}")
    return text


def network_of(text: str) -> AllowedNetwork | None:
    """The network that an entry of `allow` writes; None where it is a host's name."""
    try:
        return ip_network(text)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def _address(text: str) -> str:
    # Not shown back: what is refused here may hold a password.
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected an address, such as https://crm.example.com/mcp, without user and password in it")
    return text


#: Without a user and password in it: those are a credential.
Address = Annotated[StrictStr, AfterValidator(_address)]


class NetworkDocument(Document):
    """What a source may connect to besides public addresses."""

    allow: tuple[Annotated[StrictStr, AfterValidator(_allowed)], ...] = Field(
        (),
        description="Addresses (`10.1.2.3`), networks (`10.1.2.0/24`) and host names that may be reached though they "
        "are not public. A name does not stand for link-local and metadata addresses: those are declared as such.",
    )
    ca: StrictStr | None = Field(
        None,
        description="File (a path from the home) with the certificates of a company's own authority, taken besides the "
        "public ones.",
    )
    answer_bytes_max: int = Field(
        10_485_760, description="The longest answer that is read, in bytes.", ge=1024, le=104_857_600
    )


class HeaderForm(Document):
    """In a header of its own."""

    header: Annotated[StrictStr, worded(r"[A-Za-z0-9-]{1,100}", "a header's name, such as X-Api-Key")] = Field(
        description="The header's name, such as `X-Api-Key`."
    )


class QueryForm(Document):
    """In the address, where the service takes it nowhere else."""

    query: Annotated[StrictStr, worded(r"[\w.~-]{1,100}", "a parameter's name, such as api_key")] = Field(
        description="The parameter's name; addresses stand in the logs of others, so a header is better."
    )


class VariableForm(Document):
    """In the environment of a server that Remit starts."""

    env: Annotated[StrictStr, worded(r"[A-Za-z_]\w{0,199}", "a variable's name, such as GITHUB_TOKEN")] = Field(
        description="The variable's name, such as `GITHUB_TOKEN`; a changed secret restarts the server."
    )


def _form(value: object) -> str:
    if by_form(value) == "text":
        return "text"
    if isinstance(value, VariableForm) or (isinstance(value, dict) and "env" in value):
        return "env"
    return "query" if isinstance(value, QueryForm) or (isinstance(value, dict) and "query" in value) else "header"


CredentialForm = Annotated[
    Annotated[Literal["bearer", "basic"], Tag("text")]
    | Annotated[HeaderForm, Tag("header")]
    | Annotated[QueryForm, Tag("query")]
    | Annotated[VariableForm, Tag("env")],
    Discriminator(_form),
]


class CertificateDocument(Document):
    """What is shown of Remit where the source wants to know who connects (mutual TLS)."""

    file: StrictStr = Field(
        description="File (a path from the home) with the certificate and what leads to its authority, in PEM.",
        min_length=1,
    )
    key: StrictStr = Field(
        description="File with its private key, in PEM; one that others may read is refused.", min_length=1
    )
    password: SecretReference | None = Field(None, description="Where the key's password stands, if it has one.")


class CredentialDocument(Document):
    """A secret by reference, one for all or one for each person; its text never stands in a file of Remit's."""

    ref: SecretReference | None = Field(
        None,
        description="Where it stands: `env:NAME`, `file:PATH`, `kubernetes:SECRET/KEY`, `vault:MOUNT/PATH#FIELD`. Read "
        "at each call. Beside `per_person` or `exchange` it is only for what Remit asks for itself, such as what the "
        "source offers.",
    )
    per_person: PerPersonDocument | None = Field(None, description="A secret of each person's own.")
    exchange: ExchangeDocument | None = Field(
        None, description="A token for each person and agent, by OAuth 2.0 token exchange (RFC 8693)."
    )
    certificate: CertificateDocument | None = Field(
        None,
        description="A client certificate, shown to a source at an https:// address; alone, or beside the others.",
    )
    form: CredentialForm = Field(
        "bearer",
        alias="as",
        description="How it is sent: `bearer`; `basic` (the secret is USER:PASSWORD); `{header: X-Api-Key}`; "
        "`{query: api_key}`; `{env: GITHUB_TOKEN}` for `mcp.command`.",
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.per_person and self.exchange:
            raise ValueError("`per_person` and `exchange` stand for each other: leave one out")
        if not (self.ref or self.per_person or self.exchange or self.certificate):
            raise ValueError("expected `ref`, `per_person`, `exchange` or `certificate`")
        return self


def _shared(document: CredentialDocument) -> CredentialDocument:
    if document.ref is None or document.per_person or document.exchange:
        raise ValueError("expected `ref`: here nobody is called for a person")
    if document.certificate:
        raise ValueError("`certificate` is for tool sources: leave it out here")
    return document


#: Where no call is made for a person.
SharedCredential = Annotated[CredentialDocument, AfterValidator(_shared)]


@dataclass(frozen=True, slots=True)
class Network:
    """What a source may connect to besides public addresses."""

    #: Networks, and host names in small letters.
    networks: tuple[AllowedNetwork, ...] = ()
    hosts: frozenset[str] = frozenset()
    ca: str | None = None
    answer_bytes_max: int = 10_485_760


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Files by which a source is shown who connects."""

    file: str
    key: str
    #: Where the key's password stands; empty where it has none.
    password: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret by reference, and how it is sent."""

    #: Of the one secret for all; empty where each person has their own and Remit has none.
    ref: str
    form: Literal["bearer", "basic", "header", "query", "env"] = "bearer"
    #: Of the header, parameter or variable.
    name: str = ""
    #: Where each person's own secret stands, with `{principal}`; empty where they have none.
    per_person: str = ""
    exchange: Exchange | None = None
    certificate: ClientCertificate | None = None

    @property
    def personal(self) -> bool:
        """True where calls go out with what is one person's."""
        return bool(self.per_person) or self.exchange is not None


def network(document: NetworkDocument | None) -> Network:
    """The document as the rest of Remit sees it; nothing declared is the public internet alone."""
    if document is None:
        return Network()
    allowed = network_allowing(document.allow)
    return replace(allowed, ca=document.ca, answer_bytes_max=document.answer_bytes_max)


def network_allowing(entries: Iterable[str]) -> Network:
    """A network of addresses, networks and host names, written as in `allow`.

    Raises:
        ValueError: names the first entry that cannot stand there.
    """
    texts = [_allowed(text) for text in entries]
    networks = tuple(found for text in texts if (found := network_of(text)) is not None)
    return Network(networks, frozenset(text.lower().rstrip(".") for text in texts if network_of(text) is None))


def credential(document: CredentialDocument | None) -> Credential | None:
    """The document as the rest of Remit sees it."""
    if document is None:
        return None
    per_person = document.per_person.ref if document.per_person else ""
    exchanged = exchange(document.exchange) if document.exchange else None
    form, name = _sent(document.form)
    shown = document.certificate
    certificate = ClientCertificate(shown.file, shown.key, shown.password or "") if shown else None
    return Credential(document.ref or "", form, name, per_person, exchanged, certificate)


def _sent(
    form: HeaderForm | QueryForm | VariableForm | Literal["bearer", "basic"],
) -> tuple[Literal["bearer", "basic", "header", "query", "env"], str]:
    match form:
        case HeaderForm(header=name):
            return "header", name
        case QueryForm(query=name):
            return "query", name
        case VariableForm(env=name):
            return "env", name
        case text:
            return text, ""
