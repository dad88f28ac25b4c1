"""The address of a server that speaks no HTTP: found and checked as for HTTP, and connected to as it was checked."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from remit.adapters.egress.backend import CheckedBackend, Resolver, system_resolver
from remit.errors import ToolUnreachable
from remit.registry import Network


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is."""

    #: As it is written; what a certificate must name.
    name: str
    #: Its address that may be reached.
    address: str
    port: int


async def server_at(url: str, network: Network, *, port: int, resolve: Resolver = system_resolver) -> Server:
    """The server that a URL names; `port` where it names none.

    Raises:
        EgressRefused: it is of a kind that was not declared.
        ToolUnreachable: it has no address.
    """
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port or port
    try:
        found = [name] if _is_address(name) else list(await resolve(name, port))
    except (OSError, UnicodeError):
        found = []
    addresses = [ip_address(one) for one in dict.fromkeys(found)]
    allowed = CheckedBackend(network).checked(name, addresses)
    if not allowed:
        raise ToolUnreachable(f"{name} has no address.", rule="not_connected")
    return Server(name, str(allowed[0]), port)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
