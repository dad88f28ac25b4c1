"""The contract on PostgreSQL, and what only a server shared by many can do to us."""

import asyncio
from contextlib import contextmanager
from itertools import pairwise

import psycopg
import pytest
from tests.adapters.database_servers import a_database
from tests.contracts.cutting import CutWire
from tests.contracts.store import MISSION, OTHER, StoreContract, a_draft, an_entry, outcomes, writes

from remit.adapters.postgres import PostgresStore, StoreAddress, connection, notes, schema
from remit.errors import (
    BudgetExhausted,
    DriverReplaced,
    HomeBusy,
    InvalidInput,
    InvalidSetting,
    StoreCorrupted,
    StoreOutcomeUnknown,
    StoreTooNew,
    StoreUnreachable,
    StreamMoved,
)
from remit.ids import StreamId
from remit.ledger import GENESIS, Commit, MoveBalance, OpenBalance, PutBlob, PutRecord

_BOUND_SECONDS = 60.0


@pytest.fixture(scope="module")
def one_database():
    with a_database() as address:
        yield address


@pytest.fixture
def database(one_database):
    """A database without a store; making one anew for each test would take a second each."""
    with psycopg.connect(one_database) as admin:
        admin.execute("DROP SCHEMA IF EXISTS remit CASCADE")
    return one_database


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _database(self, database):
        self.address = StoreAddress.read(database)

    def open(self):
        return PostgresStore(self.address)


def tell(story, *addresses, **fields):
    """Tell a story on one store for each address, and never wait for ever."""

    async def told():
        stores = [PostgresStore(StoreAddress.read(address), **fields) for address in addresses]
        try:
            return await asyncio.wait_for(story(*stores), _BOUND_SECONDS)
        finally:
            for store in stores:
                await store.close()

    return asyncio.run(told())


def unopened(address, error):
    with pytest.raises(error) as refused:
        PostgresStore(StoreAddress.read(address))
    return refused.value


# --- several processes


def test_stores_that_write_at_once_keep_one_order_without_a_gap_and_unbroken_chains(database):
    async def story(*stores):
        streams = [StreamId(f"mission/m-{n % 3}") for n in range(120)]

        placed = await asyncio.gather(
            *(stores[n % 4].commit(an_entry(stream, n=n)) for n, stream in enumerate(streams))
        )

        assert sorted(entry.idx for (entry,) in placed) == list(range(1, 121))
        for stream in set(streams):
            entries = await stores[0].read(stream)
            assert [entry.seq for entry in entries] == list(range(1, 41))
            assert all(one.hash == after.prev for one, after in pairwise(entries))
            assert entries[0].prev == GENESIS

    tell(story, *[database] * 4)


def test_of_the_same_decision_taken_by_four_processes_one_is_written(database):
    async def story(*stores):
        decision = Commit((a_draft(),), expect=((MISSION, 0),))

        taken = await asyncio.gather(*(store.commit(decision) for store in stores), return_exceptions=True)

        assert sum(isinstance(one, StreamMoved) for one in taken) == 3
        assert len(await stores[0].read(MISSION)) == 1

    tell(story, *[database] * 4)


def test_a_budget_is_never_passed_whoever_spends_it(database):
    async def story(*stores):
        await stores[0].commit(writes(OpenBalance("b", 25)))

        spent = await asyncio.gather(
            *(stores[n % 3].commit(writes(MoveBalance("b", held=2))) for n in range(30)), return_exceptions=True
        )

        assert sum(isinstance(one, BudgetExhausted) for one in spent) == 18
        assert (await stores[1].balance("b")).held == 24

    tell(story, *[database] * 3)


def test_what_others_wrote_is_seen_at_the_next_commit(database):
    async def story(one, other):
        await one.commit(an_entry(n=1))
        await other.commit(an_entry(n=2, closes=True))
        await one.commit(an_entry(n=3))

        assert [entry.payload["n"] for entry in await other.read(MISSION)] == [1, 2, 3]
        refused = (await outcomes(one, Commit((a_draft(OTHER),), open=(MISSION,))))[0]
        assert refused.code == "mission_ended"

    tell(story, database, database)


def test_a_driver_that_was_replaced_from_another_process_is_refused(database):
    async def story(one, other):
        first = await one.take("one")
        await one.commit(Commit((a_draft(),), epoch=first))
        await other.take("other")

        with pytest.raises(DriverReplaced):
            await one.commit(Commit((a_draft(),), epoch=first))

    tell(story, database, database)


