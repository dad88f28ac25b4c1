"""Makes and opens homes and sidecars: the only place that puts a `ControlPlane` together from its parts."""

import gc
import getpass
import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from remit import stores
from remit.adapters.own import OWN_SOURCE, OwnTransport
from remit.adapters.own import TOOLS as OWN_TOOLS
from remit.adapters.sqlite import LeasedStore
from remit.adapters.system import KeyFolder, SystemClock, SystemIds
from remit.budgets import tenant_balance
from remit.clock import Clock
from remit.config import Settings
from remit.connections import configured_model, connect, open_inbox, open_outbox, secrets_of
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
    NoHome,
    PolicyStale,
    RightsExceeded,
)
from remit.gateway import Admission, Controls, Door, Transport, came_with
from remit.identity import Principal
from remit.ids import DEFAULT_TENANT
from remit.ledger import Store
from remit.ledger.copying import Told
from remit.ledger.seal import Signer
from remit.missions import Agent, Performer
from remit.policy import PolicySet
from remit.registry import (
    Network,
    Registry,
    network_of,
)
from remit.resources import sketch
from remit.sidecars import Freshness
from remit.state import KeyRing, Memory, Snapshots, Vault

if TYPE_CHECKING:
    pass

_HOME_KEY, _LEDGER_KEY = "home.key", "ledger.key"
#: Marks the folder of a sidecar: no other home may be taken for one.
_SIDECAR_MARK = "sidecar"
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
        model=configured_model(settings),
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
