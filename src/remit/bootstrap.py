"""The only place that chooses adapters and builds a `ControlPlane`."""

import gc
import getpass
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from remit import stores
from remit.adapters.mcp import McpStdioTransport
from remit.adapters.own import OWN_SOURCE, OwnTransport
from remit.adapters.own import TOOLS as OWN_TOOLS
from remit.adapters.pydantic_ai import ModelTransport
from remit.adapters.python import PythonTransport
from remit.adapters.secrets import Secrets, SecretStores
from remit.adapters.secrets import Vault as SecretVault
from remit.adapters.sqlite import LeasedStore
from remit.adapters.system import KeyFolder, SystemClock, SystemIds
from remit.budgets import tenant_balance
from remit.clock import Clock
from remit.config import Settings
from remit.control_plane import (
    Beside,
    Companion,
    ControlPlane,
    Core,
    Enrolment,
    Leasing,
    Sending,
    authenticator_of,
    kinds,
    read_enrolment,
)
from remit.driving import driver_of
from remit.errors import (
    InvalidInput,
    InvalidSetting,
    NoHome,
    PolicyStale,
    RightsExceeded,
)
from remit.gateway import Admission, Controls, Door, Transport, came_with, micros_of
from remit.gateway.transport import Handed
from remit.identity import Behalf, HopKey, Principal, SubjectKey
from remit.ids import DEFAULT_TENANT
from remit.ledger import Store
from remit.ledger.copying import Told
from remit.ledger.seal import Signer
from remit.missions import Agent, Performer
from remit.policy import PolicySet
from remit.registry import (
    PRINCIPAL,
    Credential,
    Network,
    OpenApi,
    Place,
    Registry,
    SqlSource,
    StreamOfOthers,
    ToolSource,
    file_at,
    network_allowing,
    network_of,
)
from remit.resources import sketch
from remit.sidecars import Freshness
from remit.state import KeyRing, Memory, Snapshots, Vault
from remit.triggers import Inbox, Outbox

if TYPE_CHECKING:
    from remit.adapters.egress import ClientIdentity, EgressTransport

_HOME_KEY, _LEDGER_KEY = "home.key", "ledger.key"
#: Marks the folder of a sidecar: no other home may be taken for one.
_SIDECAR_MARK = "sidecar"
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


def is_home(settings: Settings) -> bool:
    """True where the folder holds a Remit home."""
    kept = stores.chosen(settings) or (settings.home / stores.STORE_FILE).is_file()
    return bool(kept) and (settings.home / "keys" / _HOME_KEY).is_file()


async def create_home(settings: Settings) -> None:
    """Make a new home: keys, store, a budget, and the operating system's user as its owner.

    Safe to repeat after a crash in the middle: what is there stays.

    Raises:
        InvalidInput: the folder cannot be made or holds something else.
        KeyMissing, StoreCorrupted: it was a home, and its key or its store is gone.
    """
    home = settings.home
    _make_folder(settings, rates=_DEFAULT_RATES)
    plane = await open_home(settings, new=True)
    try:
        user = getpass.getuser()
        if plane.core.door.controls.registry.principal_of(user) is None:
            owner = (
                f"apiVersion: remit/v1\nkind: Principal\nname: {_safe(user)}\nroles: [owner]\nos_user: {_safe(user)}\n"
            )
            await plane.resources.apply([("init.yaml", owner), ("budget.yaml", _DEFAULT_BUDGET)], None)
        if address := stores.chosen(settings):
            stores.keep_choice(settings, address)
        (home / "ledger.vkey").write_text(plane.ledger.key.vkey + "\n", "utf-8")
    finally:
        await plane.close()


