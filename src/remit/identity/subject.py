"""What Remit tells an authorization server about a person for whom an agent acts: a short JWT that it signs.

The agent stands in it as the one who acts (RFC 8693, section 4.1), so what is given in return can say so too. It is
signed with a key for nothing else, and says of itself what it is: it is no token of an agent, and is taken for none.
"""

from dataclasses import dataclass, field

import orjson

from remit.identity import jose
from remit.identity.issuing import KeyStorage
from remit.identity.kept import kept_key

TYPE = "remit-subject+jwt"
_ALGORITHM = "ES256"
#: Long enough for one request and a clock that is a little behind.
SECONDS = 120
_KEY = "subject"


@dataclass(frozen=True, slots=True)
class Behalf:
    """For whom something is done, and by which agent."""

    principal: str
    #: `NAME@VERSION`.
    agent: str


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The home's key for these tokens."""

    kid: str
    _jwk: "jose.ECKey" = field(repr=False, compare=False)

    @classmethod
    def of(cls, keys: KeyStorage) -> "SubjectKey":
        """The key that is kept; one is made where there is none yet.

        Raises:
            KeyMissing: what is kept is no such key.
        """
        jwk = kept_key(keys, _KEY, "speaks for people to authorization servers")
        return cls(jwk.thumbprint(), jwk)

    @property
    def jwks(self) -> bytes:
        """Its public half as a JWK set (RFC 7517), for the authorization server."""
        public = {**self._jwk.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": _ALGORITHM}
        return orjson.dumps({"keys": [public]}, option=orjson.OPT_INDENT_2)

    def issue(self, behalf: Behalf, *, issuer: str, audience: str, now_us: int, name: str) -> str:
        """The JWT's text.

        Args:
            behalf: the person (`sub`) and the agent (`act`).
            issuer: who Remit says that it is.
            audience: the token endpoint for which it is meant, and no other.
            now_us: now.
            name: the token's own name (`jti`), never used twice.
        """
        issued = now_us // 1_000_000
        claims = {
            "iss": issuer,
            "sub": behalf.principal,
            "aud": audience,
            "iat": issued,
            "nbf": issued,
            "exp": issued + SECONDS,
            "jti": name,
            "act": {"sub": behalf.agent, "iss": issuer},
        }
        header = {"alg": _ALGORITHM, "kid": self.kid, "typ": TYPE}
        signed: str = jose.jws.serialize_compact(header, orjson.dumps(claims), self._jwk, algorithms=[_ALGORITHM])
        return signed
