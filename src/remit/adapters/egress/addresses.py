"""What kind of address a name led to. Only public addresses are reached without having been declared."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def _networks(*written: str) -> Networks:
    return tuple(ip_network(one) for one in written)


#: Services that hand out a machine's own credentials, and those of clouds that stand at public addresses.
METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
        ),
    )
)
#: From the IANA registries of special-purpose addresses, the first that holds an address names it.
#: Written out, because what the standard library calls private has changed between releases.
_SPECIAL: tuple[tuple[str, Networks], ...] = (
    ("unspecified", _networks("0.0.0.0/8", "::/128")),
    ("loopback", _networks("127.0.0.0/8", "::1/128")),
    ("link-local", _networks("169.254.0.0/16", "fe80::/10")),
    ("private", _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")),
    ("multicast", _networks("224.0.0.0/4", "ff00::/8")),
    (
        "reserved",
        _networks(
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "240.0.0.0/4", "::/8", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
        ),
    ),
)  # fmt: skip
#: Prefixes whose addresses carry an IPv4 address that traffic really goes to, and where it stands: bits from the right.
_CARRIERS = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("2002::/16"), 80),
)


def really(address: Address) -> Address:
    """The address that traffic goes to: the IPv4 address inside a mapped, translated or 6to4 one."""
    if isinstance(address, IPv6Address):
        for network, shift in _CARRIERS:
            if address in network:
                return IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return address


def special_kind(address: Address) -> str | None:
    """What keeps an address from being reached undeclared, in one word; None where it is public."""
    address = really(address)
    if _plain(address) in METADATA:
        return "metadata"
    for kind, networks in _SPECIAL:
        if _within(address, networks):
            return kind
    return None if address.is_global else "reserved"


def declared(address: Address, allowed: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether one of the networks covers the address; a metadata service must be named by itself."""
    address = really(address)
    exact = _plain(address) in METADATA
    return any(
        address.version == network.version and address in network and (not exact or network.num_addresses == 1)
        for network in allowed
    )


def _within(address: Address, networks: Networks) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _plain(address: Address) -> Address:
    """Without the zone, which is no part of what an address is."""
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) and address.scope_id else address
