"""The way from a sidecar to its control plane, as a port."""

from dataclasses import dataclass
from typing import Protocol

from remit.sidecars.account import Account, Told
from remit.sidecars.record import Row


@dataclass(frozen=True, slots=True)
class Joined:
    """Where the control plane stands with this sidecar."""

    agent: str
    principal: str
    #: How many entries of the sidecar's record it has, and the root of the tree over them in hexadecimal.
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """A signed head, with the bundle's text where it is not the one that was named."""

    head: str
    body: str | None


class Link(Protocol):
    """Asks and tells the control plane.

    Each method raises `ControlUnreachable` where there is no answer, `SidecarUnknown` where it is not enrolled any
    more, and the control plane's own refusal with its code where it said no.
    """

    async def join(self, vkey: str) -> Joined:
        """Say which key seals the record; where the control plane stands."""
        ...

    async def bundle(self, *, have: str, nonce: str, wait_seconds: float) -> Pushed:
        """The bundle in force; the answer comes at once where its digest is not `have`, else within `wait_seconds`."""
        ...

    async def account(self, told: Told) -> Account:
        """Tell what was spent and given back, and ask for more."""
        ...

    async def send(self, rows: list[Row], seal: str, *, after: int) -> int:
        """Send the next rows on; how many entries the control plane has now."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
