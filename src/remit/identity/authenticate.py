"""From an HTTP request to the agent that sent it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from remit.clock import Clock
from remit.errors import SignatureInvalid, SignatureMissing, SignatureReplayed, TokenMalformed, Unauthenticated
from remit.identity.issuing import TokenView
from remit.identity.replay import Nonces
from remit.identity.signature import Request, check
from remit.identity.token import AgentIdentity, check_now, verify

#: Tokens that were verified and are kept by the hash of their text.
_CACHED_MAX = 10_000
_SCHEME = "bearer "
_SIGNING = ("signature", "signature-input")


@dataclass(slots=True)
class Authenticator:
    """Takes tokens and signatures of one home's agents."""

    issuer: str
    audience: str
    clock: Clock
    nonces: Nonces
    #: Refuses an identity whose person or agent is no longer active; asked at every request.
    require_active: Callable[[AgentIdentity], None]
    _view: TokenView = field(default_factory=TokenView)
    _verified: OrderedDict[bytes, AgentIdentity] = field(default_factory=OrderedDict)

    @property
    def view(self) -> TokenView:
        """Keys and revocations in force."""
        return self._view

    @view.setter
    def view(self, view: TokenView) -> None:
        if view != self._view:
            self._verified.clear()
        self._view = view

    async def authenticate(
        self,
        headers: Sequence[tuple[str, str]],
        method: str,
        authority: str,
        path: str,
        query: str,
        body: bytes,
        *,
        loopback: bool,
    ) -> AgentIdentity:
        """Who sent this request.

        Args:
            headers: all of them, each as often as it was sent.
            method: as it was sent.
            authority: the Host header; that it names this server is for the caller to see to.
            path: as it was sent, still percent-encoded.
            query: without the question mark.
            body: all of it.
            loopback: the request began on this machine, or mutual TLS has shown who sent it: a bearer token will do.

        Raises:
            Unauthenticated: there is no token.
            NotAuthentic: token or signature are not in order; the code says how.
            RightsExceeded: the person or an agent of the chain is not active any more.
            ReplayWindowFull: too many signed requests at once.
        """
        now = self.clock.now()
        now_us = int(now.timestamp() * 1_000_000)
        token = _bearer(headers)
        identity = self.identify(token, now_us)
        if identity.confirmed is None:
            self._check_bearer(headers, loopback=loopback)
        else:
            request = Request(method, authority, path, query, body)
            signed = check(request, headers, identity.confirmed, now=now_us / 1_000_000)
            once = await self.nonces.claim(
                identity.confirmed.thumbprint,
                signed.nonce,
                created_us=signed.created * 1_000_000,
                until_us=signed.expires * 1_000_000,
                now_us=now_us,
            )
            if not once:
                raise SignatureReplayed
        return identity

    def identify(self, token: str, now_us: int) -> AgentIdentity:
        """Whom a token's text speaks for now; whoever holds a bearer token has shown enough by that.

        A token that was verified is known again by the SHA-256 of its text until it expires, or until anything is
        revoked or rotated.

        Raises:
            NotAuthentic: the token is not in order.
            RightsExceeded: the person or an agent of the chain is not active any more.
        """
        name = sha256(token.encode("utf-8", "surrogateescape")).digest()
        view = self._view
        identity = self._verified.get(name)
        if identity is None:
            identity = verify(
                token,
                issuer=self.issuer,
                audience=self.audience,
                keys=view,
                revocations=view.revocations,
                now_us=now_us,
            )
            self._verified[name] = identity
            if len(self._verified) > _CACHED_MAX:
                self._verified.popitem(last=False)
        else:
            check_now(identity, view.revocations, now_us)
        self.require_active(identity)
        return identity

    @staticmethod
    def _check_bearer(headers: Sequence[tuple[str, str]], *, loopback: bool) -> None:
        if not loopback:
            raise SignatureMissing(
                "A token without a key is taken from this machine only, and not through a proxy.",
                hint="Ask for a token that confirms your key, and sign each request with it.",
                rule="bearer_not_local",
            )
        if any(name.lower() in _SIGNING for name, _ in headers):
            raise SignatureInvalid(
                "The token confirms no key, so the signature proves nothing.",
                hint="Ask for a token that confirms your key, or send it without a signature.",
                rule="signature_key",
            )


def _bearer(headers: Sequence[tuple[str, str]]) -> str:
    found = [value.strip() for name, value in headers if name.lower() == "authorization"]
    if not found:
        raise Unauthenticated(hint="Send `Authorization: Bearer TOKEN` with what `remit token` printed.")
    if len(found) > 1:
        raise TokenMalformed("The header Authorization stands twice.")
    if found[0][: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated("Its scheme is not Bearer.", hint="Send `Authorization: Bearer TOKEN`.")
    return found[0][len(_SCHEME) :].strip()
