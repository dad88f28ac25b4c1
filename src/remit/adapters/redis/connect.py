"""A connection to a Redis server, at exactly the address that was checked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from remit.adapters.egress.host import server_at
from remit.errors import CredentialRefused, ToolUnreachable
from remit.registry import Credential, Network

_PORT = 6379
_CONNECT_SECONDS = 5.0
#: Longer than any wait for entries.
_ANSWER_SECONDS = 15.0


async def connect(url: str, network: Network, credential: Credential | None, secret: str) -> Any:
    """A client; it connects when it is first asked.

    Raises:
        EgressRefused, ToolUnreachable: the server may not be reached, or has no address.
    """
    from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection  # noqa: PLC0415 -- an extra

    server = await server_at(url, network, port=_PORT)
    options: dict[str, Any] = {"connection_class": Connection}
    if url.startswith("rediss"):

        class Named(SSLConnection):  # type: ignore[misc]  # an extra, which is not looked into
            """Connects to the address, and wants the certificate of the name."""

            def _connection_arguments(self) -> dict[str, Any]:
                return {**super()._connection_arguments(), "server_hostname": server.name}

        options = {"connection_class": Named, "ssl_ca_certs": network.ca}
    if credential is not None:
        user, _, password = secret.partition(":") if credential.form == "basic" else ("", "", secret)
        options |= {"username": user or None, "password": password}
    pool = ConnectionPool(
        host=server.address,
        port=server.port,
        db=int(urlsplit(url).path.strip("/") or 0),
        # Revision 3 lets the server send the client elsewhere, to an address that nobody checked.
        protocol=2,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        **options,
    )
    return Redis.from_pool(pool)


@asynccontextmanager
async def translated(stream: str) -> AsyncIterator[None]:
    """What goes wrong, in words of the catalogue."""
    from redis.exceptions import AuthenticationError, NoPermissionError, RedisError  # noqa: PLC0415 -- an extra

    try:
        yield
    except (AuthenticationError, NoPermissionError):
        raise CredentialRefused("The Redis server does not take the credential.") from None
    except (RedisError, OSError) as error:
        raise ToolUnreachable(f"The stream {stream} cannot be read: {type(error).__name__}.", rule="stream") from None
