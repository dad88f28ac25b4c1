"""Tokens, keys and requests for these tests, and a clock that stands where it is put."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from remit.identity import (
    AgentIdentity,
    Authenticator,
    IssuingKey,
    NonceMemory,
    Request,
    RequestSigner,
    TokenView,
    issue,
    sign,
    verify,
)

NOW = 1_800_000_000
ISSUER = "urn:remit:home:test"
KEY = IssuingKey.generate(1)
VIEW = TokenView({KEY.kid: KEY})
NONCE = "nonce-0123456789"


def an_identity(*, seconds=600, mission="msn-1", at=NOW, **more):
    chain = ("principal:anna", *([f"mission:{mission}"] if mission else []), "agent:clerk@1.0.0")
    fields = {
        "token": "tok-1",
        "agent": "clerk@1.0.0",
        "principal": "anna",
        "mission": mission,
        "chain": chain,
        "skills": ("pay", "read"),
        "tools": ("erp__*", "bank__pay"),
        "budget_usd_micros": 5_000_000,
        "audience": ISSUER,
        "issued_at_us": at * 1_000_000,
        "expires_at_us": (at + seconds) * 1_000_000,
        "key": KEY.kid,
        "epoch": KEY.epoch,
    }
    return AgentIdentity(**{**fields, **more})


def a_token(**more):
    return issue(an_identity(**more), ISSUER, KEY)


def verified(token, *, at=NOW, view=VIEW, audience=ISSUER, issuer=ISSUER):
    return verify(
        token, issuer=issuer, audience=audience, keys=view, revocations=view.revocations, now_us=at * 1_000_000
    )


@dataclass
class StillClock:
    at: float = NOW

    def now(self):
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self.at)

    async def sleep(self, seconds):
        self.at += seconds


def an_authenticator(clock=None, *, view=VIEW, require_active=lambda _identity: None):
    clock = clock or StillClock()
    made = Authenticator(ISSUER, ISSUER, clock, NonceMemory((NOW - 3600) * 1_000_000), require_active)
    made.view = view
    return made


REQUEST = Request("POST", "door.example", "/mcp", "source=erp", b'{"method":"tools/call"}')


def signed_headers(token, signer, *, request=REQUEST, created=NOW, nonce=NONCE, seconds=30):
    return list(sign(request, f"Bearer {token}", signer, created=created, nonce=nonce, seconds=seconds).items())


def sent(authenticator, headers, *, request=REQUEST, loopback=False, **other):
    """What the authenticator makes of a request that arrives as `request`, but for what `other` names."""
    arrived = replace(request, **other)
    return asyncio.run(
        authenticator.authenticate(
            headers,
            arrived.method,
            arrived.authority,
            arrived.path,
            arrived.query,
            arrived.body,
            loopback=loopback,
        )
    )


def a_signer():
    return RequestSigner.generate()
