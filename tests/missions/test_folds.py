"""Folds: a long mission is picked up where it was folded to, and is what it would be from its first entry."""

import pickle
from base64 import b64decode, b64encode

import orjson
import pytest

from remit.adapters.memory import MemoryStore
from remit.adapters.sqlite import SqliteStore
from remit.errors import StoreCorrupted, ToolUnreachable
from remit.ledger import Commit, PutRecord
from remit.missions import ActiveMission, Submission, submit
from remit.missions.folds import TABLE, recall
from remit.quantities import Money
from remit.registry import Limits, Workflow
from remit.state import KeyRing, Vault

from .builders import a_home, a_payment, a_tool, run

STORES = {"memory": lambda _: MemoryStore(), "sqlite": lambda folder: SqliteStore(folder / "remit.db")}
STEPS = 150


class Counting:
    """A store that counts the entries that were read from it."""

    def __init__(self, store):
        self._store, self.entries = store, 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, stream, **where):
        return self._counted(await self._store.read(stream, **where))

    async def read_prefix(self, prefix, **where):
        return self._counted(await self._store.read_prefix(prefix, **where))

    def _counted(self, found):
        self.entries += len(found)
        return found


#: Folds are kept from here on in these stories, so that their missions may be short.
ENTRIES = 256


@pytest.fixture(autouse=True)
def _kept_early(monkeypatch):
    monkeypatch.setattr("remit.missions.active.ENTRIES_MIN", ENTRIES)


async def a_long_mission(store):
    """A home and a mission of many steps: payments, reads, failures that pass, and one question that waits."""
    tried = set()

    async def plan(context, _given):
        for number in range(STEPS):
            context.propose(f"read-{number:03}", skill="look", given={"number": number})
        context.propose("pay", tool="bank__pay", given={"amount": "1", "payee": "a"}, ask_rules=["look"])

    async def look(context, given):
        if given["number"] % 40 == 7 and given["number"] not in tried:
            tried.add(given["number"])
            raise ToolUnreachable("away")
        return await context.call("erp__read", given)

    home = await a_home(a_tool("erp__read"), a_payment("bank__pay"), plan=plan, look=look, store=store)
    workflow = Workflow(
        "work", "", "plan", {"type": "object"}, ("*",), Money(9_000_000, "USD"), 168, None, Limits(max_steps=500)
    )
    asked = Submission(workflow, {"known": ["1", "a"]}, "rules")
    mission = await submit(home.door, home.clock, home.ids, home.person("anna"), asked)
    await home.drive(mission)
    return home, mission


def a_vault(store):
    return Vault(KeyRing(b"k" * 32), store)


async def from_the_start(mission, store):
    """The mission folded from its first entry."""
    active = ActiveMission(mission)
    await active.catch_up(store)
    await active.catch_up_calls(store)
    return active


def told(active):
    """All that was folded, in a form that can be compared."""
    log = dict(vars(active.log))
    guard = vars(log.pop("guard"))
    # A step that was only asked about has an empty place.
    log = {name: _without_empty(held) for name, held in log.items()}
    # What this process wrote itself holds tuples where the record holds lists.
    log["_calls"] = {
        call: [
            (orjson.dumps([one.permit, one.done], option=orjson.OPT_SORT_KEYS), one.stream, one.attempt, one.done_idx)
            for one in tries
        ]
        for call, tries in log["_calls"].items()
    }
    return active.state, log, guard, active.answering, active._head, active._taught


def _without_empty(held):
    return {key: value for key, value in held.items() if value} if isinstance(held, dict) else held


@pytest.mark.parametrize("store", STORES)
def test_a_mission_that_is_picked_up_from_its_fold_is_what_it_is_from_the_start(tmp_path, store):
    async def story():
        home, mission = await a_long_mission(STORES[store](tmp_path))
        counting = Counting(home.store)

        picked = await ActiveMission.load(mission, counting, a_vault(counting))

        assert told(picked) == told(await from_the_start(mission, home.store))
        assert picked.state.version > ENTRIES
        assert counting.entries < len(await home.store.rows()) / 4
        await home.store.close()

    run(story())


def test_it_goes_on_from_there():
    async def story():
        home, mission = await a_long_mission(MemoryStore())
        home = home.restarted()
        await home.answer("approve")

        assert (await home.drive(mission)).ended
        assert home.made.count("pay") == 1
        picked = await ActiveMission.load(mission, home.store, home.door.vault)
        assert told(picked) == told(await from_the_start(mission, home.store))

    run(story())


async def spoiled(store, mission, **fields):
    kept = await store.record(TABLE, mission)
    await store.commit(Commit((), (PutRecord(TABLE, mission, {**kept, **fields}),)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {"code": "0" * 32},
        lambda _: {"head": "0" * 64},
        lambda kept: {"version": kept["version"] - 1},
        lambda kept: {"version": kept["version"] + 1_000_000},
        lambda kept: {"data": kept["data"][:-8] + "AAAAAAA="},
        lambda _: {"data": "no base64"},
    ],
    ids=["other code", "other head", "other version", "no such version", "changed", "nonsense"],
)
def test_a_fold_that_is_not_this_missions_own_as_this_code_made_it_is_passed_over(spoil):
    async def story():
        home, mission = await a_long_mission(MemoryStore())
        await spoiled(home.store, mission, **spoil(await home.store.record(TABLE, mission)))

        assert await recall(mission, f"mission/{mission}", home.store, a_vault(home.store)) is None
        picked = await ActiveMission.load(mission, home.store, a_vault(home.store))
        assert told(picked) == told(await from_the_start(mission, home.store))

    run(story())


def test_nothing_but_the_houses_own_classes_is_made_of_a_fold():
    async def story():
        home, mission = await a_long_mission(MemoryStore())
        kept = await home.store.record(TABLE, mission)
        vault = home.door.vault
        name = f"fold/{kept['code']}/{kept['version']}/{kept['head']}"
        for harm in (print, pickle.loads, type(home), ToolUnreachable):
            evil = vault.seal_bytes(mission, name, pickle.dumps(harm))
            await spoiled(home.store, mission, data=evil)
            with pytest.raises(StoreCorrupted, match="which no fold holds"):
                await recall(mission, f"mission/{mission}", home.store, vault)

    run(story())


def test_a_fold_shows_nothing_in_the_clear():
    async def story():
        home, mission = await a_long_mission(MemoryStore())

        kept = await home.store.record(TABLE, mission)

        assert b"read-001" not in b64decode(kept["data"])
        assert b64encode(b64decode(kept["data"])).decode() == kept["data"]

    run(story())


def test_a_short_mission_keeps_none():
    async def plan(context, _given):
        return await context.call("erp__read", {})

    async def story():
        home = await a_home(plan=plan)
        mission = await home.submit()
        await home.drive(mission)

        assert await home.store.record(TABLE, mission) is None

    run(story())
