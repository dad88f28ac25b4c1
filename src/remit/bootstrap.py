"""The only place that chooses adapters and builds a `ControlPlane`."""

import asyncio
import fcntl
import gc
import getpass
import importlib
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from remit.adapters.mcp import McpStdioTransport
from remit.adapters.pydantic_ai import ModelTransport
from remit.adapters.python import PythonTransport
from remit.adapters.secrets import Secrets, SecretStores
from remit.adapters.secrets import Vault as SecretVault
from remit.adapters.sqlite import SqliteStore
from remit.adapters.system import KeyFolder, SystemClock, SystemIds
from remit.clock import Clock
from remit.config import Settings
from remit.control_plane import ControlPlane, Core, authenticator_of, kinds
from remit.drivers import EmbeddedDriver
from remit.errors import (
    HomeBusy,
    InvalidInput,
    InvalidSetting,
    KeyMissing,
    RightsExceeded,
    StoreCorrupted,
    StoreUnreachable,
)
from remit.gateway import Admission, Controls, Door, Transport
from remit.identity import Principal
from remit.ids import DEFAULT_TENANT
from remit.ledger import Store
from remit.ledger.seal import Signer
from remit.missions import Agent, Performer
from remit.policy import PolicySet
from remit.registry import Network, OpenApi, Registry, SqlSource, ToolSource, network_of
from remit.resources import sketch
from remit.state import KeyRing, Vault

if TYPE_CHECKING:
    from remit.adapters.egress import EgressTransport

STORE_FILE = "remit.sqlite"
_HOME_KEY, _LEDGER_KEY = "home.key", "ledger.key"
_SECRET_SECONDS = 10.0
_DEFAULT_BUDGET = """\
apiVersion: remit/v1
kind: Budget
name: tenant
description: The most that this home may spend on models and priced tools.
limit: {amount: "100.00", currency: USD}
"""
_DEFAULT_RATES = """\
# What one unit of each currency is worth in the base currency. Limits in another currency are compared by this table;
# where a rate is missing, a person is asked. Replace it with the rates that your company uses.
base: USD
on: 2026-11-02
rates:
  EUR: "1.15"
  GBP: "1.32"
  CHF: "1.24"
"""


def is_home(home: Path) -> bool:
    """True where the folder holds a Remit home."""
    return (home / STORE_FILE).is_file() and (home / "keys" / _HOME_KEY).is_file()


async def create_home(settings: Settings) -> None:
    """Make a new home: keys, store, a budget, and the operating system's user as its owner.

    Safe to repeat after a crash in the middle: what is there stays.

    Raises:
        InvalidInput: the folder cannot be made or holds something else.
        KeyMissing, StoreCorrupted: it was a home, and its key or its store is gone.
    """
    home = settings.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in (_HOME_KEY, _LEDGER_KEY):
            if not (home / "keys" / key).exists():
                _check_key_is_new(home, key)
                KeyRing.create(home / "keys" / key)
        if not (home / "rates.yaml").exists():
            (home / "rates.yaml").write_text(_DEFAULT_RATES, "utf-8")
    except OSError as error:
        raise InvalidInput(f"{home} cannot be made a home: {error.strerror}.") from error
    plane = await open_home(settings)
    try:
        user = getpass.getuser()
        if plane.core.door.controls.registry.principal_of(user) is None:
            owner = (
                f"apiVersion: remit/v1\nkind: Principal\nname: {_safe(user)}\nroles: [owner]\nos_user: {_safe(user)}\n"
            )
            await plane.resources.apply([("init.yaml", owner), ("budget.yaml", _DEFAULT_BUDGET)], None)
        (home / "ledger.vkey").write_text(plane.ledger.key.vkey + "\n", "utf-8")
    finally:
        await plane.close()


async def open_home(settings: Settings, *, store: Store | None = None, clock: Clock | None = None) -> ControlPlane:
    """Open a home; no lease is taken before something is driven.

    Raises:
        InvalidInput: there is no home there.
        KeyMissing, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be opened; nothing was changed.
    """
    home = settings.home
    if not (home / "keys" / _HOME_KEY).is_file():
        _check_key_is_new(home, _HOME_KEY)
        raise InvalidInput(f"{home} is not a Remit home.", hint="Make one with `remit init`, or name one with --home.")
    if store is None:
        _check_store_there(home)
    ring = KeyRing.open(home / "keys" / _HOME_KEY)
    signer = Signer.from_seed("remit.local", bytes.fromhex((home / "keys" / _LEDGER_KEY).read_text("ascii").strip()))
    store = store or SqliteStore(home / STORE_FILE)
    clock = clock or SystemClock()
    ids = SystemIds()
    vault = Vault(ring, store)
    empty = Controls(Registry(), PolicySet.compile([], None, frozenset()))
    transports: dict[str, Transport] = {}
    door = Door(empty, store, vault, transports, clock, Admission(clock), DEFAULT_TENANT)
    performer = Performer(door, clock, ids, load_agent)
    driver = EmbeddedDriver(
        store, performer, _nothing, f"{socket.gethostname()}:{os.getpid()}", parallel=settings.parallel
    )
    lease = _Lease(home, driver)
    core = Core(
        home=home,
        store=store,
        door=door,
        driver=driver,
        clock=clock,
        ids=ids,
        signer=signer,
        authenticator=authenticator_of(door, signer, clock),
        token_keys=KeyFolder(home / "keys" / "tokens"),
        kinds=kinds(),
        connect=lambda source: connect(source, settings, clock),
        reader=settings.reader,
        take_lease=lease.take,
        let_go=lease.let_go,
        model_key_set=settings.openai_key_set,
        model=_model(settings),
        transports=transports,
    )
    plane = ControlPlane.of(core)
    driver.reload = plane.resources.reload
    await plane.resources.reload()
    return plane


