"""What decides on agents' tokens in this process: read from the store, asked at every request."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from remit.clock import Clock
from remit.errors import RightsExceeded
from remit.gateway import Door, micros_of
from remit.identity import (
    AgentIdentity,
    Authenticator,
    IssuingKey,
    KeyStorage,
    NonceMemory,
    Revocations,
    SharedNonces,
    TokenView,
)
from remit.ledger import Once, Records
from remit.ledger.seal import Signer
from remit.registry import Registry

#: Records of tokens that live, of the keys that sign them, and of what was revoked. No token's text is in them.
TOKENS, KEYS, REVOKED = "token", "token-key", "token-revoked"


def authenticator_of(door: Door, signer: Signer, clock: Clock, noted: Once) -> Authenticator:
    """Takes the tokens of this home's agents; its view comes with the first reload.

    The home is named by its ledger's key, so that a token of one home is never taken by another. Nonces are noted in
    `noted` where other processes take requests, too; one process alone remembers them by itself.
    """
    home = f"urn:remit:home:{sha256(signer.public.vkey.encode()).hexdigest()[:32]}"
    nonces = SharedNonces(noted) if door.member else NonceMemory(micros_of(clock.now()))
    return Authenticator(home, home, clock, nonces, lambda identity: require_active(door.controls.registry, identity))


def require_active(registry: Registry, identity: AgentIdentity) -> None:
    """Return where the person and every agent of the chain are still there.

    Raises:
        RightsExceeded: the person has left, or an agent's version was retired.
    """
    registry.principal(identity.principal)
    for ref in identity.agents:
        require_agent(registry, ref)


def require_agent(registry: Registry, ref: str) -> None:
    """Return where this version of an agent may act.

    Raises:
        RightsExceeded: it was retired, or is not registered any more.
    """
    version = registry.versions.get(ref)
    if version is None or version.stage == "retired":
        raise RightsExceeded(
            f"The agent {ref} is {'retired' if version else 'not registered'}.",
            hint="Use a version in production or staging; `remit agents` lists them.",
            rule="agent_inactive",
        )


async def read_view(records: Records, storage: KeyStorage, before: TokenView) -> TokenView:
    """Keys and revocations as they are on record; a key whose secret is gone is not taken."""
    keys = {}
    for kid, told in await records.records(KEYS):
        key = _key(kid, told, storage, before.keys.get(kid))
        if key is not None:
            keys[kid] = key
    revoked = {scope: int(told["at_us"]) for scope, told in await records.records(REVOKED)}
    return TokenView(keys, Revocations(revoked))


def _key(kid: str, told: Mapping[str, Any], storage: KeyStorage, known: IssuingKey | None) -> IssuingKey | None:
    epoch, until_us = int(told["epoch"]), int(told["until_us"])
    if known is not None:
        return IssuingKey(kid, epoch, known.jwk, until_us)
    secret = storage.load(kid)
    return None if secret is None else IssuingKey.open(kid, epoch, until_us, secret)
