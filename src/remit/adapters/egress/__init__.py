"""The one way out for HTTP: what a source declared, and public addresses, checked after DNS."""

from remit.adapters.egress.backend import CheckedBackend, Resolver, system_resolver
from remit.adapters.egress.client import EgressClient, Reply, httpx_client, media_type
from remit.adapters.egress.credentials import Injector
from remit.adapters.egress.host import Server, server_at
from remit.adapters.egress.identity import ClientIdentity
from remit.adapters.egress.refused import EXCHANGED, credential_refused
from remit.adapters.egress.transport import EgressTransport, outcome_of

__all__ = [
    "EXCHANGED",
    "CheckedBackend",
    "ClientIdentity",
    "EgressClient",
    "EgressTransport",
    "Injector",
    "Reply",
    "Resolver",
    "Server",
    "credential_refused",
    "httpx_client",
    "media_type",
    "outcome_of",
    "server_at",
    "system_resolver",
]