def _check_key_is_new(home: Path, key: str) -> None:
    store = home / STORE_FILE
    if store.is_file() and store.stat().st_size:
        raise KeyMissing(f"keys/{key} is missing, and {STORE_FILE} was written with it; a new key would not open it.")


def _check_store_there(home: Path) -> None:
    """Refuse a home whose store is gone: a new, empty one in its place would hide the loss."""
    path = home / STORE_FILE
    witnesses = [name for name in ("seals.log", "ledger.vkey") if (home / name).exists()]
    if witnesses and not (path.is_file() and path.stat().st_size):
        what = "is empty" if path.is_file() else "is missing"
        raise StoreCorrupted(
            f"{STORE_FILE} {what}, and {witnesses[0]} shows that there was a record.",
            hint="Put the store back from a backup. To begin anew, name another folder with --home.",
        )


def connect(source: ToolSource, settings: Settings, clock: Clock) -> Transport:
    """The transport of a tool source; `{home}` and `{python}` in a command stand for the home and this interpreter."""
    if source.module is not None:
        return PythonTransport(source.module, bindings={"home": str(settings.home)}, clock=clock)
    if source.sql is not None:
        return _sql(source, source.sql, settings, clock)
    return _started(source, source.command, settings) if source.command is not None else _reached(source, settings)


def _started(source: ToolSource, given: tuple[str, ...], settings: Settings) -> Transport:
    places = {"{home}": str(settings.home), "{python}": sys.executable}
    command = []
    for part in given:
        for name, value in places.items():
            part = part.replace(name, value)  # noqa: PLW2901 -- each place in turn
        command.append(part)
    bundled = given[:2] == ("{python}", "-m") and given[2].startswith("remit.")
    return McpStdioTransport(
        command,
        env_allow=source.env,
        timeout_seconds=source.timeout_seconds,
        bundled=bundled,
        allow_unsandboxed=settings.allow_unsandboxed,
        readable=[settings.home / "inbox"],
    )


def _reached(source: ToolSource, settings: Settings) -> Transport:
    """The transport of a source at an address; what speaks its protocol is imported only where there is one."""
    from remit.adapters.egress import EgressClient, EgressTransport  # noqa: PLC0415 -- as said

    if source.url is not None:
        from remit.adapters.mcp import McpHttpTransport  # noqa: PLC0415 -- as said

        return McpHttpTransport(source.url, egress_of(source, settings), timeout_seconds=source.timeout_seconds)
    if source.openapi is not None:
        return _openapi(source, source.openapi, settings)
    if source.soap is not None:
        from remit.adapters.soap import SoapTransport  # noqa: PLC0415 -- as said

        calls, documents = egress_of(source, settings), EgressTransport(source.network)
        folder = str(settings.home)
        return SoapTransport(source.name, source.soap, EgressClient(calls), EgressClient(documents), folder=folder)
    if source.a2a is not None:
        from remit.adapters.a2a import A2aTransport  # noqa: PLC0415 -- as said

        return A2aTransport(source.name, source.a2a, egress_of(source, settings), EgressTransport(source.network))
    assert source.models is not None
    return _models(source, settings)


def _openapi(source: ToolSource, service: OpenApi, settings: Settings) -> Transport:
    from remit.adapters.egress import EgressTransport  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openapi import OpenApiTransport  # noqa: PLC0415 -- only for such a source

    credential = source.credential
    return OpenApiTransport(
        service.document,
        egress_of(source, settings),
        documents=EgressTransport(source.network),
        base_url=service.base_url,
        folder=settings.home,
        hidden=frozenset({credential.name.lower()} if credential and credential.name else ()),
        timeout_seconds=source.timeout_seconds,
    )


def _sql(source: ToolSource, database: SqlSource, settings: Settings, clock: Clock) -> Transport:
    from remit.adapters.sql import SqlTransport  # noqa: PLC0415 -- only for such a source

    secrets, declared = secrets_of(settings), source.credential
    secret = (lambda: secrets.resolve(declared.ref)) if declared is not None else None
    return SqlTransport(source.name, database, folder=str(settings.home), clock=clock, secret=secret)


