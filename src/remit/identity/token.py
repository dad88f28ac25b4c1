"""Agents' tokens: who an agent is, for whom it acts, and the most that it may do, for 5 to 15 minutes.

A token is a JWT (RFC 7519) signed with ES256 by a key of the home. It bounds and never grants: what an agent may do is
the intersection of the token with what the registry grants to person, mission and agent at each call.
"""

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Annotated, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from remit.errors import (
    InvalidInput,
    TokenAlgorithm,
    TokenExpired,
    TokenForged,
    TokenMalformed,
    TokenNotYetValid,
    TokenRevoked,
    TokenTooLong,
    TokenUnknownKey,
    TokenWrongAudience,
)
from remit.identity import jose
from remit.identity.confirmation import ConfirmationKey
from remit.identity.delegation import LinkKind
from remit.identity.grants import ToolPattern, covers
from remit.identity.revocation import Revocations

ALGORITHM = "ES256"
#: What a token says of itself in its header (RFC 8725, section 3.11): no other JWT of this home is taken for one.
TYPE = "remit-agent+jwt"
SECONDS_MIN, SECONDS_DEFAULT, SECONDS_MAX = 300, 600, 900
#: How far the clock of whoever issued it may be ahead of ours.
SKEW_SECONDS = 30
#: Longer texts are no tokens; the longest that is issued has some 4,000 characters.
_CHARACTERS_MAX = 8192
_HEADER_CHARACTERS_MAX = 512
#: 64 bytes in the one way of writing them: a decoder that is lenient would take other texts for the same.
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{85}[AQgw]")
_AGENTS_MAX = 8
_NAMES_MAX = 64

_Name = Annotated[StrictStr, Field(min_length=1, max_length=200)]


class _Confirmed(BaseModel):
    """The key that must sign each request (RFC 7800): its thumbprint (RFC 7638) and itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jkt: _Name
    jwk: dict[StrictStr, StrictStr]


class _Claims(BaseModel):
    """What stands in a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iss: _Name
    aud: _Name
    sub: _Name
    jti: _Name
    iat: StrictInt
    nbf: StrictInt
    exp: StrictInt
    #: The instant of issue in microseconds; a revocation holds for what was issued before it.
    iat_us: StrictInt
    #: The number of the key that signed, counted in this home.
    epoch: StrictInt
    #: Outermost first: principal, then the mission where one is named, then agents.
    chain: tuple[_Name, ...] = Field(min_length=2, max_length=_AGENTS_MAX + 2)
    #: Tokens from which this one was narrowed, the first one first.
    parents: tuple[_Name, ...] = Field((), max_length=_AGENTS_MAX)
    mission: _Name | None = None
    skills: tuple[_Name, ...] = Field(max_length=_NAMES_MAX)
    tools: tuple[ToolPattern, ...] = Field(max_length=_NAMES_MAX)
    budget_usd_micros: Annotated[StrictInt, Field(ge=0)] | None = None
    #: Those of `parents` that bound spending: what is spent under this token is spent under them.
    bounded_parents: tuple[_Name, ...] = Field((), max_length=_AGENTS_MAX)
    cnf: _Confirmed | None = None


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """Who an agent is and the most that it may do, as a token said and a key of the home confirmed."""

    #: The token's own name; its text is nowhere kept.
    token: str
    #: `NAME@VERSION`.
    agent: str
    #: The person on whose behalf it acts.
    principal: str
    #: None where the token names no mission.
    mission: str | None
    #: Outermost first, each as the ledger names it: `principal:anna`, `mission:ID`, `agent:NAME@VERSION`.
    chain: tuple[str, ...]
    skills: tuple[str, ...]
    #: Patterns of tools; they bound what the registry grants.
    tools: tuple[str, ...]
    #: The most that may be spent under this token; None where only the mission's budget bounds it.
    budget_usd_micros: int | None
    audience: str
    issued_at_us: int
    expires_at_us: int
    #: The key that signed it, and its number.
    key: str
    epoch: int
    #: The key that must sign each request; None for a bearer token.
    confirmed: ConfirmationKey | None = None
    #: Tokens from which this one was narrowed, the first one first.
    parents: tuple[str, ...] = ()
    #: Those of `parents` that bound spending.
    bounded_parents: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """The token that was issued to the first agent of the chain; work under one root belongs together."""
        return self.parents[0] if self.parents else self.token

    @property
    def agents(self) -> tuple[str, ...]:
        """Every agent version of the chain, `NAME@VERSION`, the one that acts last."""
        prefix = f"{LinkKind.AGENT}:"
        return tuple(link.removeprefix(prefix) for link in self.chain if link.startswith(prefix))

    @property
    def actor(self) -> str:
        """How the ledger names the one who acts."""
        return self.chain[-1]

    def permits(self, tool: str) -> bool:
        """True where the token's patterns cover a tool; the registry must grant it as well."""
        return covers(self.tools, tool)

    def offers(self, skill: str) -> bool:
        """True where the token is for this skill."""
        return skill in self.skills


