"""Where a home's record stands: in a file of its own, or on PostgreSQL. The home's folder always keeps the keys."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from remit.adapters.sqlite import SqlitePages, SqliteStore
from remit.config import Settings
from remit.errors import HomeBusy, InvalidInput, InvalidSetting, KeyMissing, StoreCorrupted, StoreUnreachable
from remit.ledger import Store
from remit.ledger.copying import ENTRIES, Told, copy, same_end
from remit.ledger.seal import PublicKey

if TYPE_CHECKING:
    from remit.adapters.postgres import PostgresPages, PostgresStore, StoreAddress

STORE_FILE = "remit.sqlite"
#: Names the database that holds the record, where it is not the file; never with a password.
CHOICE_FILE = "store.url"
#: What people call the home's own file.
EMBEDDED = "embedded"
#: What only a home with a record has.
_WITNESSES = ("seals.log", "ledger.vkey")


def chosen(settings: Settings) -> str:
    """The address of the database that holds the record; empty where the home's own file does.

    Raises:
        InvalidSetting: a database is named while the record stands in the file.
    """
    choice = settings.home / CHOICE_FILE
    if choice.is_file():
        return settings.store or choice.read_text("utf-8").strip()
    if settings.store and _filled(settings.home / STORE_FILE):
        raise InvalidSetting(
            f"A database is named for the record, which stands in {STORE_FILE}.",
            hint="Copy it with `remit store copy`, then choose the database with `remit init --store`.",
        )
    return settings.store


def shown(settings: Settings) -> str:
    """Where the record stands, for people."""
    address = chosen(settings)
    return _read(address).shown if address else str(settings.home / STORE_FILE)


def has_record(settings: Settings) -> bool:
    """True where the home's record was begun.

    Raises:
        StoreUnreachable, StoreCorrupted, StoreTooNew: it cannot be looked at.
    """
    if not (address := chosen(settings)):
        return _filled(settings.home / STORE_FILE)
    store = open_database(address)
    try:
        return bool(store.home)
    finally:
        store.shut()


def check_key_is_new(settings: Settings, key: str) -> None:
    """Refuse a new key in place of one that a record was written with.

    Raises:
        KeyMissing: as said.
    """
    if has_record(settings):
        raise KeyMissing(
            f"keys/{key} is missing, and {shown(settings)} was written with it; a new key would not open it."
        )


def open_store(settings: Settings, vkey: str, *, new: bool = False) -> Store:
    """Open the home's record; `vkey` is the key of the ledger, by which home and record know each other.

    Raises:
        InvalidInput: no record was begun in the database that is named.
        KeyMissing: the record in the database is another home's.
        StoreCorrupted: the record is gone; a new, empty one in its place would hide the loss.
        StoreTooNew, StoreUnreachable, InvalidSetting: it cannot be opened.
    """
    address = chosen(settings)
    witness = next((name for name in _WITNESSES if (settings.home / name).exists()), "")
    if not address:
        _check_file(settings.home / STORE_FILE, witness)
        return SqliteStore(settings.home / STORE_FILE)
    store = open_database(address)
    try:
        _check_database(store, witness, new=new)
        _bind(store, vkey)
    except BaseException:
        store.shut()
        raise
    return store


def open_database(address: str) -> "PostgresStore":
    """The store in a database.

    Raises:
        InvalidSetting: the address is none, or what speaks to PostgreSQL is not installed.
        StoreTooNew, StoreUnreachable, StoreCorrupted: it cannot be opened.
    """
    read = _read(address)
    from remit.adapters.postgres import PostgresStore  # noqa: PLC0415 -- only where the record stands there

    return PostgresStore(read)


def keep_choice(settings: Settings, address: str) -> None:
    """Write down in the home which database holds its record, without a password."""
    (settings.home / CHOICE_FILE).write_text(_read(address).kept + "\n", "utf-8")


def copy_record(settings: Settings, source: str, target: str, key: PublicKey, told: Told) -> dict[str, int]:
    """Copy the record; both places are `embedded` or an address. Nothing in `source` changes.

    Raises:
        HomeBusy: something drives the home.
        InvalidInput: there is no record to copy, or one stands in the other place.
        KeyMissing: the record is another home's.
        StoreCorrupted, StoreTooNew, StoreUnreachable: one of the two cannot be used; the copy is no store then.
    """
    for place in (source, target):
        if place != EMBEDDED:
            check_choice(place)
    if source == target:
        raise InvalidInput("A record cannot be copied onto itself.")
    with closing(lock_home(settings.home)), _pages(settings, source, key) as taken:
        if target == EMBEDDED:
            with closing(SqlitePages(settings.home / STORE_FILE, fills=True)) as filled:
                return copy(taken, filled, key, told)
        with closing(_database_pages(target)) as made:
            return copy(taken, made, key, told)


def switch(settings: Settings, store: str, key: PublicKey) -> None:
    """Let the home use another place that holds the same record, to the last entry.

    Raises:
        InvalidInput: it does not.
        KeyMissing, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be looked at.
    """
    choice = settings.home / CHOICE_FILE
    now = choice.read_text("utf-8").strip() if choice.is_file() else EMBEDDED
    if store in {now, EMBEDDED if now == EMBEDDED else _read(now).shown}:
        return
    with _pages(settings, now, key) as old, _pages(settings, store, key) as new:
        size = old.count(ENTRIES)
        if new.count(ENTRIES) != size or not same_end(old, new, size):
            raise InvalidInput(
                f"{new.shown} does not hold the record as it stands in {old.shown}.",
                hint="Copy it there first: `remit store copy`. A place that holds an older copy must be emptied.",
            )
    if store == EMBEDDED:
        choice.unlink()
        return
    keep_choice(settings, store)
    if now == EMBEDDED:
        _leave(settings.home / STORE_FILE)


def _leave(path: Path) -> None:
    """Keep the file under another name: nobody can go on writing to it, were the choice ever lost."""
    names = (path.with_name(f"{path.name}.left{f'-{n}' if n else ''}") for n in count())
    path.rename(next(name for name in names if not name.exists()))


def lock_home(home: Path) -> TextIO:
    """The home's lock, until it is closed: a courtesy between processes of one machine.

    Raises:
        HomeBusy: another process has it.
        StoreUnreachable: the folder does not allow it.
    """
    path = home / "driver.lock"
    try:
        file = path.open("a+")
        try:
            _lock(file)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise StoreUnreachable(
            f"{path.name} cannot be locked: {error.strerror}.",
            hint="Check the home's permissions and the disk's free space.",
        ) from error
    return file


def _lock(file: TextIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(200).strip() or "another process"
        raise HomeBusy(f"{holder} drives it.") from error
    file.truncate(0)
    file.write(f"process {os.getpid()}\n")
    file.flush()


@contextmanager
def _pages(settings: Settings, place: str, key: PublicKey) -> "Iterator[SqlitePages | PostgresPages]":
    """The rows of a whole record."""
    if place == EMBEDDED:
        with closing(SqlitePages(settings.home / STORE_FILE)) as own:
            yield own
        return
    with closing(_database_pages(place)) as pages:
        pages.check_home(key.vkey)
        yield pages


def _database_pages(address: str) -> "PostgresPages":
    read = _read(address)
    from remit.adapters.postgres import PostgresPages  # noqa: PLC0415 -- only where the record stands there

    return PostgresPages(read)


def check_choice(address: str) -> None:
    """Refuse an address that others could read in the list of processes.

    Raises:
        InvalidSetting: a password stands in it, or it is no address.
    """
    if _read(address).holds_password:
        raise InvalidSetting(
            "The address on the command line holds a password, which others can see there.",
            hint="Leave it out, and give it in PGPASSWORD, a .pgpass file, or the address in REMIT_STORE.",
        )


def _check_file(path: Path, witness: str) -> None:
    if witness and not _filled(path):
        raise StoreCorrupted(
            f"{path.name} {'is empty' if path.is_file() else 'is missing'}, and {witness} shows that there was a "
            "record.",
            hint="Put the store back from a backup, or name the database that holds it in REMIT_STORE. "
            "To begin anew, name another folder with --home.",
        )


def _check_database(store: "PostgresStore", witness: str, *, new: bool) -> None:
    if store.home:
        return
    if witness:
        raise StoreCorrupted(
            f"{store.address.shown} holds no record, and {witness} shows that there was one.",
            hint="Name the right database, copy the record to it with `remit store copy`, or restore a backup.",
        )
    if not new:
        raise InvalidInput(
            f"No record was begun in {store.address.shown}.", hint="Begin one with `remit init`, or name another."
        )


def _bind(store: "PostgresStore", vkey: str) -> None:
    if not store.bind(vkey):
        raise KeyMissing(
            f"The record in {store.address.shown} was written under another home's keys.",
            hint="Name that home with --home, put its `keys` folder here, or use another database.",
        )


def _filled(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_size)


def _read(address: str) -> "StoreAddress":
    try:
        from remit.adapters.postgres import StoreAddress  # noqa: PLC0415 -- only where the record stands there
    except ImportError as error:
        raise InvalidSetting(
            "What speaks to PostgreSQL is not installed.", hint="Install it with `pip install 'remit[postgres]'`."
        ) from error
    return StoreAddress.read(address)