def _models(source: ToolSource, settings: Settings) -> Transport:
    from remit.adapters.egress import EgressClient  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.prices import Prices  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.spec import ModelSpec  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.transport import ModelEndpoint, ModelsTransport  # noqa: PLC0415 -- only for such a source

    declared = source.models
    assert declared is not None
    client = EgressClient(egress_of(source, settings))
    endpoints = []
    for model in declared.models.values():
        spec = ModelSpec(declared.provider, model.model, declared.url)
        endpoints.append(
            ModelEndpoint(
                model.name,
                model.model,
                Prices.read(spec, model.price),
                model.output_tokens_max,
                declared.limit_field,
                model.operations,
            )
        )
    return ModelsTransport(client, declared.url, endpoints)


def _model(settings: Settings) -> ModelTransport | None:
    """The configured model's transport.

    Raises:
        InvalidSetting: names the variable that has no valid value.
    """
    if not settings.model:
        return None
    try:
        unpriced = ModelTransport(settings.model)
    except InvalidSetting as bad:
        raise InvalidSetting(f"REMIT_MODEL: {bad.detail}", hint=bad.advice) from bad
    if not settings.model_price:
        return unpriced
    try:
        return ModelTransport(settings.model, price=settings.model_price)
    except InvalidSetting as bad:
        raise InvalidSetting(f"REMIT_MODEL_PRICE: {bad.detail}", hint=bad.advice) from bad


def egress_of(source: ToolSource, settings: Settings) -> "EgressTransport":
    """The source's way out, with its credential."""
    from remit.adapters.egress import EgressTransport, Injector  # noqa: PLC0415 -- only for a source at an address

    credential = source.credential
    injector = None if credential is None else Injector(credential, secrets_of(settings))
    return EgressTransport(source.network, injector=injector)


def secrets_of(settings: Settings) -> Secrets:
    """Where the secrets stand that sources of tools name by reference; read at each call."""
    vault = None
    if settings.vault_address:
        token_file = settings.vault_token_file or settings.home / "vault.token"
        vault = SecretVault(settings.vault_address, token_file, _get_from(settings.vault_address))
    return SecretStores(environment(), folder=settings.home, mounted=settings.mounted_secrets, vault=vault)


def _get_from(address: str) -> Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]:
    """Reads from the place at this address, which whoever runs Remit chose, wherever it is."""
    from remit.adapters.egress import EgressClient, EgressTransport  # noqa: PLC0415 -- only where there is a vault

    host = urlsplit(address).hostname or ""
    declared = network_of(host)
    reached = Network((declared,) if declared else (), frozenset({host}))

    async def get(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        # Asked once a minute at most, so no connection is kept.
        client = EgressClient(EgressTransport(reached))
        try:
            reply = await client.send("GET", url, headers=headers, seconds=_SECRET_SECONDS)
        finally:
            await client.close()
        return reply.status, reply.body

    return get


def load_agent(reference: str) -> Agent:
    """The code behind `module:function`."""
    module, _, name = reference.partition(":")
    agent: Agent = getattr(importlib.import_module(module), name)
    return agent


def current_principal(plane: ControlPlane) -> Principal:
    """The principal that the operating system's user acts as.

    Raises:
        RightsExceeded: this user is bound to none.
    """
    user = getpass.getuser()
    principal = plane.core.door.controls.registry.principal_of(user)
    if principal is None:
        raise RightsExceeded(
            f"The account {user!r} acts as no active principal of this home.",
            hint="Have an owner apply a `kind: Principal` with `os_user` set to it.",
            rule="principal_unknown",
            remedy=sketch(
                "Principal", _safe(user), {"roles": ["operator"], "os_user": user}, "Choose the roles.", whole=True
            ),
        )
    return principal


class _Lease:
    """The home's lock file and lease: the lock is a courtesy between processes, the epoch is the proof."""

    def __init__(self, home: Path, driver: EmbeddedDriver) -> None:
        self._path = home / "driver.lock"
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
        try:
            self._file = self._locked()
        except OSError as error:
            raise StoreUnreachable(
                f"{self._path.name} cannot be locked: {error.strerror}.",
                hint="Check the home's permissions and the disk's free space.",
            ) from error
        try:
            await self._driver.take_over()
        except BaseException:
            self.let_go()
            raise

    def _locked(self) -> Any:
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(f"process {os.getpid()}\n")
            file.flush()
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            file.close()
            raise HomeBusy(f"{holder} drives it.") from error
        except BaseException:
            file.close()
            raise
        return file

    def let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def quiet_collector() -> None:
    """Let the garbage collector pass over what a process of Remit keeps for its whole life, and look less often.

    Folded missions are many small objects that live long and hold no cycles; as Python comes, a tenth of a step's time
    goes into looking through them again and again. Called once all is loaded, by the process that is Remit (`serve`
    and the other commands); a program that uses Remit as a library decides for itself.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _nothing() -> None:
    return None


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name) or "owner"


def environment() -> Mapping[str, str]:
    """The process's environment; nothing else reads it."""
    return os.environ