def test_only_what_others_wrote_counts_as_a_change(database):
    async def story(one, other):
        await one.commit(an_entry())
        await one.take("one")
        assert not await one.changed()
        assert await other.changed()

        await other.commit(an_entry())
        await one.commit(an_entry())
        assert await one.changed()
        assert not await one.changed()
        assert await other.changed()

    tell(story, database, database)


def test_one_process_drives_a_home_until_it_lets_go_or_ends(database):
    async def story(one, other):
        await one.take("host:1")
        await one.hold()
        with pytest.raises(HomeBusy, match="host:1"):
            await other.hold()
        one.release()
        await other.hold()

    tell(story, database, database)
    tell(story, database, database)


def test_a_home_that_is_just_let_go_is_waited_for(database):
    async def story(one, other):
        await one.hold()
        asyncio.get_running_loop().call_later(0.05, one.release)
        await other.hold()

    tell(story, database, database)


def test_names_that_are_noted_wake_nobody_and_are_taken_away_when_their_time_is_over(database, monkeypatch):
    async def story(one, other):
        await one.changed(), await other.changed()
        for n in range(5):
            assert await one.once("nonce", f"n{n}", until_us=n, now_us=0)
        assert not await other.changed()
        assert not await other.once("nonce", "n4", until_us=9, now_us=3)

        monkeypatch.setattr(notes, "_FORGET_EVERY_US", 1)
        assert await other.once("nonce", "new", until_us=99, now_us=10)
        with psycopg.connect(database) as admin:
            assert admin.execute("SELECT name FROM remit.once").fetchall() == [("new",)]

    tell(story, database, database)


# --- connections that are lost


@contextmanager
def a_wire(address):
    wire = CutWire(address)
    try:
        yield wire
    finally:
        wire.close()


EVERYTHING = (PutBlob("s", "c", b"x"), PutRecord("t", "k", 1), MoveBalance("b", held=1))


def test_a_name_is_not_noted_while_the_server_is_away(database, monkeypatch):
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0.01,))
    with a_wire(database) as wire:

        async def story(cut):
            wire.down = True
            with pytest.raises(StoreUnreachable):
                await cut.once("nonce", "a", until_us=9, now_us=0)
            wire.down = False
            assert await cut.once("nonce", "a", until_us=9, now_us=0)

        tell(story, wire.address)


@pytest.mark.parametrize("instant", ["before", "after"])
def test_what_a_connection_lost_in_commit_left_open_is_found_out_and_written_once(database, instant):
    with a_wire(database) as wire:

        async def story(cut, other):
            await cut.commit(writes(OpenBalance("b", 9)))
            wire.cut = instant

            (entry,) = await cut.commit(Commit((a_draft(),), EVERYTHING))
            after = await cut.commit(an_entry())

            assert wire.cuts == 1
            assert (entry.seq, after[0].seq) == (1, 2)
            assert [found.hash for found in await other.read(MISSION)] == [entry.hash, after[0].hash]
            assert (await other.balance("b")).held == 1
            assert not await cut.changed()

        tell(story, wire.address, database)


def test_a_lease_taken_on_a_connection_that_is_lost_is_taken_once(database):
    with a_wire(database) as wire:

        async def story(cut):
            first = await cut.take("a")
            wire.cut = "after"
            assert await cut.take("b") == first + 1
            await cut.commit(Commit((a_draft(),), epoch=first + 1))

        tell(story, wire.address)


@pytest.mark.parametrize(("instant", "written"), [("before", 0), ("after", 1)])
def test_where_the_server_stays_away_the_caller_is_told_that_the_outcome_is_unknown(
    database, instant, written, monkeypatch
):
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0.01, 0.01))
    with a_wire(database) as wire:

        async def story(cut, other):
            wire.cut, wire.down = instant, True
            with pytest.raises(StoreOutcomeUnknown):
                await cut.commit(an_entry(n=1))
            with pytest.raises(StoreUnreachable) as away:
                await cut.commit(an_entry(n=2))
            assert not isinstance(away.value, StoreOutcomeUnknown)

            wire.down = False
            await cut.commit(an_entry(n=3))
            assert [entry.payload["n"] for entry in await other.read(MISSION)] == [1, 3][1 - written :]

        tell(story, wire.address, database)


