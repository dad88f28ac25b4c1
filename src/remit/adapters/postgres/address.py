"""Where a store on PostgreSQL stands; its password is never part of what is shown or kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from remit.errors import InvalidSetting

SCHEMES = ("postgresql://", "postgres://")
#: What holds where the address does not say otherwise: seconds, and milliseconds for `tcp_user_timeout`. A server that
#: is gone without a word is noticed, and of several hosts the one that takes writes is chosen.
_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",
    "application_name": "remit",
    "client_encoding": "utf8",
}


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A database, as libpq understands its address; options such as `sslmode` are passed on."""

    #: What the address says; may hold a password.
    told: Mapping[str, str] = field(repr=False)
    #: The address for people: user, host, port and database.
    shown: str

    @classmethod
    def read(cls, address: str) -> "StoreAddress":
        """Read an address.

        Raises:
            InvalidSetting: it is none, or names no database; it is not repeated, because it may hold a password.
        """
        faulty = InvalidSetting(
            "The store's address is not one of PostgreSQL.", hint="Write it as postgresql://USER@HOST:PORT/DATABASE."
        )
        if not address.startswith(SCHEMES):
            raise faulty
        try:
            found = {name: str(value) for name, value in conninfo_to_dict(address).items() if value is not None}
        except Exception:  # noqa: BLE001 -- what libpq says of a faulty address may repeat its password
            raise faulty from None
        if not found.get("dbname"):
            raise faulty
        return cls(found, _shown(found))

    @property
    def given(self) -> dict[str, str]:
        """What libpq is given."""
        return _DEFAULTS | dict(self.told)

    @property
    def kept(self) -> str:
        """The address as it may be written down: with its options, without a password."""
        apart = {"user", "host", "port", "dbname", "password", "sslpassword"}
        options = {name: value for name, value in self.told.items() if name not in apart}
        return f"{self.shown}?{urlencode(options, quote_via=quote)}" if options else self.shown

    @property
    def holds_password(self) -> bool:
        """True where a password stands in the address itself."""
        return "password" in self.told or "sslpassword" in self.told


def _shown(found: Mapping[str, str]) -> str:
    user = f"{quote(found['user'])}@" if "user" in found else ""
    hosts = found.get("host", "").split(",")
    ports = found.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    each = [f"{_host(host)}:{port}" if port else _host(host) for host, port in zip(hosts, ports, strict=False)]
    return f"postgresql://{user}{','.join(each)}/{quote(found['dbname'])}"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")
