"""A sidecar's three tasks put together: what it goes by, what it may spend, and what it sends on."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from remit.control_plane.beside import Beside
from remit.control_plane.leasing import Leasing
from remit.control_plane.sending import Counted, Sending
from remit.errors import BundleRefused, ControlUnreachable, RemitError, SidecarUnknown

_LOG = logging.getLogger("remit.sidecar")
_SEND_SECONDS, _TEND_SECONDS = 0.2, 1.0
_PAUSE_SECONDS, _PAUSE_SECONDS_MAX = 0.1, 2.0
#: How long the end of a sidecar waits for the control plane; what is not sent then is sent at the next start.
_LAST_SECONDS = 10.0


class Leased(Counted, Protocol):
    """The store of a sidecar's home."""

    more: Callable[[int], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Companion:
    """What keeps a sidecar and its control plane together."""

    beside: Beside
    leasing: Leasing
    sending: Sending

    async def start(self, store: Leased) -> None:
        """Go on from before, and hear what is in force now.

        Raises:
            BundleRefused, StoreCorrupted: as `Beside.restore`.
            ControlUnreachable, SidecarUnknown: nothing was ever pushed here, and nothing is now.
        """
        beside = self.beside
        await self.sending.count()
        await self.leasing.restore()
        store.more = self.leasing.more
        await beside.restore()
        try:
            await beside.ask(wait=False)
        except RemitError as silent:
            beside.unheard(silent)
            if beside.known is None:
                raise ControlUnreachable(silent.detail) from silent
        if beside.known is None:
            if beside.freshness.withdrawn:
                raise SidecarUnknown
            raise BundleRefused(beside.freshness.trouble)

    async def follow(self, stop: asyncio.Event) -> None:
        """Ask again and again what is in force; a question waits at the control plane until there is news."""

        async def ask() -> bool:
            try:
                return await self.beside.ask()
            except RemitError as silent:
                self.beside.unheard(silent)
                return False

        await _again(ask, stop, 0.0)

    async def send(self, stop: asyncio.Event) -> None:
        """Send what waits, as it comes."""

        async def send() -> bool:
            try:
                while await self.sending.send():
                    pass
            except RemitError as no:
                _LOG.debug("record waits: %s", no.code)
                return False
            return True

        await _again(send, stop, _SEND_SECONDS)

    async def tend(self, stop: asyncio.Event) -> None:
        """Keep the lease in step with what is spent."""

        async def tend() -> bool:
            try:
                await self.leasing.tend()
            except RemitError as no:
                _LOG.debug("lease waits: %s", no.code)
                return False
            return True

        await _again(tend, stop, _TEND_SECONDS)

    async def finish(self) -> None:
        """Send the rest and give back what is free, as far as the control plane hears it now."""
        with contextlib.suppress(RemitError, TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                while await self.sending.send():
                    pass
                await self.leasing.give_back()


async def _again(work: Callable[[], Awaitable[bool]], stop: asyncio.Event, every: float) -> None:
    """Work until `stop`: as often as `every`, and less often the longer it fails."""
    pause = _PAUSE_SECONDS
    while not stop.is_set():
        if await work():
            pause, wait = _PAUSE_SECONDS, every
        else:
            pause, wait = min(pause * 2, _PAUSE_SECONDS_MAX), pause
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await stop.wait()
