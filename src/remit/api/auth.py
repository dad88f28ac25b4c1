"""Who may speak to the server: the bearer of serve.json's token, under a name of this machine.

The Host header is checked because a web page can have a name of its own lead to 127.0.0.1 (DNS rebinding).
"""

from functools import lru_cache
from hmac import compare_digest
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from remit.api.problems import problem
from remit.errors import Misdirected, Unauthenticated

#: The only route that needs no token.
_OPEN = "/healthz"


class Gate:
    """Lets requests in that carry the token; with `loopback_only`, under a name of this machine only."""

    def __init__(self, app: ASGIApp, *, token: str, loopback_only: bool = True) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        if self._loopback_only and not is_loopback(host_of(headers.get("host", ""))):
            await problem(Misdirected("Its Host header does not name this machine."))(scope, receive, send)
        elif scope["path"] != _OPEN and not compare_digest(
            headers.get("authorization", "").encode("latin-1"), self._expected
        ):
            await problem(Unauthenticated())(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """True for a name or address that stays on this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
