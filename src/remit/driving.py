"""Who drives the missions of a home: this process alone, or workers that a scheduler gives them to."""

import asyncio
import os
import socket
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from remit import stores
from remit.config import Settings
from remit.control_plane import Core
from remit.drivers import ClusterDriver, EmbeddedDriver, Flow, Turns, WorkerCounts
from remit.errors import HomeBusy, InvalidSetting
from remit.ids import MissionId
from remit.ledger import HOME_LEASE, Commit, PutRecord, Shared, Store
from remit.ledger.seal import PublicKey
from remit.missions import PRIORITIES, Performer
from remit.registry import DEFAULT_POOL

if TYPE_CHECKING:
    from remit.adapters.temporal import MissionWorker, TemporalScheduler

#: The record that says that many processes drive, and what it says.
_DRIVER, _CLUSTER = ("home", "driver"), "cluster"


class Joining(Protocol):
    """How a process gets the right to drive, and gives it up."""

    async def take(self) -> None:
        """Get it, where this process does not have it.

        Raises:
            HomeBusy: it cannot be had while others have it.
        """
        ...

    def let_go(self) -> None:
        """Let others have it."""
        ...


def driver_of(
    settings: Settings, store: Store, performer: Performer, key: PublicKey
) -> tuple[EmbeddedDriver | ClusterDriver, Joining]:
    """What drives the missions, and how this process joins in.

    Raises:
        InvalidSetting: Temporal is named, and what speaks to it is not installed.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}"
    if not settings.temporal:
        embedded = EmbeddedDriver(
            store, performer, _nothing, holder, parallel=settings.parallel, turns=Turns(settings.missions)
        )
        return embedded, HomeLease(settings.home, embedded, store)
    scheduler = _temporal(settings, store, performer, key)
    cluster = ClusterDriver(store, performer, _nothing, holder, scheduler, parallel=settings.parallel)
    return cluster, Cluster(store, holder)


def _temporal(settings: Settings, store: Store, performer: Performer, key: PublicKey) -> "TemporalScheduler":
    try:
        from remit.adapters.temporal import Lane, TemporalAddress, TemporalScheduler, TemporalTls  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise InvalidSetting(
            "REMIT_TEMPORAL is set, and what speaks to Temporal is not installed.",
            hint="Install it with `pip install 'remit[temporal]'`.",
        ) from error

    async def lane_of(mission: MissionId) -> Lane:
        flow = Flow.of(await store.record("mission", mission))
        workflow = performer.door.controls.registry.workflows.get(flow.workflow)
        pool = workflow.pool if workflow is not None else DEFAULT_POOL
        # Only names of missions cross to Temporal: a person's name is not told.
        return Lane(pool, sha256(f"{home} {flow.name}".encode()).hexdigest()[:32], PRIORITIES[flow.priority])

    home = f"remit-{key.key_id.hex()}"
    tls = TemporalTls(
        settings.temporal_ca_file,
        settings.temporal_certificate_file,
        settings.temporal_key_file,
        settings.temporal_api_key_file,
    )
    address = TemporalAddress(
        settings.temporal,
        settings.temporal_namespace,
        home,
        tls if settings.temporal_tls else None,
    )
    return TemporalScheduler(address, lane_of)


class Cluster:
    """A home that many processes drive: from the first one on, no single process may drive it all."""

    def __init__(self, store: Store, holder: str) -> None:
        self._store = store
        self._holder = holder
        self._joined = False

    async def take(self) -> None:
        """Join; whoever drove it all is replaced."""
        if self._joined:
            return
        if await self._store.record(*_DRIVER) != _CLUSTER:
            await self._store.commit(Commit((), (PutRecord(*_DRIVER, _CLUSTER),)))
            await self._store.take(self._holder, HOME_LEASE)
        self._joined = True

    def let_go(self) -> None:
        """Nothing is held for the home as a whole."""


def worker_of(core: Core, counts: WorkerCounts, *, grace_seconds: float) -> "MissionWorker":
    """A worker for the missions of one pool, on a home that workers drive; it keeps `counts`."""
    from remit.adapters.temporal import MissionWorker, TemporalScheduler  # noqa: PLC0415 -- an extra

    driver = core.driver
    assert isinstance(driver, ClusterDriver), "REMIT_TEMPORAL is set"
    assert isinstance(driver.scheduler, TemporalScheduler), "as `driver_of` has made it"
    return MissionWorker(driver.scheduler, counts, driver.carry, driver.drained, lambda: core.now_us, grace_seconds)


async def hand_back(store: Store) -> bool:
    """Let one process drive the home again; False where one did. Whoever asks sees to it that no worker runs."""
    if await store.record(*_DRIVER) != _CLUSTER:
        return False
    await store.commit(Commit((), (PutRecord(*_DRIVER, None),)))
    return True


class HomeLease:
    """The home's lock file and lease: the lock is a courtesy between processes, the epoch is the proof."""

    def __init__(self, home: Path, driver: EmbeddedDriver, store: Store) -> None:
        self._shared = store if isinstance(store, Shared) else None
        self._home = home
        self._driver = driver
        self._file: Any = None
        self._taking = asyncio.Lock()

    async def take(self) -> None:
        # Two missions may be driven at once from the start: the second waits for the lease that the first takes.
        async with self._taking:
            await self._take()

    async def _take(self) -> None:
        if self._file is not None:
            return
        self._file = stores.lock_home(self._home)
        try:
            if self._shared is not None:
                await self._shared.hold()
            await self._check_no_workers()
            await self._driver.take_over()
        except BaseException:
            self.let_go()
            raise

    async def _check_no_workers(self) -> None:
        if await self._driver.store.record(*_DRIVER) == _CLUSTER:
            raise HomeBusy(
                "Workers drive its missions.",
                hint="Set REMIT_TEMPORAL as they do; or end them all, and run `remit worker --hand-back`.",
            )

    def let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._shared is not None:
                self._shared.release()


async def _nothing() -> None:
    return None