def _make_folder(settings: Settings, *, rates: str = "") -> None:
    """The folder of a home with its keys; what is there stays.

    Raises:
        InvalidInput, KeyMissing: as `create_home`.
    """
    home = settings.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in (_HOME_KEY, _LEDGER_KEY):
            if not (home / "keys" / key).exists():
                stores.check_key_is_new(settings, key)
                KeyRing.create(home / "keys" / key)
        if rates and not (home / "rates.yaml").exists():
            (home / "rates.yaml").write_text(rates, "utf-8")
    except OSError as error:
        raise InvalidInput(f"{home} cannot be made a home: {error.strerror}.") from error


async def open_home(
    settings: Settings, *, store: Store | None = None, clock: Clock | None = None, new: bool = False
) -> ControlPlane:
    """Open a home; no lease is taken before something is driven.

    `new` begins the record in a database that holds none yet.

    Raises:
        NoHome: there is no home there.
        KeyMissing, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be opened; nothing was changed.
    """
    home = settings.home
    _check_home(settings)
    ring = KeyRing.open(home / "keys" / _HOME_KEY)
    signer = _signer(home)
    store = store or stores.open_store(settings, signer.public.vkey, new=new)
    clock = clock or SystemClock()
    ids = SystemIds()
    vault = Vault(ring, store)
    empty = Controls(Registry(), PolicySet.compile([], None, frozenset()))
    transports: dict[str, Transport] = {}
    door = Door(empty, store, vault, transports, clock, Admission(clock), DEFAULT_TENANT)
    door.came_with = lambda above: came_with(store, above)
    if (home / _SIDECAR_MARK).is_file():
        door.check_open = _only_beside
    performer = Performer(door, clock, ids, load_agent)
    driver, joining = driver_of(settings, store, performer, signer.public)
    own = OwnTransport(Snapshots(vault, store, store), Memory(vault, store), lambda: door.controls)
    core = Core(
        home=home,
        store=store,
        door=door,
        driver=driver,
        clock=clock,
        ids=ids,
        signer=signer,
        authenticator=authenticator_of(door, signer, clock, store),
        token_keys=KeyFolder(home / "keys" / "tokens"),
        kinds=kinds(),
        connect=lambda source: connect(source, settings, clock),
        reader=settings.reader,
        missions_open=settings.missions_open,
        take_lease=joining.take,
        let_go=joining.let_go,
        model_key_set=settings.openai_key_set,
        model=_model(settings),
        transports=transports,
        open_inbox=lambda stream: open_inbox(stream, settings),
        open_outbox=lambda place: open_outbox(place, settings, clock),
        secret=lambda ref: secrets_of(settings).resolve(ref),
        built_in={OWN_SOURCE: (own, OWN_TOOLS)},
    )
    plane = ControlPlane.of(core)
    driver.reload = plane.resources.reload
    await plane.resources.reload()
    return plane


async def open_sidecar(
    settings: Settings, control: str, token: str, *, policy_age_seconds: float, record_max: int
) -> tuple[ControlPlane, Companion]:
    """Open a sidecar's home, made where there is none, and hear from its control plane what is in force.

    Args:
        settings: of this process; `home` is a folder of the sidecar's own.
        control: the control plane's address; without TLS only on this machine.
        token: the text of the token file.
        policy_age_seconds: how old the newest confirmed policy may be.
        record_max: how many entries may wait to be sent on.

    Raises:
        InvalidInput: the address, the token file or the folder will not do.
        BundleRefused, ControlUnreachable, SidecarUnknown: as `Companion.start`.
        HomeBusy, KeyMissing, StoreCorrupted, StoreUnreachable: as `open_home`.
    """
    enrolment, home = _enrolment(token), settings.home
    network = _network_of_control(control)
    settings = replace(settings, store="")  # a sidecar's record stands in its folder
    if is_home(settings) and not (home / _SIDECAR_MARK).is_file():
        raise InvalidInput(f"{home} is a home of its own.", hint="Name a folder for the sidecar with --home.")
    _make_folder(settings)
    (home / _SIDECAR_MARK).touch()
    from remit.adapters.control import HttpLink  # noqa: PLC0415 -- only for a sidecar
    from remit.adapters.egress import EgressClient, EgressTransport  # noqa: PLC0415 -- as above
    from remit.api.names import unguessable  # noqa: PLC0415 -- as above

    store = LeasedStore(home / stores.STORE_FILE, tenant_balance(DEFAULT_TENANT))
    plane = await open_home(settings, store=store)
    link = HttpLink(EgressClient(EgressTransport(network)), control, enrolment.token)
    beside = Beside(
        plane.core,
        link,
        SystemClock(),
        enrolment,
        Freshness(policy_age_seconds),
        nonce=lambda: unguessable()[:32],
        record_max=record_max,
        waiting=lambda: sending.waiting,
    )
    sending = Sending(beside, store)
    companion = Companion(beside, Leasing(beside), sending)
    plane.core.door.check_open, plane.core.door.asks_people = beside.check_open, False
    try:
        await companion.start(store)
    except BaseException:
        await link.close()
        await plane.close()
        raise
    return plane, companion