def test_sessions_that_the_server_ends_are_made_anew(database):
    async def story(store):
        await store.commit(an_entry())
        assert await store.read(MISSION)
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        assert len(await store.read(MISSION)) == 1
        assert [entry.seq for entry in await store.commit(an_entry())] == [2]

    tell(story, database)


def test_a_process_that_stands_still_in_a_transaction_does_not_stop_the_others(database, monkeypatch):
    monkeypatch.setattr(connection, "IDLE_SECONDS", 1)
    still = connection.connect(StoreAddress.read(database), "default", writes=True)

    async def story(store):
        still.execute("BEGIN")
        still.execute("SELECT 1 FROM log FOR UPDATE")

        assert [entry.seq for entry in await store.commit(an_entry())] == [1]
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            still.execute("COMMIT")

    tell(story, database)


def test_a_record_that_is_held_for_long_is_waited_for_and_then_unreachable(database, monkeypatch):
    monkeypatch.setattr(connection, "LOCK_SECONDS", 1)

    async def story(store):
        with psycopg.connect(database) as other:
            other.execute("SELECT 1 FROM remit.log FOR UPDATE")
            with pytest.raises(StoreUnreachable, match="held the record"):
                await store.commit(an_entry())

        assert [entry.seq for entry in await store.commit(an_entry())] == [1]

    tell(story, database)


def test_a_read_that_takes_too_long_is_cancelled(database, monkeypatch):
    monkeypatch.setattr(connection, "READ_SECONDS", 1)

    async def story(store):
        with psycopg.connect(database) as other:
            other.execute("LOCK TABLE remit.record")
            with pytest.raises(StoreUnreachable, match="too long"):
                await store.record("t", "k")
        assert await store.record("t", "k") is None

    tell(story, database)


# --- stores that cannot be opened, and rows that cannot be written


def test_a_server_that_does_not_answer_is_unreachable_at_once():
    refused = unopened("postgresql://remit:s3cret@127.0.0.1:1/remit", StoreUnreachable)

    assert "127.0.0.1" in str(refused)
    assert "s3cret" not in f"{refused} {refused.to_json()}"


@pytest.mark.parametrize("address", ["sqlite:///x", "postgresql://", "postgresql://u:s3cret@h/d?no_such=1"])
def test_what_is_no_address_is_refused_without_repeating_it(address):
    with pytest.raises(InvalidSetting) as refused:
        StoreAddress.read(address)

    assert "s3cret" not in f"{refused.value} {refused.value.advice} {refused.value.__cause__}"


def test_an_address_is_shown_and_kept_without_its_password():
    address = StoreAddress.read("postgresql://ada:s3cret@db-1,db-2:5433/re%20mit?sslmode=require&options=-c%20role%3Dx")

    assert address.shown == "postgresql://ada@db-1,db-2:5433/re%20mit"
    assert address.holds_password
    assert "s3cret" not in f"{address!r} {address.kept}"
    assert StoreAddress.read(address.kept).told == {
        name: value for name, value in address.told.items() if name != "password"
    }


def test_a_store_of_a_newer_release_is_let_alone(database):
    tell(lambda store: store.commit(an_entry()), database)
    with psycopg.connect(database) as admin:
        admin.execute("UPDATE remit.schema_step SET taken = taken + 1")

    assert f"this release knows {len(schema.STEPS)}" in str(unopened(database, StoreTooNew))


def test_a_schema_of_another_program_is_let_alone(database):
    with psycopg.connect(database) as admin:
        admin.execute("CREATE SCHEMA remit")
        admin.execute("CREATE TABLE remit.invoices (n int)")

    unopened(database, StoreCorrupted)

    with psycopg.connect(database) as admin:
        assert admin.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'remit'").fetchone() == (1,)


def test_the_first_start_of_several_processes_makes_the_tables_once(database):
    async def together():
        address = StoreAddress.read(database)
        stores = await asyncio.gather(*(asyncio.to_thread(PostgresStore, address) for _ in range(4)))
        for store in stores:
            await store.close()

    asyncio.run(together())
    tell(lambda store: store.commit(an_entry()), database)


def test_a_value_that_the_server_cannot_hold_is_the_callers_own_mistake(database):
    async def story(store):
        before, zero, huge, after = await outcomes(
            store, an_entry(n=1), an_entry("mission/\0"), writes(OpenBalance("b", 2**70)), an_entry(n=2)
        )

        assert isinstance(zero, InvalidInput)
        assert isinstance(huge, InvalidInput)
        assert (before[0].seq, after[0].seq) == (1, 2)

    tell(story, database)


