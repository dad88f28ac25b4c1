"""Moving a home's record from its own file to PostgreSQL and back: all of it, or nothing that could be taken for it."""

import asyncio
import fcntl
import sqlite3
from contextlib import closing
from hashlib import sha256

import psycopg
import pytest
from tests.adapters.database_servers import a_database
from tests.contracts.store import a_draft, an_entry, writes

from remit import stores
from remit.adapters.postgres import PostgresStore, StoreAddress
from remit.adapters.sqlite import SqlitePages, SqliteStore
from remit.bootstrap import copy_store, create_home, open_home, switch_store
from remit.config import read_settings
from remit.errors import HomeBusy, InvalidInput, InvalidSetting, StoreCorrupted, StoreUnreachable
from remit.ids import StreamId
from remit.ledger import Commit, MoveBalance, OpenBalance, PutBlob, PutRecord, copying
from remit.ledger.copying import ENTRIES, TABLES

EMBEDDED = stores.EMBEDDED
ENTRIES_MADE = 40


@pytest.fixture(scope="module")
def one_database():
    with a_database() as address:
        yield address


@pytest.fixture
def database(one_database):
    with psycopg.connect(one_database) as admin:
        admin.execute("DROP SCHEMA IF EXISTS remit CASCADE")
    return one_database


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A home with a record of several pages, sealed."""
    monkeypatch.setattr(copying, "_PAGE", 7)
    made = read_settings({}, home=tmp_path / "home")

    async def fill():
        await create_home(made)
        plane = await open_home(made)
        store = plane.core.store
        await store.take("driver")
        await store.commit(writes(OpenBalance("b", 9), MoveBalance("b", used=2, held=3)))
        for n in range(ENTRIES_MADE):
            draft = a_draft(f"mission/m-{n % 3}", n=n, text="ä\u2028", fact=f"f{n}" if n % 2 else None)
            await store.commit(
                Commit((draft,), (PutBlob("s", f"{n}", bytes([n]) * n), PutRecord("t", f"{n}", {"b": n})))
            )
            if n == 20:
                await plane.ledger.seal()
        await store.commit(an_entry("mission/m-0", closes=True, pins=StreamId("mission/m-1")))
        await plane.ledger.seal()
        await plane.close()

    asyncio.run(fill())
    return made


def quiet(_what, _done, _total):
    """Nobody listens."""


def all_rows(pages):
    return {table.name: pages.page(table, (), 100_000) for table in TABLES}


def digest(path):
    return sha256(path.read_bytes()).hexdigest()


def verdict(settings):
    async def verified():
        plane = await open_home(settings)
        try:
            return await plane.ledger.verify()
        finally:
            await plane.close()

    return asyncio.run(verified())


def test_a_record_goes_there_and_back_byte_for_byte_and_the_first_one_is_not_touched(settings, database):
    file = settings.home / stores.STORE_FILE
    before = digest(file)
    with closing(SqlitePages(file)) as pages:
        rows = all_rows(pages)
    told = []

    counts = copy_store(settings, EMBEDDED, database, lambda *what: told.append(what))
    assert digest(file) == before
    switch_store(settings, database)
    on_postgres = verdict(settings)
    copy_store(settings, database, EMBEDDED, quiet)
    with closing(SqlitePages(file)) as pages:
        assert all_rows(pages) == rows
    switch_store(settings, EMBEDDED)

    assert counts["entries"] > ENTRIES_MADE
    assert ("copied entries", counts["entries"], counts["entries"]) in told
    assert on_postgres == verdict(settings)
    assert on_postgres["ok"]
    assert on_postgres["sealed"] == counts["entries"]
    assert digest(settings.home / f"{stores.STORE_FILE}.left") == before


def test_work_goes_on_in_the_copy_where_the_record_stood(settings, database):
    copy_store(settings, EMBEDDED, database, quiet)
    switch_store(settings, database)

    async def go_on():
        plane = await open_home(settings)
        store = plane.core.store
        assert await store.take("next") == 2
        (entry,) = await store.commit(an_entry("mission/m-1"))
        assert (await store.balance("b")).held == 3
        assert (await store.read(StreamId("mission/m-1"), after=entry.seq - 2, limit=1))[0].hash == entry.prev
        await plane.ledger.seal()
        await plane.close()

    asyncio.run(go_on())
    assert verdict(settings)["ok"]


def test_nothing_is_copied_while_something_drives_the_home(settings, database):
    with (settings.home / "driver.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HomeBusy):
            copy_store(settings, EMBEDDED, database, quiet)

    copy_store(settings, EMBEDDED, database, quiet)


def test_nothing_is_copied_from_postgresql_while_another_machine_drives_the_home(settings, database):
    copy_store(settings, EMBEDDED, database, quiet)
    switch_store(settings, database)

    async def driven():
        store = PostgresStore(StoreAddress.read(database))
        await store.hold()
        with pytest.raises(HomeBusy):
            copy_store(settings, database, EMBEDDED, quiet)
        await store.close()

    asyncio.run(driven())
    assert not (settings.home / stores.STORE_FILE).exists()


def test_nobody_writes_to_the_record_while_it_is_copied(settings, database, monkeypatch):
    monkeypatch.setattr("remit.adapters.sqlite.connection.BUSY_SECONDS", 0.05)
    refused = []

    def write_meanwhile(_what, _done, _total):
        async def attempt():
            store = SqliteStore(settings.home / stores.STORE_FILE)
            try:
                await store.commit(an_entry())
            except StoreUnreachable as error:
                refused.append(error)
            finally:
                await store.close()

        asyncio.run(attempt())

    counts = copy_store(settings, EMBEDDED, database, write_meanwhile)

    assert len(refused) > 10
    with closing(SqlitePages(settings.home / stores.STORE_FILE)) as pages:
        assert pages.count(ENTRIES) == counts["entries"]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("at", [("copied entries", 14), ("copied bodies", 21), ("compared records", None)])
def test_an_interrupted_copy_is_no_store_and_goes_on_where_it_stopped(settings, database, at):
    def interrupt(what, done, _total):
        if what == at[0] and at[1] in {done, None}:
            raise Interrupted

    with pytest.raises(Interrupted):
        copy_store(settings, EMBEDDED, database, interrupt)
    with pytest.raises(StoreCorrupted, match="did not end"):
        PostgresStore(StoreAddress.read(database))
    with pytest.raises(InvalidInput):
        switch_store(settings, database)
    told = []

    copy_store(settings, EMBEDDED, database, lambda *what: told.append(what))

    begun_again = [done for what, done, _ in told if what == "copied entries"]
    assert begun_again == sorted(set(begun_again))
    assert not begun_again or begun_again[0] > 14
    switch_store(settings, database)
    assert verdict(settings)["ok"]


def test_a_copy_back_into_a_file_that_was_interrupted_is_no_store_either(settings, database):
    copy_store(settings, EMBEDDED, database, quiet)
    switch_store(settings, database)

    def interrupt(what, _done, _total):
        if what == "copied bodies":
            raise Interrupted

    with pytest.raises(Interrupted):
        copy_store(settings, database, EMBEDDED, interrupt)
    assert not (settings.home / stores.STORE_FILE).exists()
    with pytest.raises(InvalidInput):
        switch_store(settings, EMBEDDED)

    copy_store(settings, database, EMBEDDED, quiet)
    switch_store(settings, EMBEDDED)
    assert verdict(settings)["ok"]


def test_a_record_that_was_touched_is_not_made_a_store(settings, database):
    with sqlite3.connect(settings.home / stores.STORE_FILE) as file:
        file.execute("UPDATE entry SET canonical = CAST(replace(canonical, '\"n\":5', '\"n\":6') AS BLOB)")
    file.close()

    with pytest.raises(StoreCorrupted, match="does not verify: mission/"):
        copy_store(settings, EMBEDDED, database, quiet)
    with pytest.raises(StoreCorrupted):
        PostgresStore(StoreAddress.read(database))


def test_a_body_that_came_over_differently_is_found(settings, database):
    def touch(what, done, total):
        if (what, done) == ("copied bodies", total):
            with psycopg.connect(database) as other:
                other.execute("UPDATE remit.blob SET data = '\\x00' WHERE cid = '30'")

    with pytest.raises(StoreCorrupted, match="bodies"):
        copy_store(settings, EMBEDDED, database, touch)


def test_a_record_is_never_copied_over_another(settings, database, tmp_path):
    other = read_settings({"REMIT_STORE": database}, home=tmp_path / "other")
    asyncio.run(create_home(other))

    with pytest.raises(InvalidInput, match="holds a record"):
        copy_store(settings, EMBEDDED, database, quiet)

    assert verdict(other)["ok"]


def test_a_part_of_another_record_is_not_gone_on_with(settings, database, tmp_path):
    def interrupt(_what, _done, _total):
        raise Interrupted

    with pytest.raises(Interrupted):
        copy_store(settings, EMBEDDED, database, interrupt)
    other = read_settings({}, home=tmp_path / "other")
    asyncio.run(create_home(other))

    with pytest.raises(InvalidInput):
        copy_store(other, EMBEDDED, database, quiet)


def test_a_copy_that_fell_behind_is_not_chosen(settings, database):
    copy_store(settings, EMBEDDED, database, quiet)

    async def go_on():
        store = SqliteStore(settings.home / stores.STORE_FILE)
        await store.commit(an_entry())
        await store.close()

    asyncio.run(go_on())

    with pytest.raises(InvalidInput, match="as it stands"):
        switch_store(settings, database)
    assert verdict(settings)["entries"] > ENTRIES_MADE


@pytest.mark.parametrize("place", ["sqlite:///elsewhere", "postgresql://u:s3cret@db/remit"])
def test_a_place_that_is_none_or_tells_a_password_is_refused(settings, place):
    for source, target in ((EMBEDDED, place), (place, EMBEDDED)):
        with pytest.raises(InvalidSetting, match="address") as refused:
            copy_store(settings, source, target, quiet)
        assert "s3cret" not in f"{refused.value}"


def test_where_there_is_no_record_there_is_nothing_to_copy(settings, database):
    with pytest.raises(InvalidInput, match="no whole record"):
        copy_store(settings, database, EMBEDDED, quiet)
