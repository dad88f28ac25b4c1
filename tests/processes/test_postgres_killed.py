"""PostgreSQL is killed while several processes write: nothing is lost, nothing is written twice."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from tests.adapters.database_servers import PostgresServer
from tests.contracts.store import an_entry

from remit.adapters.postgres import PostgresStore, StoreAddress
from remit.errors import StoreUnreachable
from remit.ledger import Commit, OpenBalance
from remit.ledger.seal import Signer
from remit.ledger.verify import Verifier

_BOUND_SECONDS = 120
_WRITERS, _EACH = 4, 50
_KILLED_AT = 60

#: Commits one after the other, four at once, and says which were answered. Nothing about an entry makes it unique: one
#: that were written twice would be seen.
_WRITER = """
import asyncio, sys
from remit.adapters.postgres import PostgresStore, StoreAddress
from remit.ids import StreamId
from remit.ledger import Commit, Draft, MoveBalance

address, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

async def main():
    store = PostgresStore(StoreAddress.read(address))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    numbers = iter(range(count))
    async def work():
        for n in numbers:
            draft = Draft(StreamId(f"mission/m-{n % 3}"), "thing.happened", {"by": name, "n": n}, "remit", 1)
            await store.commit(Commit((draft,), (MoveBalance("b", used=1),)))
            print(n, flush=True)
    await asyncio.gather(*(work() for _ in range(4)))
    await store.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server():
    own = PostgresServer()
    yield own
    own.stop()


@pytest.fixture
def database(server, request):
    name = f"d_{abs(hash(request.node.name)) % 10**8}"
    with psycopg.connect(f"{server.address}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return f"{server.address}/{name}"


def tell(address, story):
    async def told():
        store = PostgresStore(StoreAddress.read(address))
        try:
            return await asyncio.wait_for(story(store), _BOUND_SECONDS)
        finally:
            await store.close()

    return asyncio.run(told())


def test_two_hundred_commits_of_four_processes_survive_a_kill_of_the_server(server, database, tmp_path):
    tell(database, lambda store: store.commit(Commit((), (OpenBalance("b", 1_000),))))
    told = [tmp_path / f"told-{n}" for n in range(_WRITERS)]
    processes = [start_writer(database, n, told[n]) for n in range(_WRITERS)]

    until(lambda: sum(map(lines, told)) == _WRITERS)
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.close()
    until(lambda: sum(map(lines, told)) >= _WRITERS + _KILLED_AT)
    server.kill()
    killed_at = sum(map(lines, told)) - _WRITERS
    server.start()

    assert [process.wait(_BOUND_SECONDS) for process in processes] == [0] * _WRITERS
    assert killed_at < _WRITERS * _EACH, "the server was killed when all was done"

    async def look(store):
        rows = await store.rows(limit=10_000)
        written = [(e.payload["by"], e.payload["n"]) for e in await store.read_prefix("mission/", limit=10_000)]
        assert sorted(written) == sorted((str(by), n) for by in range(_WRITERS) for n in range(_EACH))
        assert (await store.balance("b")).used == _WRITERS * _EACH
        assert [idx for idx, _, _ in rows] == list(range(1, _WRITERS * _EACH + 1))
        verifier = Verifier(Signer.from_seed("remit.local", bytes(32)).public)
        for row in rows:
            verifier.entry(*row)
        assert verifier.finish().first_bad is None

    tell(database, look)


def start_writer(address, number, told: Path):
    with told.open("wb") as out:
        command = [sys.executable, "-c", _WRITER, address, str(number), str(_EACH)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out)


def lines(told: Path) -> int:
    return told.read_bytes().count(b"\n")


def until(true):
    async def look():
        while not true():
            await asyncio.sleep(0.002)

    asyncio.run(asyncio.wait_for(look(), _BOUND_SECONDS))


def test_a_restart_of_the_server_is_passed_over_by_reads_and_writes(server, database):
    async def story(store):
        await store.commit(an_entry(n=1))
        server.stop("fast")
        waiting = asyncio.gather(store.commit(an_entry(n=2)), store.read_prefix(""))
        await asyncio.to_thread(server.start)

        (entry,), read = await waiting
        assert (entry.seq, len(read) in {1, 2}) == (2, True)

    tell(database, story)


def test_a_server_that_does_not_keep_what_it_confirms_is_not_healthy(server, database):
    with psycopg.connect(f"{server.address}/postgres", autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
    try:
        ok, told = tell(database, lambda store: store.health())
    finally:
        with psycopg.connect(f"{server.address}/postgres", autocommit=True) as admin:
            admin.execute("ALTER SYSTEM RESET fsync")
            admin.execute("SELECT pg_reload_conf()")

    assert not ok
    assert "fsync is off" in told


def test_a_wrong_password_is_told_at_once_and_not_repeated(server, database):
    server.ask_for_password("keeper", "right")

    with pytest.raises(StoreUnreachable) as refused:
        PostgresStore(StoreAddress.read(database.replace("postgres@", "keeper:wr0ng@")))
    with pytest.raises(StoreUnreachable) as none_given:
        PostgresStore(StoreAddress.read(database.replace("postgres@", "keeper@")))

    assert "wr0ng" not in f"{refused.value} {refused.value.to_json()}"
    assert "PGPASSWORD" in refused.value.advice
    assert "PGPASSWORD" in none_given.value.advice


def test_the_standby_goes_on_where_the_killed_server_stood(server, database):
    """With a standby that confirms each commit, no answered commit is lost when it takes over."""
    standby = server.make_standby()
    both = database.replace(f":{server.port}/", f":{server.port},127.0.0.1:{standby.port}/")

    async def story(store):
        for n in range(20):
            await store.commit(an_entry(n=n))
        server.kill()
        waiting = asyncio.gather(*(store.commit(an_entry(n=n)) for n in range(20, 30)))
        await asyncio.to_thread(standby.promote)

        await waiting
        assert [entry.payload["n"] for entry in await store.read(an_entry().entries[0].stream)] == list(range(30))

    try:
        tell(both, story)
    finally:
        standby.stop()
        server.start()
        server.forget_standby()
