"""Credentials on behalf of a person: each person's own secret, or a token exchanged for them (RFC 8693)."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictStr

from remit.registry.schemas import Document, worded
from remit.registry.secret_ref import SecretReference, reference

#: Stands in a reference for the person's identifier.
PRINCIPAL = "{principal}"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TEXT = re.compile(r"[\x21-\x7e]{1,1000}")


def _of_person(text: str) -> str:
    if text.count(PRINCIPAL) != 1:
        raise ValueError(f"expected a reference with {PRINCIPAL} in it, once: each person has a secret of their own")
    reference(text.replace(PRINCIPAL, "someone"))
    return text


def _token_address(text: str) -> str:
    # Not shown back: what is refused here may hold a password.
    try:
        parts = urlsplit(text)
        known = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        known = False
    if not known or "@" in text or "#" in text or not parts.hostname:
        raise ValueError("expected an https address without user and password in it: secrets are sent there")
    return text


PersonsRef = Annotated[StrictStr, AfterValidator(_of_person)]
_Printable = Annotated[StrictStr, worded(_TEXT.pattern, "printable text without blanks")]


class PerPersonDocument(Document):
    """A secret of each person's own."""

    ref: PersonsRef = Field(
        description="Where it stands, with `{principal}` for the person's name: `file:people/{principal}/crm`."
    )


class StoredSubject(Document):
    """What each person was given by the identity provider."""

    ref: PersonsRef = Field(description="Where each person's token stands, with `{principal}` for the person's name.")
    type: Literal["access_token", "refresh_token", "id_token", "jwt"] = Field(
        "id_token", description="What it is, in the words of RFC 8693."
    )


class ExchangeDocument(Document):
    """OAuth 2.0 token exchange (RFC 8693): one access token for each person and agent."""

    token_url: Annotated[StrictStr, AfterValidator(_token_address)] = Field(
        description="The token endpoint of the authorization server."
    )
    client_id: _Printable = Field(description="Remit's own name there.")
    client_secret: SecretReference = Field(description="Where Remit's own secret stands; a reference.")
    audience: _Printable | None = Field(None, description="The service for which the token is meant, by name.")
    resource: _Printable | None = Field(None, description="The service for which the token is meant, by address.")
    scope: Annotated[
        StrictStr, worded(r"([\x21-\x7e]{1,200}( [\x21-\x7e]{1,200}){0,50})?", "scopes with blanks between")
    ] = Field("", description="What the token shall permit, with blanks between; empty leaves it to the server.")
    subject: Literal["person"] | StoredSubject = Field(
        "person",
        description="What is exchanged: `person`, a JWT of two minutes that Remit signs, which names the person and "
        "the agent that acts (`act`); or `{ref, type}`, a token that each person was given.",
    )
    issuer: _Printable = Field("remit", description="Who Remit says that it is in that JWT (`iss`).")


@dataclass(frozen=True, slots=True)
class Exchange:
    """How a person's access token is come by."""

    token_url: str
    client_id: str
    client_secret: str
    audience: str | None = None
    resource: str | None = None
    scope: str = ""
    #: Where each person's own token stands, with `{principal}`; empty where Remit signs one.
    subject_ref: str = ""
    subject_type: str = "jwt"
    issuer: str = "remit"


def exchange(document: ExchangeDocument) -> Exchange:
    """The document as the rest of Remit sees it."""
    stored = document.subject if isinstance(document.subject, StoredSubject) else None
    return Exchange(
        document.token_url,
        document.client_id,
        document.client_secret,
        document.audience,
        document.resource,
        document.scope,
        stored.ref if stored else "",
        stored.type if stored else "jwt",
        document.issuer,
    )
