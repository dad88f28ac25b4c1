"""The contract on SQLite, and what only a file on a disk can do to us."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contracts.store import MISSION, StoreContract, a_draft, an_entry

from remit.adapters.sqlite import SqliteStore
from remit.errors import StoreCorrupted, StoreTooNew, StoreUnreachable
from remit.ledger import Commit, MoveBalance, OpenBalance, PutBlob, PutRecord

_BOUND_SECONDS = 30.0
FILE = "remit.sqlite"


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        self.path = tmp_path / FILE

    def open(self):
        return SqliteStore(self.path)


def tell(path, story):
    """Tell a story on the store at `path`, and never wait for ever."""

    async def told():
        store = SqliteStore(path)
        try:
            return await asyncio.wait_for(story(store), _BOUND_SECONDS)
        finally:
            await store.close()

    return asyncio.run(told())


def a_filled_store(path, *, entries=200):
    async def fill(store):
        commits = (Commit((a_draft(n=n, text="x" * 200),), (PutRecord("t", f"{n}", n),)) for n in range(entries))
        await asyncio.gather(*(store.commit(commit) for commit in commits))

    tell(path, fill)
    # One file holds it all, as after an orderly end.
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


# --- durable means durable


def test_every_connection_writes_ahead_and_waits_for_the_disk(tmp_path):
    async def story(store):
        for connection in (store._reading, store._writing):
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL

    tell(tmp_path / FILE, story)
    tell(tmp_path / FILE, story)


_KILLED_IN_THE_MIDDLE = """
import asyncio, os, signal, sys
from pathlib import Path
from remit.adapters.sqlite import SqliteStore
from remit.ids import StreamId
from remit.ledger import Commit, Draft, MoveBalance, OpenBalance, PutBlob, PutRecord

path, statement = Path(sys.argv[1]), sys.argv[2]

async def main():
    store = SqliteStore(path)
    draft = Draft(StreamId("mission/m-1"), "thing.happened", {}, "remit", 1, fact="once")
    everything = (PutBlob("s", "c", b"x"), PutRecord("t", "k", 1), OpenBalance("b", 9), MoveBalance("b", held=1))
    def kill(sql):
        if sql.startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)
    store._writing.set_trace_callback(kill)
    await store.commit(Commit((draft,), everything))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO entry",
        "INSERT OR IGNORE INTO blob",
        "INSERT OR REPLACE INTO record",
        "INSERT OR REPLACE INTO balance",
        "COMMIT",
    ],
)
def test_a_process_killed_between_two_statements_leaves_nothing_of_the_commit(tmp_path, statement):
    path = tmp_path / FILE

    async def begin(store):
        await store.commit(an_entry(fact="before"))

    tell(path, begin)

    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_IN_THE_MIDDLE, str(path), statement], timeout=_BOUND_SECONDS, check=False
    )

    async def look(store):
        assert [entry.fact for entry in await store.read(MISSION)] == ["before"]
        assert await store.blob("s", "c") is None
        assert await store.record("t", "k") is None
        assert await store.balance("b") is None
        assert [entry.seq for entry in await store.commit(an_entry(fact="once"))] == [2]

    assert killed.returncode == -signal.SIGKILL
    tell(path, look)


# --- files that are not what they should be


def unopened(path):
    with pytest.raises((StoreCorrupted, StoreTooNew, StoreUnreachable)) as refused:
        SqliteStore(path)
    return refused.value


def test_a_file_that_is_no_database_is_corrupted_and_stays_as_it_is(tmp_path):
    path = tmp_path / FILE
    path.write_text("invoices, mostly\n" * 100)
    before = path.read_bytes()

    refused = unopened(path)

    assert isinstance(refused, StoreCorrupted)
    assert FILE in str(refused)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_corrupted_and_stays_as_it_is(tmp_path):
    path = tmp_path / FILE
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE payments (invoice TEXT)")
    connection.close()
    before = path.read_bytes()

    assert isinstance(unopened(path), StoreCorrupted)
    assert path.read_bytes() == before


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off_is_corrupted(tmp_path, kept):
    path = a_filled_store(tmp_path / FILE)
    os.truncate(path, int(path.stat().st_size * kept))

    assert isinstance(unopened(path), StoreCorrupted)


