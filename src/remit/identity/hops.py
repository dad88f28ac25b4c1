"""How work was handed on from home to home: each home signs what stood above a call when it made it.

A hop is a JWS (RFC 7515) over the skills above the call, for one message to one place, and over the hop before it. A
home that hands the work on passes all of them, so that nobody between can take out or rewrite what another has signed.
The key stands in the hop itself: its thumbprint is the home's name here, and a home knows its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from remit.errors import AncestryForged
from remit.identity import jose
from remit.identity.issuing import KeyStorage
from remit.identity.kept import kept_key

TYPE = "remit-hop+jwt"
_ALGORITHM = "ES256"
_KEY = "hops"
#: A message is on its way for no longer; what was signed before it may be older.
FRESH_SECONDS = 600
_SKEW_SECONDS = 60
HOPS_MAX = 16
_CLAIMS = {"iat": int, "aud": str, "msg": str, "act": str, "n": int, "anc": str, "prv": str}
_TEXT_MAX = 4000


@dataclass(frozen=True, slots=True)
class Hop:
    """What one home has signed."""

    #: The thumbprint of its key (RFC 7638).
    home: str
    #: `NAME@VERSION` of the agent that handed the work on.
    agent: str
    #: How many skills stood above the call.
    links: int


@dataclass(frozen=True, slots=True)
class HopKey:
    """The key with which this home signs what it hands on."""

    #: Its thumbprint.
    home: str
    _jwk: "jose.ECKey" = field(repr=False, compare=False)

    @classmethod
    def of(cls, keys: KeyStorage) -> "HopKey":
        """The key that is kept; one is made where there is none yet.

        Raises:
            KeyMissing: what is kept is no such key.
        """
        jwk = kept_key(keys, _KEY, "signs what is handed on")
        return cls(jwk.thumbprint(), jwk)

    def sign(
        self, above: Sequence[str], *, before: Sequence[str], agent: str, message: str, audience: str, now_us: int
    ) -> str:
        """The hop for one message.

        Args:
            above: the skills above the call, the outermost first, as they are told.
            before: the hops with which they came here.
            agent: who hands on.
            message: the message's id.
            audience: the host, with its port, to which it goes.
            now_us: now.
        """
        claims = {
            "iat": now_us // 1_000_000,
            "aud": audience.lower(),
            "msg": message,
            "act": agent,
            "n": len(above),
            "anc": _digest(above),
            "prv": _before(before),
        }
        header = {"alg": _ALGORITHM, "typ": TYPE, "jwk": self._jwk.as_dict(private=False)}
        signed: str = jose.jws.serialize_compact(header, orjson.dumps(claims), self._jwk, algorithms=[_ALGORITHM])
        return signed


def read_hops(
    signed: Sequence[str], above: Sequence[str], *, message: str, audience: str, now_us: int
) -> tuple[Hop, ...]:
    """The hops of a message that came with them, the outermost first.

    Args:
        signed: as they came.
        above: the skills above, as they were told.
        message: the message's id.
        audience: the host at which it arrived.
        now_us: now.

    Raises:
        AncestryForged: one is not what its home signed, was meant for another message or place, or does not fit the
            others or the skills that are told.
    """
    if len(signed) > HOPS_MAX or any(len(text) > _TEXT_MAX for text in signed):
        raise AncestryForged(f"There are at most {HOPS_MAX} hops of {_TEXT_MAX} characters.")
    hops: list[Hop] = []
    claims: dict[str, Any] = {}
    for number, text in enumerate(signed):
        home, claims = _read(text)
        links = claims["n"]
        least = hops[-1].links if hops else 0
        if claims["prv"] != _before(signed[:number]) or not least <= links <= len(above):
            raise AncestryForged("A hop does not follow on the one before it.")
        if claims["anc"] != _digest(above[:links]):
            raise AncestryForged("The skills that are told are not those that were signed.")
        hops.append(Hop(home, claims["act"], links))
    if hops:
        _check_last(claims, hops[-1], above, message=message, audience=audience, now_us=now_us)
    return tuple(hops)


def _check_last(
    claims: dict[str, Any], last: Hop, above: Sequence[str], *, message: str, audience: str, now_us: int
) -> None:
    if last.links != len(above):
        raise AncestryForged("More skills are told than whoever sends this has signed.")
    if claims["msg"] != message:
        raise AncestryForged("It was signed for another message.")
    if claims["aud"] != audience.lower():
        raise AncestryForged(
            f"It was signed for {claims['aud'][:200]}, and arrived at {audience[:200]}.",
            hint="Where a proxy stands between, let it pass the request's Host on as it came.",
        )
    age = now_us // 1_000_000 - claims["iat"]
    if not -_SKEW_SECONDS <= age <= FRESH_SECONDS:
        raise AncestryForged(
            f"It was signed {age} seconds ago.", hint="Compare the clocks of the two homes; a message is sent at once."
        )


def _read(text: str) -> tuple[str, dict[str, Any]]:
    """The home's name and the claims of one hop, its signature held."""
    try:
        unread = jose.jws.extract_compact(text.encode("ascii"))
        header = unread.headers()
        kind = (header.get("typ"), header.get("alg"))
        jwk = jose.ECKey.import_key({key: header["jwk"][key] for key in ("kty", "crv", "x", "y")})
        read = jose.jws.deserialize_compact(text, jwk, algorithms=[_ALGORITHM])
        claims = orjson.loads(read.payload)
    except (jose.JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise AncestryForged("A hop is not what its home has signed.") from None
    if kind != (TYPE, _ALGORITHM) or not isinstance(claims, dict) or _kinds(claims) != _CLAIMS:
        raise AncestryForged("A hop is none of this release's form.")
    return jwk.thumbprint(), claims


def _kinds(claims: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in claims.items()}


def _before(signed: Sequence[str]) -> str:
    return sha256(signed[-1].encode()).hexdigest() if signed else ""


def _digest(above: Sequence[str]) -> str:
    return sha256(orjson.dumps(list(above))).hexdigest()
