"""A connection to a NATS server, at exactly the address that was checked."""

import ssl
from typing import Any

from remit.adapters.egress.host import server_at
from remit.errors import CredentialRefused, ToolUnreachable
from remit.registry import Credential, Network

_PORT = 4222
_CONNECT_SECONDS = 5


async def connect(url: str, network: Network, credential: Credential | None, secret: str) -> Any:
    """Connect; a connection that is lost stays lost, so that the next one is checked anew.

    The server's word on other servers of its cluster is not followed: their addresses were not declared.

    Raises:
        EgressRefused, CredentialRefused, ToolUnreachable: it is not reached.
    """
    import nats  # noqa: PLC0415 -- an extra
    from nats.errors import AuthorizationError, Error  # noqa: PLC0415 -- an extra

    server = await server_at(url, network, port=_PORT)
    options: dict[str, Any] = {}
    if url.startswith("tls"):
        options |= {"tls": ssl.create_default_context(cafile=network.ca), "tls_hostname": server.name}
    if credential is not None and credential.form == "basic":
        user, _, password = secret.partition(":")
        options |= {"user": user, "password": password}
    elif credential is not None:
        options["token"] = secret
    host = f"[{server.address}]" if ":" in server.address else server.address
    try:
        return await nats.connect(
            f"nats://{host}:{server.port}",
            name="remit",
            allow_reconnect=False,
            # Without these the client goes on for minutes to reach a server that is not there.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_CONNECT_SECONDS,
            error_cb=_unheard,
            **options,
        )
    except AuthorizationError:
        raise CredentialRefused(f"{server.name} does not take the credential.") from None
    except (Error, OSError, TimeoutError) as error:
        told = "Authorization" if "uthorization" in str(error) else type(error).__name__
        raise ToolUnreachable(f"{server.name} cannot be connected to: {told}.", rule="not_connected") from None


async def _unheard(_error: Exception) -> None:
    """What goes wrong is raised where it is noticed; the client's own log would tell it twice."""