def _only_beside() -> None:
    """A sidecar's home is no way around the age of its policy."""
    raise PolicyStale("This home is a sidecar's.", hint="Open it with `remit sidecar`.", rule="sidecar_home")


def _enrolment(token: str) -> Enrolment:
    try:
        return read_enrolment(token)
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(
            "The token file is not one that `remit sidecars enrol` wrote.",
            hint="Enrol the sidecar at the control plane, and bring the file here.",
        ) from None


def _network_of_control(control: str) -> Network:
    """The one place that a sidecar's requests to its control plane may reach.

    Raises:
        InvalidInput: no address, or the token would cross a network in the clear.
    """
    from remit.api.auth import is_loopback  # noqa: PLC0415 -- the API: only for a sidecar

    parts = urlsplit(control)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
        raise InvalidInput("--control is an address such as https://remit.internal.")
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidInput(
            f"The token would cross the network to {host} in the clear.",
            hint="Name an https:// address: put a proxy that speaks TLS before the control plane.",
        )
    declared = network_of(host)
    return Network((declared,) if declared else (), frozenset({host}))


def copy_store(settings: Settings, source: str, target: str, told: Told) -> dict[str, int]:
    """Copy the home's record from one store to another; returns how many rows of each kind there are.

    Raises:
        HomeBusy: something drives the home.
        InvalidInput, KeyMissing, StoreCorrupted, StoreTooNew, StoreUnreachable: as `stores.copy_record`.
    """
    _check_home(settings)
    return stores.copy_record(settings, source, target, _signer(settings.home).public, told)


def switch_store(settings: Settings, store: str) -> None:
    """Let the home use another store that holds the same record, to the last entry.

    Raises:
        NoHome: it does not.
        KeyMissing, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be looked at.
    """
    _check_home(settings)
    stores.switch(settings, store, _signer(settings.home).public)


def _check_home(settings: Settings) -> None:
    if not (settings.home / "keys" / _HOME_KEY).is_file():
        stores.check_key_is_new(settings, _HOME_KEY)
        raise NoHome(f"Not in {settings.home}.")


def _signer(home: Path) -> Signer:
    return Signer.from_seed("remit.local", bytes.fromhex((home / "keys" / _LEDGER_KEY).read_text("ascii").strip()))


def connect(source: ToolSource, settings: Settings, clock: Clock) -> Transport:
    """The transport of a tool source; `{home}` and `{python}` in a command stand for the home and this interpreter."""
    source = _located(source, settings.home)
    secrets, credential = secrets_of(settings), source.credential
    if credential is None or not credential.personal:
        return _connect(source, settings, clock, secrets)
    from remit.adapters.egress.personal import PersonalTransport  # noqa: PLC0415 -- only for such a source

    shared = replace(source, credential=replace(credential, per_person="", exchange=None))
    own = _connect(shared, settings, clock, secrets)
    return PersonalTransport(own, _for_persons(source, credential, settings, clock, secrets), clock)


