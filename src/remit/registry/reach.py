"""How a tool source is reached: what it may connect to, and the secret that is injected."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, StrictStr, Tag

from remit.registry.schemas import Document, by_form, worded

#: A wider network would declare a good part of the internet, or all private addresses of a kind at once and more.
_PREFIX_MIN = {4: 8, 6: 7}
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_ADDRESS = re.compile(r"https?://[^\s/@?#\\]+([/?][^\s#]*)?")
_REFERENCES = {
    "env": re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII),
    "file": re.compile(r"[^\0\n]{1,1000}"),
    "kubernetes": re.compile(r"[a-z0-9][a-z0-9.-]{0,252}/[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"),
    "vault": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){1,20}#[A-Za-z0-9._-]{1,100}"),
}

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


def _reference(text: str) -> str:
    store, colon, name = text.partition(":")
    if not colon:
        raise ValueError("expected a reference, such as env:NAME or file:PATH, never the secret itself")
    pattern = _REFERENCES.get(store)
    if pattern is None:
        known = ", ".join(f"{store}:" for store in _REFERENCES)
        raise ValueError(f"no store of secrets begins so in this release; {known} do")
    if not pattern.fullmatch(name) or (store in {"kubernetes", "vault"} and ".." in name):
        raise ValueError(f"after {store}: expected {_EXPECTED[store]}")
    return text


_EXPECTED = {
    "env": "the name of an environment variable",
    "file": "a path, absolute or from the home",
    "kubernetes": "SECRET/KEY",
    "vault": "MOUNT/PATH#FIELD",
}


class NetworkDocument(Document):
    """What a source may connect to besides public addresses."""

    allow: tuple[Annotated[StrictStr, AfterValidator(_allowed)], ...] = Field(
        (),
        description="Addresses (`10.1.2.3`), networks (`10.1.2.0/24`) and host names that may be reached though they "
        "are not public. A name does not stand for link-local and metadata addresses: those are declared as such.",
    )
    ca: StrictStr | None = Field(
        None, description="File with the certificates of a company's own authority, taken besides the public ones."
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


def _form(value: object) -> str:
    if by_form(value) == "text":
        return "text"
    return "query" if isinstance(value, QueryForm) or (isinstance(value, dict) and "query" in value) else "header"


CredentialForm = Annotated[
    Annotated[Literal["bearer", "basic"], Tag("text")]
    | Annotated[HeaderForm, Tag("header")]
    | Annotated[QueryForm, Tag("query")],
    Discriminator(_form),
]


class CredentialDocument(Document):
    """A secret by reference; its text never stands in a file of Remit's."""

    ref: Annotated[StrictStr, AfterValidator(_reference)] = Field(
        description="Where it stands: `env:NAME`, `file:PATH`, `kubernetes:SECRET/KEY`, `vault:MOUNT/PATH#FIELD`. Read "
        "at each call."
    )
    form: CredentialForm = Field(
        "bearer",
        alias="as",
        description="How it is sent: `bearer`; `basic` (the secret is USER:PASSWORD); `{header: X-Api-Key}`; "
        "`{query: api_key}`.",
    )


@dataclass(frozen=True, slots=True)
class Network:
    """What a source may connect to besides public addresses."""

    #: Networks, and host names in small letters.
    networks: tuple[AllowedNetwork, ...] = ()
    hosts: frozenset[str] = frozenset()
    ca: str | None = None
    answer_bytes_max: int = 10_485_760


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret by reference, and how it is sent."""

    ref: str
    form: Literal["bearer", "basic", "header", "query"] = "bearer"
    #: Of the header or parameter.
    name: str = ""


def network(document: NetworkDocument | None) -> Network:
    """The document as the rest of Remit sees it; nothing declared is the public internet alone."""
    if document is None:
        return Network()
    networks = tuple(found for text in document.allow if (found := network_of(text)) is not None)
    hosts = frozenset(text.lower().rstrip(".") for text in document.allow if network_of(text) is None)
    return Network(networks, hosts, document.ca, document.answer_bytes_max)


def credential(document: CredentialDocument | None) -> Credential | None:
    """The document as the rest of Remit sees it."""
    if document is None:
        return None
    match document.form:
        case HeaderForm(header=name):
            return Credential(document.ref, "header", name)
        case QueryForm(query=name):
            return Credential(document.ref, "query", name)
        case form:
            return Credential(document.ref, form)
