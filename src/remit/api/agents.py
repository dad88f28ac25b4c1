"""From a request at one of the agents' endpoints to the agent that sent it."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from remit.api.auth import is_loopback
from remit.identity import AgentIdentity, Authenticator

#: What a proxy adds: behind one, a peer on this machine says nothing about where a request began.
_PROXIED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})


async def agent_of(request: Request, body: bytes, authenticator: Authenticator) -> AgentIdentity:
    """Who sent this request, by its token and, where the token confirms a key, its signature.

    Raises:
        Unauthenticated, NotAuthentic, RightsExceeded, ReplayWindowFull: as `Authenticator.authenticate`.
    """
    scope = request.scope
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return await authenticator.authenticate(
        request.headers.items(),
        request.method,
        request.headers.get("host", ""),
        raw_path.partition(b"?")[0].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        body,
        loopback=_is_local(scope) and _PROXIED.isdisjoint(request.headers.keys()),
    )


def _is_local(scope: Mapping[str, Any]) -> bool:
    peer = scope.get("client")
    return peer is not None and is_loopback(peer[0])
