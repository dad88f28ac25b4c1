"""What of a home could go around the door: read from what was declared, never tried out."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from remit.control_plane.core import Core
from remit.registry import Network, ToolSource, file_at

#: What is found: nothing can go there; someone declared that it may; something can, and nobody said so.
State = Literal["closed", "declared", "open"]

_WORLD = "Whoever reads it can do what it permits, without a policy, a budget or a record."
_PRIVATE = "It is a place inside that only this declaration lets the source reach."


@dataclass(frozen=True, slots=True)
class Way:
    """One way out, and what was found there."""

    way: str
    state: State
    finding: str
    #: Why it matters, and what closes it; empty where it is closed.
    why: str = ""
    closes: str = ""

    def to_json(self) -> dict[str, str]:
        """As the API shows it."""
        return {"way": self.way, "state": self.state, "finding": self.finding, "why": self.why, "closes": self.closes}


@dataclass(frozen=True, slots=True)
class WaysOut:
    """Looks at one home."""

    core: Core

    def all(self) -> dict[str, Any]:
        """Every way, the references of each source's credentials, and where the door is."""
        sources = self.core.door.controls.registry.sources
        address = _served(self.core.home)
        ways = [
            *(way for name in sorted(sources) for way in self._source(sources[name])),
            *self._code(),
            self._model(),
            *self._secret_files(),
            *([_listening(address)] if address else []),
        ]
        refs = {name: _references(source) for name, source in sorted(sources.items()) if source.credential}
        return {"ways": [way.to_json() for way in ways], "credentials": refs, "door": address}

    def _source(self, source: ToolSource) -> Iterator[Way]:
        name = f"source {source.name}"
        if source.command is not None:
            yield self._started(name, source)
        if source.module is not None:
            yield Way(
                name,
                "declared",
                f"{source.module} runs in Remit's process",
                "Its code can open connections by itself, and reads what Remit reads.",
                "Offer it as a server: `mcp: {command: [...]}` runs behind walls.",
            )
        if source.network.networks or source.network.hosts:
            yield Way(name, "declared", f"may reach {_places(source.network)}", _PRIVATE, "Narrow `network.allow`.")
        if source.sql is not None:
            yield from _database(name, source)
        if source.credential is not None and _in_the_clear(place := _address(source)):
            yield Way(
                name,
                "open",
                f"its credential goes to {urlsplit(place).hostname} without TLS",
                "Whoever is on the way reads it.",
                "Write an https:// address.",
            )

    def _started(self, name: str, source: ToolSource) -> Way:
        transport = self.core.transports.get(source.name)
        if not getattr(transport, "sandboxed", True):
            return Way(
                name,
                "open",
                "its server runs without walls: bubblewrap is missing or may not work",
                "It reaches any address, and every file of the user who runs Remit.",
                "Install bubblewrap, or run Remit where it may make namespaces.",
            )
        if source.command_networked:
            return Way(
                name,
                "declared",
                "its server reaches the network from behind its walls",
                "What it reaches is not held to addresses, as what Remit calls itself is.",
                "Take `mcp.network` away, or have Remit call the service itself (`openapi`, `mcp: {url: ...}`).",
            )
        return Way(name, "closed", "its server runs behind walls, without the network")

    def _code(self) -> Iterator[Way]:
        versions = self.core.door.controls.registry.versions.values()
        inside = sorted({version.name for version in versions if version.python and version.stage != "retired"})
        if inside:
            yield Way(
                "agents inside",
                "declared",
                f"{', '.join(inside)} run in Remit's process",
                "Their code can open connections by itself; the door sees only what goes through it.",
                "Look through their code, or run them outside with `remit connect`.",
            )

    def _model(self) -> Way:
        if self.core.model is None:
            return Way("REMIT_MODEL", "closed", "no model is configured")
        declared = getattr(self.core.model, "network", Network())
        if declared.networks or declared.hosts:
            places = f"may reach {_places(declared)}"
            return Way("REMIT_MODEL", "declared", places, _PRIVATE, "Narrow REMIT_MODEL_NETWORK.")
        return Way("REMIT_MODEL", "closed", "leaves by the one way out, to public addresses or this machine only")

    def _secret_files(self) -> Iterator[Way]:
        home = self.core.home
        files = [path for path in sorted((home / "keys").rglob("*")) if path.is_file()]
        files += [home / "serve.json", home / "vault.token"]
        for source in self.core.door.controls.registry.sources.values():
            if source.credential is not None and source.credential.certificate is not None:
                files.append(file_at(source.credential.certificate.key, home))
            files += [home / ref.removeprefix("file:") for ref in _references(source) if ref.startswith("file:")]
        loose = [path for path in files if _others_may_read(path)]
        for path in loose:
            shown = path.relative_to(home) if path.is_relative_to(home) else path
            yield Way("secret files", "open", f"{shown} can be read by other users", _WORLD, f"chmod 600 {path}")
        if not loose:
            yield Way("secret files", "closed", "readable by their owner only")


def _references(source: ToolSource) -> list[str]:
    """Where the secrets stand that Remit uses for the source; those of persons are theirs."""
    held = source.credential
    if held is None:
        return []
    return [ref for ref in (held.ref, held.exchange.client_secret if held.exchange else "") if ref]


def _database(name: str, source: ToolSource) -> Iterator[Way]:
    assert source.sql is not None
    if source.sql.dialect == "postgres" and source.sql.read_role is None:
        yield Way(
            name,
            "open",
            "reads are made as the role that logs in; `read_role` is not declared",
            "A read-only transaction is all that stands between a query and that role's rights.",
            "Declare `read_role`: a role with SELECT on the declared columns and nothing else.",
        )
    elif source.sql.dialect == "mysql" and not source.sql.statements:
        yield Way(
            name,
            "declared",
            "only reads are declared; what its user may do is not known without asking",
            "A read-only transaction is all that stands between a query and that user's rights.",
            "Log in as a user with SELECT on the declared columns and nothing else.",
        )


def _listening(address: str) -> Way:
    place = urlsplit(address)
    if _loopback(place.hostname or ""):
        return Way("the door", "closed", f"listens at {address}, on this machine only")
    if place.scheme == "https":
        return Way("the door", "closed", f"listens at {address}, with TLS")
    return Way(
        "the door",
        "open",
        f"listens at {address}, beyond this machine and without TLS",
        "Tokens cross the network in the clear.",
        "Serve on 127.0.0.1, or put a proxy with TLS before it and let nothing else reach the port.",
    )


def _served(home: Path) -> str:
    """Where the server of the home says that it listens; empty where none runs."""
    try:
        return str(json.loads((home / "serve.json").read_text("utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _address(source: ToolSource) -> str:
    """Where the source's calls go, as far as its declaration says."""
    parts = (source.openapi, source.soap, source.a2a, source.models)
    told = (getattr(part, field, "") for part in parts for field in ("base_url", "endpoint", "card", "url") if part)
    return next(filter(None, [source.url, *told]), "")


def _in_the_clear(address: str) -> bool:
    place = urlsplit(address)
    return place.scheme == "http" and not _loopback(place.hostname or "")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _others_may_read(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o044)
    except OSError:
        return False


def _places(network: Network) -> str:
    return ", ".join([*map(str, network.networks), *sorted(network.hosts)])
