"""What it takes to know which agent sent a request: its token, and its signature, new and known again."""

import asyncio
import statistics
import time
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from measure import answer

from remit.adapters.system import SystemClock
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
)

HOME = "urn:remit:home:bench"
ROUNDS, EACH = 9, 200
BODY = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_order","arguments":{"order":"' + b"7" * 900
)
REQUEST = Request("POST", "127.0.0.1:8321", "/mcp/erp", "", BODY)
Headers = list[tuple[str, str]]


def an_identity(signer: RequestSigner | None, number: int) -> AgentIdentity:
    now_us = time.time_ns() // 1000
    return AgentIdentity(
        token=f"tok-{number}",
        agent="planner@1.0.0",
        principal="anna",
        mission="msn-0000000000000",
        chain=("principal:anna", "mission:msn-0000000000000", "agent:planner@1.0.0"),
        skills=("plan", "match", "pay"),
        tools=("erp__*", "files__read", "bank__pay"),
        budget_usd_micros=5_000_000,
        audience=HOME,
        issued_at_us=now_us,
        expires_at_us=(now_us // 1_000_000 + 600) * 1_000_000,
        key="",
        epoch=1,
        confirmed=signer.public if signer else None,
    )


def an_authenticator(key: IssuingKey) -> Authenticator:
    made = Authenticator(HOME, HOME, SystemClock(), NonceMemory(0), lambda _identity: None)
    made.view = TokenView({key.kid: key})
    return made


def requests_of(key: IssuingKey, signer: RequestSigner | None, *, tokens: int) -> list[Headers]:
    """One request for each measurement, signed just now, with `tokens` different tokens."""
    texts = [issue(replace(an_identity(signer, n), key=key.kid), HOME, key) for n in range(tokens)]
    made = []
    for number in range(EACH):
        bearer = f"Bearer {texts[number % tokens]}"
        if signer is None:
            made.append([("authorization", bearer)])
        else:
            made.append(
                list(sign(REQUEST, bearer, signer, created=int(time.time()), nonce=f"n{time.time_ns():0>20}").items())
            )
    return made


async def take(door: Authenticator, headers: Headers) -> AgentIdentity:
    return await door.authenticate(
        headers, REQUEST.method, REQUEST.authority, REQUEST.path, REQUEST.query, REQUEST.body, loopback=True
    )


async def measured(what: str, signer: RequestSigner | None, *, known: bool) -> dict[str, Any]:
    """CPU per request in microseconds: median, least and most of the rounds."""
    key, rounds = IssuingKey.generate(1), []
    for _ in range(ROUNDS):
        door = an_authenticator(key)
        requests = requests_of(key, signer, tokens=1 if known else EACH + 1)
        if known:
            await take(door, requests.pop())
        begin = time.process_time()
        for headers in requests:
            await take(door, headers)
        rounds.append((time.process_time() - begin) / len(requests) * 1e6)
    return {"what": what, "us": statistics.median(rounds), "least_us": min(rounds), "most_us": max(rounds)}


async def main() -> list[dict[str, Any]]:
    ed25519 = RequestSigner.generate()
    p256 = RequestSigner.of(ec.generate_private_key(ec.SECP256R1()))
    return [
        await measured("bearer token, first time", None, known=False),
        await measured("bearer token, known again", None, known=True),
        await measured("token and Ed25519 signature, first time", ed25519, known=False),
        await measured("token and Ed25519 signature, token known", ed25519, known=True),
        await measured("token and P-256 signature, first time", p256, known=False),
        await measured("token and P-256 signature, token known", p256, known=True),
    ]


if __name__ == "__main__":
    answer({"authentication": asyncio.run(main())})
