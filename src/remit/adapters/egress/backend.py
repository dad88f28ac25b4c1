"""Connects to exactly the address that was checked: names are resolved here, once for each connection."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore

from remit.adapters.egress.addresses import Address, declared, special_kind
from remit.adapters.egress.stream import WholeRequests
from remit.errors import EgressRefused
from remit.registry import Network

#: Gives the addresses of a host, best first.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
#: Kinds of address that the declaration of a host's name covers; the others must be declared by themselves.
_BY_NAME = frozenset({"private", "loopback"})


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The operating system's answer; it also understands the odd spellings of addresses."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for one source."""

    def __init__(self, network: Network, resolve: Resolver = system_resolver) -> None:
        self._network = network
        self._resolve = resolve
        self._connect = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the form that httpcore asks for
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect; one after the other within `timeout` seconds.

        Raises:
            EgressRefused: every address of the host is of a kind that the source did not declare.
            ConnectError, ConnectTimeout: it has none, or none takes the connection.
        """
        last: Exception = httpcore.ConnectError(f"{host} has no address")
        try:
            async with asyncio.timeout(timeout):
                for address in self.checked(host, await self._addresses(host, port)):
                    try:
                        stream = await self._connect.connect_tcp(
                            str(address), port, local_address=local_address, socket_options=socket_options
                        )
                        return WholeRequests(stream)
                    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                        last = error
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} did not take a connection in {timeout:g} seconds") from None
        raise last

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def checked(self, host: str, addresses: Sequence[Address]) -> list[Address]:
        """Those of the host's addresses that may be reached.

        Raises:
            EgressRefused: there are some, and none may.
        """
        named = host.lower().rstrip(".") in self._network.hosts
        may: list[Address] = []
        refused: tuple[Address, str] | None = None
        for address in addresses:
            kind = special_kind(address)
            if kind is None or (named and kind in _BY_NAME) or declared(address, self._network.networks):
                may.append(address)
            else:
                refused = refused or (address, kind)
        if refused is None or may:
            return may
        raise _refusal(host, *refused)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError(f"{host} has no address") from None
        return list(dict.fromkeys(map(ip_address, found)))


def _refusal(host: str, address: Address, kind: str) -> EgressRefused:
    is_literal = host.strip("[]") == str(address)
    told = f"{host} is" if is_literal else f"{host} leads to {address}, which is"
    return EgressRefused(
        f"{told} {_ARTICLES.get(kind, f'a {kind} address')}, and is not declared.",
        hint=f"If that is meant, write `network: {{allow: [{_entry(address)}]}}` in the source and apply it; "
        "otherwise correct its address.",
        rule=f"egress_{kind.replace('-', '_')}",
    )


_ARTICLES = {"unspecified": "an unspecified address", "metadata": "the metadata service of a cloud"}


def _entry(address: Address) -> str:
    """How the address is declared."""
    return f"{str(address).partition('%')[0]}/{address.max_prefixlen}"
