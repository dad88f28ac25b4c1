"""One contract for every driver and store: the stories of missions, told on each of them."""

import asyncio
from collections.abc import Iterator
from inspect import signature
from typing import Any
from uuid import uuid4

import pytest
from tests.adapters.database_servers import a_database
from tests.missions import builders, test_control, test_crashes, test_keeping, test_life, test_questions
from tests.missions.builders import Home, House

from remit.adapters.memory import MemoryStore
from remit.adapters.postgres import PostgresStore, StoreAddress
from remit.adapters.sqlite import SqliteStore
from remit.drivers import ClusterDriver, lease_of
from remit.ids import MissionId
from remit.missions import Rest

#: Stories that take the embedded driver or the store in memory apart; test_cluster.py has those of the other driver.
_OF_THE_EMBEDDED_DRIVER = {
    "test_an_entry_that_was_changed_is_named_and_its_mission_is_not_driven",
    "test_a_driver_does_not_claim_what_was_skipped_before_it_heard_of_it",
    "test_a_driver_does_not_make_the_call_that_was_changed_before_it_heard_of_it",
    "test_a_driver_that_was_replaced_saves_nothing",
    "test_a_late_outcome_of_an_older_run_ends_the_step_once",
    "test_a_replaced_driver_can_neither_claim_nor_decide_nor_end_what_it_never_claimed",
    "test_a_replaced_driver_cannot_refuse_a_call_that_it_never_claimed",
}
_STORIES = {
    name: story
    for module in (test_life, test_crashes, test_questions, test_keeping, test_control)
    for name, story in vars(module).items()
    if name.startswith("test_") and name not in _OF_THE_EMBEDDED_DRIVER
    if callable(story) and not signature(story).parameters
}


class Alone:
    """A scheduler for one process: whoever wakes a mission carries it here."""

    async def wake(self, mission: MissionId) -> None:
        """Carry it in the background."""
        self.carried = asyncio.create_task(self.driver.carry(mission))

    async def ensure(self, mission: MissionId) -> None:
        """As `wake`: a process that carries it is told, and no more."""
        await self.wake(mission)

    async def listeners(self, pool: str) -> int:
        """This process alone, for whichever pool."""
        return int(bool(pool))

    driver: ClusterDriver


class Clustered(House):
    """Every process carries the missions that it is given, each under a lease of its own."""

    def driver(self, home: Home) -> ClusterDriver:
        scheduler = Alone()
        home.door.lease_of = lease_of
        scheduler.driver = ClusterDriver(home.store, home.performer, home._reload, "test", scheduler)
        return scheduler.driver

    async def drive(self, driver: Any, mission: MissionId) -> Rest:
        rest: Rest = await driver.carry(mission)
        return rest


class OnPostgres(House):
    """Each home is a tenant of one database."""

    def __init__(self, address: str) -> None:
        self.address = StoreAddress.read(address)
        self.opened: list[PostgresStore] = []

    def store(self) -> PostgresStore:
        self.opened.append(PostgresStore(self.address, tenant=f"t-{uuid4().hex[:12]}"))
        return self.opened[-1]


class ClusteredOnPostgres(Clustered, OnPostgres):
    """Both."""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with a_database() as address:
        yield address


@pytest.fixture(params=["cluster on memory", "cluster on SQLite", "embedded on PostgreSQL", "cluster on PostgreSQL"])
def house(request, tmp_path, monkeypatch) -> Iterator[House]:
    """The homes of the story stand on this."""
    driver, _, store = request.param.partition(" on ")
    if store == "PostgreSQL":
        address = request.getfixturevalue("database")
        chosen = ClusteredOnPostgres(address) if driver == "cluster" else OnPostgres(address)
    else:
        chosen = Clustered()
        chosen.store = MemoryStore if store == "memory" else lambda: SqliteStore(tmp_path / f"{uuid4().hex}.sqlite")
    monkeypatch.setattr(builders, "HOUSE", chosen)
    yield chosen
    for opened in getattr(chosen, "opened", ()):
        opened.shut()


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("story", sorted(_STORIES))
def test_a_mission_lives_alike_on_every_driver_and_store(story):
    _STORIES[story]()