def _located(source: ToolSource, home: Path) -> ToolSource:
    """The source with the full paths of the files that it is reached with."""
    network, credential = source.network, source.credential
    if network.ca is not None:
        network = replace(network, ca=str(file_at(network.ca, home)))
    if credential is not None and credential.certificate is not None:
        files = credential.certificate
        located = replace(files, file=str(file_at(files.file, home)), key=str(file_at(files.key, home)))
        credential = replace(credential, certificate=located)
    return replace(source, network=network, credential=credential)


def _for_persons(
    source: ToolSource, credential: Credential, settings: Settings, clock: Clock, secrets: Secrets
) -> Callable[[Behalf], Transport]:
    from remit.adapters.egress import EXCHANGED, EgressClient, EgressTransport  # noqa: PLC0415 -- only for such a source
    from remit.adapters.egress.exchange import ExchangedToken  # noqa: PLC0415 -- only for such a source
    from remit.adapters.egress.personal import OwnSecret  # noqa: PLC0415 -- only for such a source

    exchange = credential.exchange
    key = subject_key(settings) if exchange is not None and not exchange.subject_ref else None
    # The authorization server is reached with Remit's own secret and never with the source's.
    asking = EgressClient(EgressTransport(source.network))

    def make(behalf: Behalf) -> Transport:
        one: Secrets = OwnSecret(behalf.principal, secrets)
        ref = credential.per_person.replace(PRINCIPAL, behalf.principal)
        if exchange is not None:
            own, stored = one, exchange.subject_ref.replace(PRINCIPAL, behalf.principal)

            async def subject() -> str:
                if key is None:
                    return await own.resolve(stored)
                name = SystemIds().new("sub")
                audience, now_us = exchange.token_url, micros_of(clock.now())
                return key.issue(behalf, issuer=exchange.issuer, audience=audience, now_us=now_us, name=name)

            one, ref = ExchangedToken(exchange, behalf.principal, asking, secrets, clock, subject), EXCHANGED
        own_secret = replace(credential, ref=ref, per_person="", exchange=None)
        theirs = replace(source, credential=own_secret)
        return _connect(theirs, settings, clock, one)

    return make


def subject_key(settings: Settings) -> SubjectKey:
    """The key that speaks for people to authorization servers; its public half stands in the home for them."""
    key = SubjectKey.of(KeyFolder(settings.home / "keys" / "tokens"))
    told = settings.home / "subject.jwks.json"
    if not told.is_file() or told.read_bytes() != key.jwks:
        told.write_bytes(key.jwks)
    return key


def _connect(source: ToolSource, settings: Settings, clock: Clock, secrets: Secrets) -> Transport:
    if source.module is not None:
        return PythonTransport(source.module, bindings={"home": str(settings.home)}, clock=clock)
    if source.sql is not None:
        return _sql(source, source.sql, settings, clock, secrets)
    if source.command is not None:
        return _started(source, source.command, settings, secrets)
    return _reached(source, settings, clock, secrets)


def _started(source: ToolSource, given: tuple[str, ...], settings: Settings, secrets: Secrets) -> Transport:
    places = {"{home}": str(settings.home), "{python}": sys.executable}
    command = []
    for part in given:
        for name, value in places.items():
            part = part.replace(name, value)  # noqa: PLW2901 -- each place in turn
        command.append(part)
    credential = source.credential if source.credential and source.credential.ref else None
    bundled = given[:2] == ("{python}", "-m") and given[2].startswith("remit.")
    return McpStdioTransport(
        command,
        env_allow=source.env,
        timeout_seconds=source.timeout_seconds,
        bundled=bundled,
        allow_unsandboxed=settings.allow_unsandboxed,
        readable=[settings.home / "inbox"],
        network=source.command_networked,
        credential=None if credential is None else (credential.name, lambda: secrets.resolve(credential.ref)),
    )