def test_flipped_bytes_in_the_middle_of_a_page_are_corruption(tmp_path):
    path = a_filled_store(tmp_path / FILE)
    held = bytearray(path.read_bytes())
    page = 4096 * (len(held) // 4096 // 2)
    held[page : page + 64] = bytes(byte ^ 0xFF for byte in held[page : page + 64])
    path.write_bytes(held)

    assert isinstance(unopened(path), StoreCorrupted)


def test_the_entries_of_one_mission_are_found_without_walking_the_record(tmp_path):
    path = tmp_path / FILE
    asked: list[str] = []

    async def story(store):
        for stream in ("step/m-1/a/1", "step/m-2/a/1"):
            await store.commit(an_entry(stream))
        store._reading.set_trace_callback(asked.append)
        await store.read_prefix("step/m-1/")
        return store

    tell(path, story)

    (query,) = [one for one in asked if one.lstrip().startswith("SELECT")]
    with sqlite3.connect(path) as connection:
        plan = " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    connection.close()
    assert "USING COVERING INDEX entry_by_stream (stream>? AND stream<?)" in plan, plan
    assert "SCAN entry" not in plan, plan


def test_an_entry_whose_bytes_were_changed_is_named_when_it_is_read(tmp_path):
    path = a_filled_store(tmp_path / FILE, entries=9)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entry SET canonical = CAST(replace(canonical, 'xx', 'xy') AS BLOB) WHERE seq = 4")
    connection.close()

    async def story(store):
        for reading in (store.read(MISSION), store.read_prefix("mission/"), store.read_prefix("")):
            with pytest.raises(StoreCorrupted, match=f"{MISSION}@4"):
                await reading
        assert len(await store.rows()) == 9  # whoever verifies sees the bytes as they are

    tell(path, story)


def test_an_entry_that_is_not_even_json_is_named_when_it_is_read(tmp_path):
    path = a_filled_store(tmp_path / FILE, entries=3)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entry SET canonical = x'ff00' WHERE seq = 2")
    connection.close()

    async def story(store):
        with pytest.raises(StoreCorrupted, match="2"):
            await store.read(MISSION)

    tell(path, story)


def test_a_store_of_a_newer_release_is_let_alone(tmp_path):
    path = a_filled_store(tmp_path / FILE, entries=1)
    with sqlite3.connect(path) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version={version + 1}")
    connection.close()
    before = path.read_bytes()

    assert isinstance(unopened(path), StoreTooNew)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_unreachable(tmp_path):
    assert isinstance(unopened(tmp_path / "nowhere" / FILE), StoreUnreachable)


def test_a_folder_in_place_of_the_file_is_unreachable(tmp_path):
    (tmp_path / FILE).mkdir()

    assert isinstance(unopened(tmp_path / FILE), StoreUnreachable)


# --- disks that do not take any more


def test_a_file_that_may_not_be_written_is_unreachable_and_can_still_be_read(tmp_path):
    path = a_filled_store(tmp_path / FILE, entries=2)

    async def story(store):
        store._writing.execute("PRAGMA query_only=ON")  # permissions do not bind root
        with pytest.raises(StoreUnreachable, match="readonly"):
            await store.commit(an_entry())

        assert len(await store.read(MISSION)) == 2
        store._writing.execute("PRAGMA query_only=OFF")
        assert [entry.seq for entry in await store.commit(an_entry())] == [3]

    tell(path, story)


def too_much(n):
    """More than fits, in every table at once."""
    return Commit(
        (a_draft(n=n, fact=f"fact-{n}"),),
        (
            PutBlob("s", f"{n}", os.urandom(400_000)),
            PutRecord("t", f"{n}", n),
            OpenBalance(f"b-{n}", 9),
            MoveBalance(f"b-{n}", held=1),
        ),
    )


async def assert_nothing_of_it_was_written(store, n):
    assert not [entry for entry in await store.read(MISSION) if entry.payload["n"] == n]
    assert await store.blob("s", f"{n}") is None
    assert await store.record("t", f"{n}") is None
    assert await store.balance(f"b-{n}") is None


def test_a_full_store_takes_nothing_and_goes_on_when_there_is_room(tmp_path):
    async def story(store):
        await store.commit(an_entry(n=0))
        (pages,) = store._writing.execute("PRAGMA page_count").fetchone()
        store._writing.execute(f"PRAGMA max_page_count={pages + 20}")

        with pytest.raises(StoreUnreachable, match="full"):
            await store.commit(too_much(1))

        await assert_nothing_of_it_was_written(store, 1)
        store._writing.execute("PRAGMA max_page_count=1000000")
        (entry,) = await store.commit(too_much(1))
        assert (entry.seq, entry.idx) == (2, 2)

    tell(tmp_path / FILE, story)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of one megabyte; only root can mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_takes_nothing_and_the_store_goes_on_when_there_is_room(small_disk):
    ballast = small_disk / "ballast"

    async def story(store):
        await store.commit(an_entry(n=0))
        ballast.write_bytes(b"x" * 750_000)

        for n in (1, 2):
            with pytest.raises(StoreUnreachable):
                await store.commit(too_much(n))
            await assert_nothing_of_it_was_written(store, n)

        ballast.unlink()
        assert [entry.seq for entry in await store.commit(an_entry(n=3))] == [2]

    tell(small_disk / FILE, story)


def test_a_transaction_that_another_process_holds_for_long_is_waited_for_and_then_unreachable(tmp_path, monkeypatch):
    monkeypatch.setattr("remit.adapters.sqlite.connection.BUSY_SECONDS", 0.05)
    path = tmp_path / FILE

    async def story(store):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnreachable, match="locked"):
            await store.commit(an_entry())
        other.execute("ROLLBACK")
        other.close()

        assert [entry.seq for entry in await store.commit(an_entry())] == [1]

    tell(path, story)


def test_what_is_committed_after_closing_is_refused_at_once(tmp_path):
    async def story():
        store = SqliteStore(Path(tmp_path / FILE))
        await store.close()
        with pytest.raises(StoreUnreachable):
            await asyncio.wait_for(store.commit(an_entry()), _BOUND_SECONDS)

    asyncio.run(story())
