"""Working state: what was saved comes back, whole and in order, and costs little more than what changed."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.adapters.memory import MemoryStore
from remit.adapters.sqlite import SqliteStore
from remit.errors import InvalidInput, NotFound, StateTooLarge, StoreCorrupted, StreamMoved
from remit.ids import MissionId, StepId
from remit.ledger import Commit, PutRecord
from remit.state import Binding, Change, KeyRing, Owner, Snapshots, Vault, Writer
from remit.state.segments import joined
from remit.state.snapshot import GOAL_BYTES_MAX
from remit.tools import Confidentiality, Label

MISSION = MissionId("msn-1")
OWNER = Owner(MISSION, StepId("plan"))
OTHER = Owner(MISSION, StepId("check"))
BY = Writer("agent:planner@1.0.0", 1_000_000, Binding("policy-1", "planner@1.0.0", ""), Label())
STORES = {"memory": lambda _: MemoryStore(), "sqlite": lambda folder: SqliteStore(folder / "remit.db")}


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


async def snapshots_on(store):
    vault = Vault(KeyRing(b"k" * 32), store)
    if await store.record("key", MISSION) is None:
        await store.commit(Commit((), (vault.open_space(MISSION),)))
    return Snapshots(vault, store, store)


async def written(kept, prepared):
    await kept.journal.commit(Commit(prepared.entries, prepared.writes, expect=prepared.expect))
    return prepared.snapshot


async def saved(kept, by=BY, owner=OWNER, **change):
    return await written(kept, await kept.save(owner, Change(**change), by))


async def restored(kept, owner=OWNER, tiers=None):
    return await kept.restore(await kept.head(owner), tiers)


@pytest.fixture(params=STORES)
def a_store(request, tmp_path):
    return lambda: STORES[request.param](tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_CHANGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "goal": _JSON.filter(lambda value: value is not None),
            "tools": st.dictionaries(st.sampled_from(["crm", "erp", "mail"]), _JSON, max_size=3),
            "reflection": st.text(max_size=30),
        },
    ),
    max_size=20,
)


@given(changes=_CHANGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_changes_is_restored_by_another_process_as_it_was_made(changes):
    async def story():
        store = MemoryStore()
        kept = await snapshots_on(store)
        goal, slices, log = None, {}, []
        for change in changes:
            await saved(kept, **change)
            goal = change.get("goal", goal)
            slices.update(change.get("tools", {}))
            slices = {name: value for name, value in slices.items() if value is not None}
            log += [change["reflection"]] if "reflection" in change else []

        elsewhere = await snapshots_on(store)
        head = await elsewhere.head(OWNER)

        if head is None:
            assert (goal, slices, log) == (None, {}, [])
        else:
            found = await elsewhere.restore(head)
            assert (found.goal, dict(found.tools), list(found.reflections)) == (goal, slices, log)

    run(story())


@given(count=st.integers(1, 400))
@settings(max_examples=30, deadline=None)
def test_a_log_of_any_length_stands_in_few_segments(count):
    segments = []
    for _ in range(count):
        taken = joined(segments)
        segments = [*segments[: len(segments) - taken], 1 + sum(segments[len(segments) - taken :])]

    assert sum(segments) == count
    assert len(segments) == count.bit_count() <= count.bit_length()
    assert segments == sorted(segments, reverse=True)


def test_a_state_is_saved_and_restored_on_every_store(a_store):
    async def story():
        store = a_store()
        kept = await snapshots_on(store)
        await saved(kept, goal={"buy": "steel"}, tools={"crm": {"seen": 1}}, reflection="begin")
        last = await saved(kept, tools={"crm": {"seen": 2}}, reflection="go on")

        found = await restored(await snapshots_on(store))

        assert (found.snapshot.seq, found.snapshot.hash) == (2, last.hash)
        assert (found.goal, found.tools) == ({"buy": "steel"}, {"crm": {"seen": 2}})
        assert found.reflections == ("begin", "go on")
        assert found.snapshot.manifest.binding == BY.binding
        await store.close()

    run(story())


def test_only_what_changed_is_written(a_store):
    async def story():
        kept = await snapshots_on(a_store())
        await saved(kept, goal="g", tools=dict.fromkeys(("a", "b", "c"), "x" * 5000))

        change = await kept.save(OWNER, Change(tools={"a": "x" * 5000, "b": "y"}), BY)

        assert change.entries[0].payload["bodies"] == 1
        await kept.journal.close()

    run(story())


def test_restoring_and_saving_with_nothing_done_between_gives_the_same_snapshot_and_writes_nothing():
    async def story():
        kept = await snapshots_on(MemoryStore())
        before = await saved(kept, goal={"a": 1}, tools={"crm": [1]}, reflection="r")
        found = await restored(kept)

        again = await kept.save(OWNER, Change(goal=found.goal, tools=found.tools), BY)

        assert again.snapshot.hash == before.hash
        assert not again.entries
        assert not again.writes

    run(story())


def test_two_workers_cannot_both_save_on_the_same_state(a_store):
    async def story():
        store = a_store()
        one, two = await snapshots_on(store), await snapshots_on(store)
        await saved(one, goal=0)
        first, second = await one.save(OWNER, Change(goal=1), BY), await two.save(OWNER, Change(goal=2), BY)
        await written(one, first)

        with pytest.raises(StreamMoved):
            await written(two, second)

        assert (await restored(two)).goal == 1
        await store.close()

    run(story())


@pytest.mark.parametrize("size", [GOAL_BYTES_MAX, GOAL_BYTES_MAX + 1])
def test_a_goal_has_at_most_ten_kilobytes_as_canonical_json(size):
    async def story():
        kept = await snapshots_on(MemoryStore())
        goal = "x" * (size - 2)  # two quotation marks
        if size > GOAL_BYTES_MAX:
            with pytest.raises(StateTooLarge, match="10241 bytes"):
                await kept.save(OWNER, Change(goal=goal), BY)
            assert await kept.head(OWNER) is None
        else:
            await saved(kept, goal=goal)
            assert (await restored(kept)).goal == goal

    run(story())


def test_what_cannot_be_kept_is_refused_by_name():
    async def story():
        kept = await snapshots_on(MemoryStore())
        for change, said in (
            (Change(tools={"a/b": 1}), "no name of a slice"),
            (Change(tools={f"s{n}": n for n in range(65)}), "65 slices"),
            (Change(goal={1, 2}), "no JSON"),
        ):
            with pytest.raises(InvalidInput, match=said):
                await kept.save(OWNER, change, BY)
        with pytest.raises(StateTooLarge, match="The slice crm"):
            await kept.save(OWNER, Change(tools={"crm": "x" * 300_000}), BY)
        with pytest.raises(StateTooLarge, match="The reflection"):
            await kept.save(OWNER, Change(reflection="x" * 20_000), BY)

    run(story())


def test_a_fork_is_one_manifest_and_goes_its_own_way():
    async def story():
        kept = await snapshots_on(MemoryStore())
        for number in range(5):
            await saved(kept, goal={"n": number}, tools={"crm": number}, reflection=number)

        fork = await kept.fork(await kept.at(OWNER, 3), OTHER, BY)
        await written(kept, fork)
        await saved(kept, owner=OTHER, goal="another way")

        assert fork.entries[0].payload["bodies"] == 0
        assert fork.snapshot.manifest.parent == (await kept.at(OWNER, 3)).hash
        there = await restored(kept, OTHER)
        assert (there.goal, there.tools, there.reflections) == ("another way", {"crm": 2}, (0, 1, 2))
        assert (await restored(kept)).goal == {"n": 4}
        with pytest.raises(InvalidInput, match="has a working state already"):
            await kept.fork(await kept.at(OWNER, 1), OTHER, BY)

    run(story())


def test_a_fork_into_another_mission_reads_the_bodies_where_they_are():
    async def story():
        store = MemoryStore()
        kept = await snapshots_on(store)
        await saved(kept, goal="g", tools={"crm": 1}, reflection="r")
        second = Owner(MissionId("msn-2"), StepId("plan"))
        await store.commit(Commit((), (kept.vault.open_space(second.mission),)))

        await written(kept, await kept.fork(await kept.head(OWNER), second, BY))
        await saved(kept, owner=second, tools={"crm": 2})

        assert (await restored(await snapshots_on(store), second)).goal == "g"
        assert (await restored(kept, second)).tools == {"crm": 2}

    run(story())


def test_going_back_keeps_what_came_after_on_record():
    async def story():
        kept = await snapshots_on(MemoryStore())
        for number in range(4):
            await saved(kept, goal=number)

        back = await written(kept, await kept.rewind(OWNER, 2, BY))

        assert (back.seq, back.manifest.epoch) == (5, 2)
        assert (await restored(kept)).goal == 1
        assert (await kept.restore(await kept.at(OWNER, 4))).goal == 3
        with pytest.raises(NotFound):
            await kept.rewind(OWNER, 9, BY)

    run(story())


def test_what_a_writer_had_read_is_joined_and_never_forgotten():
    async def story():
        kept = await snapshots_on(MemoryStore())
        await saved(kept, replace(BY, label=Label(trusted=False)), goal="from a web page")
        await saved(kept, replace(BY, label=Label(confidentiality=Confidentiality.CONFIDENTIAL)), tools={"a": 1})

        head = await kept.head(OWNER)

        assert head.manifest.label == Label(trusted=False, confidentiality=Confidentiality.CONFIDENTIAL)

    run(story())


def test_a_head_that_was_turned_to_another_snapshot_is_detected():
    async def story():
        store = MemoryStore()
        kept = await snapshots_on(store)
        first = await saved(kept, goal=1)
        await saved(kept, goal=2)
        told = await store.record("state-head", OWNER.key)

        await store.commit(Commit((), (PutRecord("state-head", OWNER.key, {**told, "manifest": first.cid}),)))

        with pytest.raises(StoreCorrupted, match="does not give the hash"):
            await kept.head(OWNER)

    run(story())


def test_where_the_missions_key_is_gone_nothing_is_restored():
    async def story():
        store = MemoryStore()
        await saved(await snapshots_on(store), goal="secret")

        await store.commit(Commit((), (PutRecord("key", MISSION, None),)))

        with pytest.raises(NotFound, match="no key"):
            await Snapshots(Vault(KeyRing(b"k" * 32), store), store, store).head(OWNER)

    run(story())