class SigningKey(Protocol):
    """A key of the home that signs tokens."""

    @property
    def kid(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def jwk(self) -> "jose.ECKey": ...


class Keys(Protocol):
    """The keys whose tokens are taken now."""

    def find(self, kid: str, now_us: int) -> SigningKey | None:
        """The key with this name, or None where it is not known, or its last token has expired."""
        ...


def issue(identity: AgentIdentity, issuer: str, key: SigningKey) -> str:
    """The token's text: `identity` signed by `key`, whose name and number it takes over.

    Raises:
        TokenTooLong: it would live longer than 15 minutes, or not at all.
        InvalidInput: it would have more characters than are taken.
    """
    issued, expires = identity.issued_at_us // 1_000_000, identity.expires_at_us // 1_000_000
    _check_life(issued, expires)
    confirmed = identity.confirmed
    claims = {
        "iss": issuer,
        "aud": identity.audience,
        "sub": identity.agent,
        "jti": identity.token,
        "iat": issued,
        "nbf": issued,
        "exp": expires,
        "iat_us": identity.issued_at_us,
        "epoch": key.epoch,
        "chain": identity.chain,
        "parents": identity.parents,
        "bounded_parents": identity.bounded_parents or None,
        "mission": identity.mission,
        "skills": identity.skills,
        "tools": identity.tools,
        "budget_usd_micros": identity.budget_usd_micros,
        "cnf": {"jkt": confirmed.thumbprint, "jwk": dict(confirmed.jwk)} if confirmed else None,
    }
    text = orjson.dumps({name: value for name, value in claims.items() if value is not None})
    _understood(text)  # what cannot be verified later is not issued
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": TYPE}
    token = jose.jws.serialize_compact(header, text, key.jwk, algorithms=[ALGORITHM])
    if len(token) > _CHARACTERS_MAX:
        raise InvalidInput(f"The token would have {len(token)} characters, of at most {_CHARACTERS_MAX}.")
    return token


def verify(
    token: str, *, issuer: str, audience: str, keys: Keys, revocations: Revocations, now_us: int
) -> AgentIdentity:
    """Who a token's text speaks for.

    The key is found by its name among the home's own; nothing in the token can bring another. What the token claims is
    read only after its signature held.

    Raises:
        TokenMalformed, TokenAlgorithm, TokenUnknownKey, TokenForged, TokenWrongAudience, TokenNotYetValid,
        TokenExpired, TokenTooLong, TokenRevoked: as their names say.
    """
    key = _key_of(token, keys, now_us)
    try:
        opened = jose.jws.deserialize_compact(token, key.jwk, algorithms=[ALGORITHM])
    except (jose.JoseError, ValueError, TypeError) as error:
        raise TokenForged from error
    claims = _understood(opened.payload)
    if claims.iss != issuer:
        raise TokenWrongAudience("Another home issued it.")
    if claims.aud != audience:
        raise TokenWrongAudience
    if claims.epoch != key.epoch:
        raise TokenUnknownKey("It names another epoch than its key has.")
    _check_life(claims.iat, claims.exp)
    identity = _identity(claims, key)
    check_now(identity, revocations, now_us)
    return identity


def check_now(identity: AgentIdentity, revocations: Revocations, now_us: int) -> None:
    """Return where a token that was verified before still holds.

    Raises:
        TokenNotYetValid, TokenExpired, TokenRevoked: as their names say.
    """
    if identity.issued_at_us > now_us + SKEW_SECONDS * 1_000_000:
        raise TokenNotYetValid
    if identity.expires_at_us <= now_us:
        raise TokenExpired
    scope = revocations.covering(identity)
    if scope is not None:
        raise TokenRevoked(f"What was revoked is {scope}.")


def _key_of(token: str, keys: Keys, now_us: int) -> SigningKey:
    """The home's key that the token's header names; the header is believed in nothing else."""
    head, _, rest = token.partition(".")
    if not token.isascii() or len(token) > _CHARACTERS_MAX or len(head) > _HEADER_CHARACTERS_MAX:
        raise TokenMalformed
    if rest.count(".") != 1 or not _SIGNATURE.fullmatch(rest.partition(".")[2]):
        raise TokenMalformed
    try:
        header = orjson.loads(b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True))
    except ValueError as error:
        raise TokenMalformed from error
    if not isinstance(header, dict):
        raise TokenMalformed
    if header.get("alg") != ALGORITHM:
        raise TokenAlgorithm
    if header.keys() != {"alg", "kid", "typ"} or header["typ"] != TYPE or not isinstance(header["kid"], str):
        raise TokenMalformed("Its header is not that of an agent's token.")
    key = keys.find(header["kid"], now_us)
    if key is None:
        raise TokenUnknownKey
    return key