def _signing(settings: Settings, clock: Clock) -> Callable[[Handed, str, str], str]:
    """Signs with the home's key what is handed on; the key is made when it is first needed."""

    @cache
    def key() -> HopKey:
        return HopKey.of(KeyFolder(settings.home / "keys" / "tokens"))

    def sign(handed: Handed, message: str, audience: str) -> str:
        return key().sign(
            handed.ancestry,
            before=handed.hops,
            agent=handed.agent,
            message=message,
            audience=audience,
            now_us=micros_of(clock.now()),
        )

    return sign


def _reached(source: ToolSource, settings: Settings, clock: Clock, secrets: Secrets) -> Transport:
    """The transport of a source at an address; what speaks its protocol is imported only where there is one."""
    from remit.adapters.egress import EgressClient, EgressTransport  # noqa: PLC0415 -- as said

    if source.url is not None:
        from remit.adapters.mcp import McpHttpTransport  # noqa: PLC0415 -- as said

        return McpHttpTransport(source.url, egress_of(source, secrets), timeout_seconds=source.timeout_seconds)
    if source.openapi is not None:
        return _openapi(source, source.openapi, settings, secrets)
    if source.soap is not None:
        from remit.adapters.soap import SoapTransport  # noqa: PLC0415 -- as said

        calls, documents = egress_of(source, secrets), EgressTransport(source.network)
        folder = str(settings.home)
        return SoapTransport(source.name, source.soap, EgressClient(calls), EgressClient(documents), folder=folder)
    if source.a2a is not None:
        from remit.adapters.a2a import A2aTransport  # noqa: PLC0415 -- as said

        calls, documents = egress_of(source, secrets), EgressTransport(source.network)
        return A2aTransport(source.name, source.a2a, calls, documents, sign=_signing(settings, clock))
    assert source.models is not None
    return _models(source, secrets)


def _openapi(source: ToolSource, service: OpenApi, settings: Settings, secrets: Secrets) -> Transport:
    from remit.adapters.egress import EgressTransport  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openapi import OpenApiTransport  # noqa: PLC0415 -- only for such a source

    credential, written = source.credential, service.document
    # Whoever describes the service elsewhere is not shown who asks.
    beside = isinstance(written, str) and (not service.base_url or _place(written) == _place(service.base_url))
    return OpenApiTransport(
        service.document,
        egress_of(source, secrets),
        documents=EgressTransport(source.network, identity=_identity(source, secrets) if beside else None),
        base_url=service.base_url,
        folder=settings.home,
        hidden=frozenset({credential.name.lower()} if credential and credential.name else ()),
        timeout_seconds=source.timeout_seconds,
    )


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _sql(source: ToolSource, database: SqlSource, settings: Settings, clock: Clock, secrets: Secrets) -> Transport:
    from remit.adapters.sql import SqlTransport  # noqa: PLC0415 -- only for such a source

    declared = source.credential
    ref = declared.ref if declared is not None else ""
    secret = (lambda: secrets.resolve(ref)) if ref else None
    return SqlTransport(source.name, database, folder=str(settings.home), clock=clock, secret=secret, credential=ref)


def _models(source: ToolSource, secrets: Secrets) -> Transport:
    from remit.adapters.egress import EgressClient  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.prices import Prices  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.spec import ModelSpec  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.transport import ModelEndpoint, ModelsTransport  # noqa: PLC0415 -- only for such a source

    declared = source.models
    assert declared is not None
    client = EgressClient(egress_of(source, secrets))
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
        network = network_allowing(settings.model_network)
    except ValueError as bad:
        raise InvalidSetting(f"REMIT_MODEL_NETWORK: {bad}.") from bad
    try:
        unpriced = ModelTransport(settings.model, network=network)
    except InvalidSetting as bad:
        raise InvalidSetting(f"REMIT_MODEL: {bad.detail}", hint=bad.advice) from bad
    if not settings.model_price:
        return unpriced
    try:
        return ModelTransport(settings.model, price=settings.model_price, network=network)
    except InvalidSetting as bad:
        raise InvalidSetting(f"REMIT_MODEL_PRICE: {bad.detail}", hint=bad.advice) from bad


