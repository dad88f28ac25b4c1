"""A door of one agent's own, on this machine: adds a fresh token and a signature to each request, and sends it on.

Whoever knows the secret in its addresses is the agent; the token itself never leaves this process unsigned.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from remit.api.auth import host_of, is_loopback
from remit.api.mcp.exchange import respond
from remit.api.names import unguessable
from remit.api.problems import problem
from remit.clock import Clock
from remit.errors import RemitError
from remit.identity import Request, RequestSigner, sign

_BODY_BYTES_MAX = 20 << 20
#: A token is exchanged for a new one once it lives no longer than this.
_RENEW_SECONDS = 150
_TOPS = ("/mcp", "/v1")
#: What concerns one connection alone (RFC 9110, section 7.6.1), and what is said here itself.
_OWN = frozenset(
    {"host", "authorization", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
    | {"content-length", "content-digest", "signature", "signature-input", "proxy-authorization", "proxy-connection"}
)

#: Asks for a token that confirms this key: its text, and when it ends in seconds since 1970.
Issue = Callable[[Mapping[str, str]], Awaitable[tuple[str, float]]]


@dataclass(slots=True)
class Tokens:
    """The agent's current token."""

    issue: Issue
    signer: RequestSigner
    clock: Clock
    _text: str = ""
    _ends: float = 0.0

    async def headers(self, request: Request) -> dict[str, str]:
        """What proves that the agent sends this."""
        now = self.clock.now().timestamp()
        if now > self._ends - _RENEW_SECONDS:
            self._text, self._ends = await self.issue(self.signer.public.jwk)
        nonce = unguessable()[:32]
        return sign(request, f"Bearer {self._text}", self.signer, created=int(now), nonce=nonce)


class OwnDoor:
    """An ASGI application that sends on what comes below `/SECRET`."""

    def __init__(self, base: str, tokens: Tokens, secret: str = "") -> None:
        self._base = httpx.URL(base)
        self._tokens = tokens
        self._http = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113 -- a call takes as long as it takes
        #: A new one where none is given that was made before.
        self.secret = secret or unguessable()

    def addresses(self, url: str) -> dict[str, str]:
        """What the agent is told, where this application is served at `url`."""
        own = f"{url}/{self.secret}"
        return {"REMIT_MCP_URL": f"{own}/mcp", "OPENAI_BASE_URL": f"{own}/v1", "OPENAI_API_KEY": self.secret}

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path = self._below(scope)
        if path is None or not is_loopback(host_of(headers.get("host", ""))):
            await respond(send, 404)
            return
        body = await _read(receive)
        if body is None:
            await respond(send, 413)
            return
        query: str = scope["query_string"].decode("latin-1")
        try:
            own = await self._tokens.headers(Request(scope["method"], self._authority, path, query, body))
        except RemitError as no:
            await problem(no)(scope, receive, send)
            return
        passed = {name: value for name, value in headers.items() if name not in _OWN}
        target = self._base.copy_with(raw_path=(f"{path}?{query}" if query else path).encode("latin-1"))
        request = self._http.build_request(scope["method"], target, headers={**passed, **own}, content=body)
        request.headers["accept-encoding"] = "identity"
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.TransportError:
            await respond(send, 502, b'{"error": {"message": "The door is not there: see `remit serve`."}}')
            return
        await _hand_back(answer, receive, send)

    @property
    def _authority(self) -> str:
        return self._base.netloc.decode("ascii")

    def _below(self, scope: Scope) -> str | None:
        """The path behind the secret, where it leads to the door."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        _, _, rest = raw.partition(b"?")[0].decode("latin-1").partition("/")
        secret, _, path = rest.partition("/")
        path = f"/{path}"
        known = compare_digest(secret.encode(), self.secret.encode())
        return path if known and any(path == top or path.startswith(f"{top}/") for top in _TOPS) else None


async def _hand_back(answer: httpx.Response, receive: Receive, send: Send) -> None:
    """Pass the answer on as it comes; a caller who hangs up hangs up on the door too."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def passed() -> None:
        headers = [(k, v) for k, v in answer.headers.raw if k.decode("latin-1").lower() not in _OWN]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for part in answer.aiter_raw():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    watching, passing = asyncio.ensure_future(left()), asyncio.ensure_future(passed())
    try:
        await asyncio.wait({watching, passing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        passing.cancel()
        await asyncio.wait({watching, passing})
        await answer.aclose()
    if not passing.cancelled():
        passing.result()


async def _read(receive: Receive) -> bytes | None:
    """The body; None where it is too long or its sender has left."""
    parts, size = [], 0
    while True:
        part: Mapping[str, Any] = await receive()
        if part["type"] == "http.disconnect":
            return None
        parts.append(part.get("body", b""))
        size += len(parts[-1])
        if size > _BODY_BYTES_MAX:
            return None
        if not part.get("more_body"):
            return b"".join(parts)
