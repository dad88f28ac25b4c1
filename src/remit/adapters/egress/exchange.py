"""A person's access token by OAuth 2.0 token exchange (RFC 8693), kept until shortly before it ends."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote_plus, urlencode

import orjson

from remit.adapters.egress.client import EgressClient, Reply
from remit.adapters.secrets import Scrubber, Secrets
from remit.clock import Clock
from remit.errors import CredentialMissing, PersonCredentialMissing, RemitError, ToolUnreachable
from remit.registry import Exchange

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE = "urn:ietf:params:oauth:token-type:"
_JWT = f"{_TYPE}jwt"
_SECONDS = 20.0
#: A token is not used any more so long before its end: a call takes time, and clocks differ.
_SPARE_SECONDS = 30.0
#: Of a token whose life the server does not tell.
_UNTOLD_SECONDS = 60.0
_KEPT_SECONDS_MAX = 3600.0
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
#: A code of RFC 6749, section 5.2; what else a server says may hold anything.
_CODE = re.compile(r"[a-z_]{1,40}")
#: What says that this person gets none, whoever asks.
_OF_PERSON = frozenset({"invalid_grant", "access_denied", "invalid_request", "invalid_target", "interaction_required"})


class ExchangedToken(Secrets):
    """One person's access token, exchanged for when it is first used; nobody else's is ever kept here."""

    def __init__(
        self,
        declared: Exchange,
        person: str,
        client: EgressClient,
        secrets: Secrets,
        clock: Clock,
        subject: Callable[[], Awaitable[str]],
    ) -> None:
        """Describe the exchange; nothing is asked yet.

        Args:
            declared: as the source says.
            person: for whom.
            client: the way out to the authorization server.
            secrets: gives Remit's own secret there.
            clock: says when the token has ended.
            subject: gives what is exchanged.
        """
        self._declared = declared
        self._person = person
        self._client = client
        self._secrets = secrets
        self._clock = clock
        self._subject = subject
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def resolve(self, ref: str) -> str:  # noqa: ARG002 -- there is one
        """The access token.

        Raises:
            PersonCredentialMissing: the server gives this person none.
            CredentialMissing: it cannot be asked, or its answer is none.
        """
        async with self._asking:  # calls at once exchange once
            if not self._token or self._clock.now().timestamp() >= self._until:
                self._token, self._until = await self._exchanged()
            return self._token

    def refused(self, ref: str) -> None:  # noqa: ARG002 -- there is one
        """The source did not take it: the next call exchanges anew."""
        self._token = ""
        self._secrets.refused(self._declared.client_secret)

    async def _exchanged(self) -> tuple[str, float]:
        declared = self._declared
        secret, subject = await self._secrets.resolve(declared.client_secret), await self._subject()
        form = {
            "grant_type": _GRANT,
            "subject_token": subject,
            "subject_token_type": _TYPE + declared.subject_type,
            "requested_token_type": f"{_TYPE}access_token",
            **({"audience": declared.audience} if declared.audience else {}),
            **({"resource": declared.resource} if declared.resource else {}),
            **({"scope": declared.scope} if declared.scope else {}),
        }
        pair = f"{quote_plus(declared.client_id)}:{quote_plus(secret)}"
        headers = {
            "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        began = self._clock.now().timestamp()
        try:
            reply = await self._client.send(
                "POST", declared.token_url, headers=headers, content=urlencode(form).encode(), seconds=_SECONDS
            )
        except ToolUnreachable as silent:
            told = Scrubber((secret, subject)).text(silent.detail)
            raise CredentialMissing(f"The authorization server cannot be asked: {told}") from None
        return self._read(reply, began)

    def _read(self, reply: Reply, began: float) -> tuple[str, float]:
        answer = _json(reply)
        if reply.status != 200:
            raise self._no(reply.status, answer)
        token, kind, seconds = (answer.get(name) for name in ("access_token", "token_type", "expires_in"))
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or str(kind).lower() != "bearer":
            raise CredentialMissing("The authorization server's answer holds no bearer token.")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds <= 0:
            seconds = _UNTOLD_SECONDS + _SPARE_SECONDS
        return token, began + min(max(seconds - _SPARE_SECONDS, 0.0), _KEPT_SECONDS_MAX)

    def _no(self, status: int, answer: dict[str, object]) -> RemitError:
        told = answer.get("error")
        code = told if isinstance(told, str) and _CODE.fullmatch(told) else ""
        if code in _OF_PERSON or status == 403:
            return PersonCredentialMissing(
                f"The authorization server gives no token for {self._person}{f' ({code})' if code else ''}."
            )
        why = f"{status} {code}".strip()
        return CredentialMissing(f"The authorization server gives Remit no token: it answered {why}.")


def _json(reply: Reply) -> dict[str, object]:
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