def test_the_database_itself_refuses_a_balance_beyond_its_limit(database):
    tell(lambda store: store.commit(writes(OpenBalance("b", 5))), database)

    with psycopg.connect(database) as other, pytest.raises(psycopg.errors.CheckViolation):
        other.execute("UPDATE remit.balance SET held = 6")


def test_an_entry_whose_bytes_were_changed_is_named_when_it_is_read(database):
    async def story(store):
        for n in range(3):
            await store.commit(an_entry(n=n))
        with psycopg.connect(database) as other:
            other.execute("UPDATE remit.entry SET canonical = overlay(canonical placing 'x' from 20) WHERE seq = 2")

        with pytest.raises(StoreCorrupted, match=f"{MISSION}@2"):
            await store.read(MISSION)
        assert len(await store.rows()) == 3

    tell(story, database)


# --- tenants


@contextmanager
def a_role(address, *rights):
    """A role that is no superuser and owns nothing; the address under which it works."""
    name = f"r_{address.rpartition('/')[2]}"
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name}")
        try:
            for right in rights:
                admin.execute(f"GRANT {right} TO {name}")
            yield f"{address}?options=-c%20role%3D{name}"
        finally:
            admin.execute(f"DROP OWNED BY {name}")
            admin.execute(f"DROP ROLE {name}")


_WORKS = ("USAGE ON SCHEMA remit", "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA remit")


def test_a_session_of_one_tenant_sees_and_changes_nothing_of_another(database):
    async def fill(store):
        await store.commit(writes(OpenBalance("b", 9)))
        await store.commit(Commit((a_draft(tenant=store.tenant),), EVERYTHING))
        await store.once("nonce", "a", until_us=2, now_us=1)

    for tenant in ("acme", "globex"):
        tell(fill, database, tenant=tenant)

    with a_role(database, *_WORKS) as bound, psycopg.connect(bound, autocommit=True) as session:
        tables = ("log", "writer", "entry", "blob", "record", "balance", "once")
        assert [session.execute(f"SELECT count(*) FROM remit.{table}").fetchone() for table in tables] == [(0,)] * 7
        session.execute("SET remit.tenant = 'acme'")
        assert [session.execute(f"SELECT DISTINCT tenant FROM remit.{table}").fetchall() for table in tables] == [
            [("acme",)]
        ] * 7
        assert session.execute("UPDATE remit.balance SET lim = 100 WHERE tenant = 'globex'").rowcount == 0
        assert session.execute("DELETE FROM remit.record WHERE tenant = 'globex'").rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("INSERT INTO remit.record VALUES ('globex', 't', 'k2', '1')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("UPDATE remit.record SET tenant = 'globex'")


def test_to_a_bound_role_entries_and_bodies_are_append_only(database):
    tell(lambda store: store.commit(Commit((a_draft(),), (PutBlob("s", "c", b"x"),))), database)

    with a_role(database, *_WORKS) as bound, psycopg.connect(bound, autocommit=True) as session:
        session.execute("SET remit.tenant = 'default'")
        for table in ("entry", "blob"):
            assert session.execute(f"UPDATE remit.{table} SET tenant = tenant").rowcount == 0
            assert session.execute(f"DELETE FROM remit.{table}").rowcount == 0


def test_a_role_that_owns_nothing_works_with_the_rights_that_the_documentation_names(database):
    tell(lambda store: store.commit(an_entry()), database)

    async def story(store):
        assert [entry.seq for entry in await store.commit(an_entry())] == [2]
        await store.take("driver")

    with a_role(database, *_WORKS) as bound:
        tell(story, bound)


def test_a_role_without_rights_is_told_which_it_lacks(database):
    with a_role(database) as bound:
        refused = unopened(bound, StoreUnreachable)

    assert "permission denied" in str(refused)
    assert "USAGE, SELECT, INSERT" in refused.advice


# --- health


def test_a_healthy_server_says_who_it_is_and_what_the_role_should_not_be(database):
    tell(lambda store: store.commit(an_entry()), database)

    with a_role(database, *_WORKS) as bound:
        as_superuser, as_role = (tell(lambda store: store.health(), address) for address in (database, bound))

    assert as_superuser[0]
    assert as_role[0]
    assert "superuser" in as_superuser[1]
    assert "superuser" not in as_role[1]
    assert "PostgreSQL" in as_role[1]