def egress_of(source: ToolSource, secrets: Secrets) -> "EgressTransport":
    """The source's way out, with its credential."""
    from remit.adapters.egress import EgressTransport, Injector  # noqa: PLC0415 -- only for a source at an address

    credential = source.credential
    injector = None if credential is None or not credential.ref else Injector(credential, secrets)
    return EgressTransport(source.network, injector=injector, identity=_identity(source, secrets))


def _identity(source: ToolSource, secrets: Secrets) -> "ClientIdentity | None":
    """The certificate that the source is shown, if it declares one."""
    from remit.adapters.egress import ClientIdentity  # noqa: PLC0415 -- only for a source at an address

    declared = source.credential.certificate if source.credential else None
    if declared is None:
        return None
    ref = declared.password
    return ClientIdentity(declared, password=(lambda: secrets.resolve(ref)) if ref else None)


async def open_inbox(stream: StreamOfOthers, settings: Settings) -> Inbox:
    """A durable place in a stream of others; what speaks its protocol is imported only where there is one.

    Raises:
        EgressRefused, CredentialMissing, ToolUnreachable: it is not reached.
        InvalidSetting: the package that it needs is not installed.
    """
    secret = await secrets_of(settings).resolve(stream.credential.ref) if stream.credential else ""
    try:
        if stream.technology == "nats":
            from remit.adapters.nats.inbox import open_nats  # noqa: PLC0415 -- as said

            return await open_nats(stream, secret)
        from remit.adapters.redis.inbox import open_redis  # noqa: PLC0415 -- as said

        return await open_redis(stream, secret)
    except ModuleNotFoundError as error:
        raise _package_missing(stream.technology, error) from error


async def open_outbox(place: Place, settings: Settings, clock: Clock) -> Outbox:
    """Where a subscription's events go; what speaks its protocol is imported only where there is one.

    Raises:
        EgressRefused, CredentialMissing, ToolUnreachable: it is not reached.
        InvalidSetting: the package that it needs is not installed.
    """
    secrets = secrets_of(settings)
    if place.technology == "webhook":
        from remit.adapters.egress import EgressClient, EgressTransport, Injector  # noqa: PLC0415 -- as said
        from remit.adapters.webhooks.outbox import WebhookOutbox  # noqa: PLC0415 -- as said

        injector = Injector(place.credential, secrets) if place.credential else None
        client = EgressClient(EgressTransport(place.network, injector=injector))
        return WebhookOutbox(client, place, lambda: secrets.resolve(place.secret), clock)
    secret = await secrets.resolve(place.credential.ref) if place.credential else ""
    try:
        if place.technology == "nats":
            from remit.adapters.nats.outbox import open_nats_outbox  # noqa: PLC0415 -- as said

            return await open_nats_outbox(place, secret)
        from remit.adapters.redis.outbox import open_redis_outbox  # noqa: PLC0415 -- as said

        return await open_redis_outbox(place, secret)
    except ModuleNotFoundError as error:
        raise _package_missing(place.technology, error) from error


def _package_missing(technology: str, error: ModuleNotFoundError) -> InvalidSetting:
    return InvalidSetting(
        f"{technology} needs the package {error.name}.", hint=f"Install it: `pip install 'remit[{technology}]'`."
    )


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


def quiet_collector() -> None:
    """Let the garbage collector pass over what a process of Remit keeps for its whole life, and look less often.

    Folded missions are many small objects that live long and hold no cycles; as Python comes, a tenth of a step's time
    goes into looking through them again and again. Called once all is loaded, by the process that is Remit (`serve`
    and the other commands); a program that uses Remit as a library decides for itself.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name) or "owner"


def environment() -> Mapping[str, str]:
    """The process's environment; nothing else reads it."""
    return os.environ