def _understood(payload: bytes) -> _Claims:
    try:
        claims = _Claims.model_validate_json(payload)
    except ValidationError as error:
        # Places only: what a token says may be personal.
        places = sorted({".".join(map(str, fault["loc"][:1])) or "claims" for fault in error.errors()})
        raise TokenMalformed(f"Not in form: {', '.join(places)}.") from None
    if not _leads_to_subject(claims):
        raise TokenMalformed("Its chain does not lead from a principal to its subject.")
    if not claims.iat == claims.nbf == claims.iat_us // 1_000_000:
        raise TokenMalformed("Its instants of issue differ.")
    return claims


def _leads_to_subject(claims: _Claims) -> bool:
    """True where the chain is a principal, the claimed mission if there is one, then agents up to the subject."""
    head = 2 if claims.mission else 1
    agents = claims.chain[head:]
    return (
        claims.chain[0].startswith(f"{LinkKind.PRINCIPAL}:")
        and (not claims.mission or claims.chain[1] == f"{LinkKind.MISSION}:{claims.mission}")
        and bool(agents)
        and all(link.startswith(f"{LinkKind.AGENT}:") for link in agents)
        and agents[-1] == f"{LinkKind.AGENT}:{claims.sub}"
    )


def _check_life(issued: int, expires: int) -> None:
    if not 0 < expires - issued <= SECONDS_MAX:
        raise TokenTooLong(f"It was to live {expires - issued} seconds.")


def _identity(claims: _Claims, key: SigningKey) -> AgentIdentity:
    confirmed = None
    if claims.cnf is not None:
        confirmed = ConfirmationKey.of(claims.cnf.jwk)
        if confirmed.thumbprint != claims.cnf.jkt:
            raise TokenMalformed("It confirms a key by another thumbprint.")
    return AgentIdentity(
        token=claims.jti,
        agent=claims.sub,
        principal=claims.chain[0].removeprefix(f"{LinkKind.PRINCIPAL}:"),
        mission=claims.mission,
        chain=claims.chain,
        skills=claims.skills,
        tools=claims.tools,
        budget_usd_micros=claims.budget_usd_micros,
        audience=claims.aud,
        issued_at_us=claims.iat_us,
        expires_at_us=claims.exp * 1_000_000,
        key=key.kid,
        epoch=claims.epoch,
        confirmed=confirmed,
        parents=claims.parents,
        bounded_parents=claims.bounded_parents,
    )
