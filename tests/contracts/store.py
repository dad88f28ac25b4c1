"""What every store must hold to; a subclass for each adapter says how it is opened."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import orjson
import pytest

from remit.errors import (
    BudgetExhausted,
    DriverReplaced,
    FactExists,
    MissionEnded,
    NoBudget,
    RemitError,
    StreamMoved,
)
from remit.ids import StreamId
from remit.ledger import (
    GENESIS,
    Balance,
    Commit,
    Draft,
    MoveBalance,
    OpenBalance,
    PutBlob,
    PutRecord,
    Store,
)

_BOUND_SECONDS = 30.0
MISSION = StreamId("mission/m-1")
OTHER = StreamId("mission/m-2")

Story = Callable[[Store], Awaitable[Any]]


def a_draft(
    stream: str = MISSION,
    kind: str = "thing.happened",
    *,
    fact: str | None = None,
    pins: StreamId | None = None,
    closes: bool = False,
    **payload: Any,
) -> Draft:
    return Draft(StreamId(stream), kind, payload, "remit", 1_000_000, fact=fact, pins=pins, closes=closes)


def an_entry(stream: str = MISSION, **fields: Any) -> Commit:
    """A commit of one entry."""
    return Commit((a_draft(stream, **fields),))


def writes(*wanted: Any) -> Commit:
    return Commit((), wanted)


async def outcomes(store: Store, *commits: Commit) -> list[Any]:
    """What becomes of commits that are handed over at the same instant."""
    return await asyncio.gather(*(store.commit(commit) for commit in commits), return_exceptions=True)


class StoreContract(ABC):
    """Subclass it, and name the subclass `Test...`."""

    @abstractmethod
    def open(self) -> Store:
        """A store; a new one at the first call, later ones open the same where it outlives the process."""

    #: Whether a second `open` finds what the first one wrote.
    lasting = True

    def run(self, story: Story) -> Any:
        """Tell a story on one store, and never wait for ever."""

        async def told() -> Any:
            store = self.open()
            try:
                return await asyncio.wait_for(story(store), _BOUND_SECONDS)
            finally:
                await store.close()

        return asyncio.run(told())

    def run_again(self, story: Story) -> Any:
        """Tell a story on the store after it was closed and opened again."""
        if not self.lasting:
            pytest.skip("this store ends with its process")
        return self.run(story)

    # --- entries

    def test_entries_are_numbered_from_one_and_each_continues_the_one_before(self):
        async def story(store: Store) -> None:
            for place in range(3):
                await store.commit(an_entry(place=place))

            entries = await store.read(MISSION)

            assert [entry.seq for entry in entries] == [1, 2, 3]
            assert [entry.prev for entry in entries] == [GENESIS, entries[0].hash, entries[1].hash]
            assert [entry.payload["place"] for entry in entries] == [0, 1, 2]

        self.run(story)

    def test_commits_at_the_same_time_leave_no_gap_and_no_double(self):
        async def story(store: Store) -> None:
            streams = [f"mission/m-{n % 5}" for n in range(100)]

            placed = await outcomes(store, *(an_entry(stream, n=n) for n, stream in enumerate(streams)))

            assert sorted(entry.idx for (entry,) in placed) == list(range(1, 101))
            for stream in set(streams):
                entries = await store.read(StreamId(stream))
                assert [entry.seq for entry in entries] == list(range(1, 21))
                assert all(one.hash == next_one.prev for one, next_one in pairwise(entries))

        self.run(story)

    def test_the_answer_to_a_commit_is_what_can_be_read_afterwards(self):
        async def story(store: Store) -> None:
            answered = await store.commit(Commit((a_draft(n=1), a_draft(OTHER, n=2, fact="once"))))

            assert list(answered) == [*await store.read(MISSION), *await store.read(OTHER)]

        self.run(story)

    def test_an_unknown_stream_has_no_entries(self):
        async def story(store: Store) -> None:
            assert list(await store.read(MISSION)) == []
            assert list(await store.read_prefix("mission/")) == []
            assert list(await store.rows()) == []

        self.run(story)

    def test_a_pin_names_the_head_after_the_earlier_entries_of_the_same_commit(self):
        async def story(store: Store) -> None:
            step = StreamId("step/m-1/plan/1")
            await store.commit(an_entry(step))

            inner, outer = await store.commit(Commit((a_draft(step), a_draft(MISSION, pins=step))))

            assert outer.pinned == (step, 2, inner.hash)

        self.run(story)

    def test_a_pin_of_a_stream_that_never_began_is_its_genesis(self):
        async def story(store: Store) -> None:
            (entry,) = await store.commit(an_entry(pins=OTHER))

            assert entry.pinned == (OTHER, 0, GENESIS)

        self.run(story)

    def test_rows_are_byte_for_byte_what_was_hashed(self):
        async def story(store: Store) -> None:
            written = await store.commit(Commit((a_draft(text="ä\u2028 \U0001f600"), a_draft(OTHER, pins=MISSION))))

            rows = await store.rows()

            assert [(idx, digest) for idx, _, digest in rows] == [(entry.idx, entry.hash) for entry in written]
            for _, canonical, digest in rows:
                assert sha256(b"\x00" + canonical).hexdigest() == digest
                assert orjson.dumps(orjson.loads(canonical), option=orjson.OPT_SORT_KEYS) == canonical

        self.run(story)

    def test_everything_is_there_after_the_store_was_opened_again(self):
        async def write(store: Store) -> Any:
            await store.commit(
                Commit(
                    (a_draft(fact="once"), a_draft(OTHER, closes=True)),
                    (PutRecord("t", "k", [1]), PutBlob("m-1", "c", b"body"), OpenBalance("b", 10)),
                )
            )
            await store.commit(writes(MoveBalance("b", used=3, held=4)))
            return await store.take("first"), await store.rows()

        epoch, rows = self.run(write)

        async def look(store: Store) -> None:
            assert await store.rows() == rows
            assert await store.record("t", "k") == [1]
            assert await store.blob("m-1", "c") == b"body"
            assert await store.balance("b") == Balance("b", 10, 3, 4)
            (entry,) = await store.commit(an_entry())
            assert (entry.seq, entry.idx, entry.prev) == (2, 3, (await store.read(MISSION))[0].hash)
            with pytest.raises(MissionEnded):
                await store.commit(Commit(open=(OTHER,)))
            with pytest.raises(FactExists):
                await store.commit(an_entry(fact="once"))
            assert await store.take("second") == epoch + 1

        self.run_again(look)

    # --- paging

    def test_reading_goes_on_after_a_place_and_stops_at_the_limit(self):
        async def story(store: Store) -> None:
            for _ in range(5):
                await store.commit(an_entry())

            pages = [[entry.seq for entry in await store.read(MISSION, after=a, limit=2)] for a in range(6)]

            assert pages == [[1, 2], [2, 3], [3, 4], [4, 5], [5], []]

        self.run(story)

    def test_a_prefix_is_read_in_the_order_of_writing_and_paged_at_every_boundary(self):
        async def story(store: Store) -> None:
            for stream in ("step/m-1/b/1", "step/m-10/a/1", "step/m-1/a/1", "mission/m-1", "step/m-1/b/1"):
                await store.commit(an_entry(stream))

            everything = [entry.idx for entry in await store.read_prefix("")]
            ours = [entry.idx for entry in await store.read_prefix("step/m-1/")]
            pages = [[e.idx for e in await store.read_prefix("step/m-1/", after_idx=a, limit=2)] for a in range(6)]

            assert everything == [1, 2, 3, 4, 5]
            assert ours == [1, 3, 5]
            assert pages == [[1, 3], [3, 5], [3, 5], [5], [5], []]

        self.run(story)

    def test_a_whole_kind_of_streams_is_read_in_the_order_of_writing_too(self):
        async def story(store: Store) -> None:
            for stream in ("step/m-2/b/1", "mission/m-1", "step/m-1/a/1", "tenant/t", "step/m-2/b/1"):
                await store.commit(an_entry(stream))

            kind = [[e.idx for e in await store.read_prefix("step/", after_idx=a, limit=2)] for a in range(6)]

            assert kind == [[1, 3], [3, 5], [3, 5], [5], [5], []]

        self.run(story)

    def test_a_prefix_is_text_and_no_pattern(self):
        async def story(store: Store) -> None:
            for stream in ("a%b", "axb", "a_b", "A_b"):
                await store.commit(an_entry(stream))

            assert [entry.stream for entry in await store.read_prefix("a%")] == ["a%b"]
            assert [entry.stream for entry in await store.read_prefix("a_")] == ["a_b"]

        self.run(story)

    def test_rows_are_paged_by_their_place(self):
        async def story(store: Store) -> None:
            for _ in range(5):
                await store.commit(an_entry())

            pages = [[idx for idx, _, _ in await store.rows(after_idx=a, limit=2)] for a in range(6)]

            assert pages == [[1, 2], [2, 3], [3, 4], [4, 5], [5], []]

        self.run(story)

    # --- facts

    def test_a_fact_is_recorded_once_in_its_stream(self):
        async def story(store: Store) -> None:
            await store.commit(an_entry(fact="end/plan"))

            with pytest.raises(FactExists):
                await store.commit(an_entry(fact="end/plan"))
            await store.commit(an_entry(OTHER, fact="end/plan"))

            assert len(await store.read(MISSION)) == 1

        self.run(story)

    def test_of_two_equal_facts_at_the_same_time_one_is_recorded(self):
        async def story(store: Store) -> None:
            first, second, third = await outcomes(
                store, an_entry(fact="claim", by=1), an_entry(fact="claim", by=2), an_entry(by=3)
            )

            assert [entry.payload["by"] for entry in await store.read(MISSION)] == [1, 3]
            assert isinstance(second, FactExists)
            assert (first[0].seq, third[0].seq) == (1, 2)

        self.run(story)

    def test_a_commit_that_says_the_same_fact_twice_is_refused_alone(self):
        async def story(store: Store) -> None:
            before, twice, after = await outcomes(
                store, an_entry(), Commit((a_draft(fact="once"), a_draft(fact="once"))), an_entry(OTHER)
            )

            assert isinstance(twice, FactExists)
            assert not isinstance(before, Exception)
            assert not isinstance(after, Exception)
            assert len(await store.rows()) == 2

        self.run(story)

    # --- decisions

    def test_a_decision_on_an_older_head_is_refused(self):
        async def story(store: Store) -> None:
            await store.commit(Commit((a_draft(),), expect=((MISSION, 0),)))

            for stale in (0, 2):
                with pytest.raises(StreamMoved):
                    await store.commit(Commit((a_draft(),), expect=((MISSION, stale),)))
            await store.commit(Commit((a_draft(),), expect=((MISSION, 1), (OTHER, 0))))

            assert len(await store.read(MISSION)) == 2

        self.run(story)

    def test_a_stream_that_is_only_expected_is_looked_at_inside_the_transaction(self):
        halts = StreamId("halts/default")

        async def story(store: Store) -> None:
            def intent() -> Commit:
                return Commit((a_draft(),), expect=((halts, 0),))

            halt = Commit((a_draft(stream=halts),))

            # All in one group, where the store has groups: what stands before the halt is taken, the rest is not.
            taken = await outcomes(store, intent(), halt, intent(), intent())

            assert [isinstance(one, StreamMoved) for one in taken] == [False, False, True, True]
            with pytest.raises(StreamMoved):
                await store.commit(intent())
            await store.commit(replace(intent(), expect=((halts, 1),)))
            assert len(await store.read(MISSION)) == 2

        self.run(story)

    def test_of_two_decisions_on_one_head_one_is_taken(self):
        async def story(store: Store) -> None:
            decision = Commit((a_draft(),), expect=((MISSION, 0),))

            taken = await outcomes(store, decision, decision, decision)

            assert [isinstance(one, StreamMoved) for one in taken] == [False, True, True]

        self.run(story)

    # --- epochs

    def test_an_epoch_that_is_over_is_refused_and_its_facts_are_taken(self):
        async def story(store: Store) -> None:
            first = await store.take("a")
            second = await store.take("b")

            with pytest.raises(DriverReplaced):
                await store.commit(Commit((a_draft(),), epoch=first))
            await store.commit(an_entry(fact="outcome"))
            await store.commit(Commit((a_draft(),), epoch=second))

            assert second == first + 1
            assert [entry.fact for entry in await store.read(MISSION)] == ["outcome", None]

        self.run(story)

    def test_an_epoch_that_nobody_took_yet_is_refused(self):
        async def story(store: Store) -> None:
            with pytest.raises(DriverReplaced):
                await store.commit(Commit((a_draft(),), epoch=7))

        self.run(story)

    def test_each_lease_counts_for_itself(self):
        async def story(store: Store) -> None:
            mine, theirs = await store.take("me", "mission/m-1"), await store.take("them", "mission/m-2")
            with pytest.raises(DriverReplaced):
                await store.commit(Commit((a_draft(),), epoch=mine))
            later = await store.take("another", "mission/m-1")
            with pytest.raises(DriverReplaced):
                await store.commit(Commit((a_draft(),), epoch=mine, lease="mission/m-1"))
            await store.commit(Commit((a_draft(),), epoch=theirs, lease="mission/m-2"))
            await store.commit(Commit((a_draft(),), epoch=later, lease="mission/m-1"))

            assert (mine, theirs, later) == (1, 1, 2)
            assert len(await store.read(MISSION)) == 2

        self.run(story)

    def test_a_commit_under_two_leases_is_refused_when_either_is_over(self):
        async def story(store: Store) -> None:
            one, two = await store.take("me", "mission/m-1"), await store.take("me", "session/m-1")
            both = Commit((a_draft(),), epoch=one, lease="mission/m-1", also=(("session/m-1", two),))
            await store.commit(both)
            await store.take("them", "session/m-1")
            with pytest.raises(DriverReplaced):
                await store.commit(both)
            await store.commit(replace(both, also=(("session/m-1", two + 1),)))
            await store.take("them", "mission/m-1")
            with pytest.raises(DriverReplaced):
                await store.commit(replace(both, also=(("session/m-1", two + 1),)))
            with pytest.raises(DriverReplaced):
                await store.commit(Commit((a_draft(),), also=(("session/m-1", two),)))

            assert len(await store.read(MISSION)) == 2

        self.run(story)

    # --- closed streams

    def test_a_closed_stream_takes_facts_but_no_claims_or_intents(self):
        async def story(store: Store) -> None:
            await store.commit(an_entry(closes=True))

            with pytest.raises(MissionEnded):
                await store.commit(Commit((a_draft("step/m-1/plan/1"),), open=(MISSION,)))
            await store.commit(an_entry(fact="a late outcome"))
            with pytest.raises(MissionEnded):
                await store.commit(Commit((a_draft(OTHER),), open=(OTHER, MISSION)))

            assert len(await store.rows()) == 2

        self.run(story)

    def test_what_comes_after_the_closing_entry_at_the_same_time_is_refused(self):
        async def story(store: Store) -> None:
            _, claim = await outcomes(store, an_entry(closes=True), Commit((a_draft(),), open=(MISSION,)))

            assert isinstance(claim, MissionEnded)

        self.run(story)

    # --- balances

    def test_a_balance_never_holds_more_than_its_limit(self):
        async def story(store: Store) -> None:
            await store.commit(writes(OpenBalance("b", 10)))
            await store.commit(writes(MoveBalance("b", held=6)))

            with pytest.raises(BudgetExhausted):
                await store.commit(writes(MoveBalance("b", held=5)))
            await store.commit(writes(MoveBalance("b", held=4)))
            with pytest.raises(BudgetExhausted):
                await store.commit(writes(MoveBalance("b", used=1)))
            await store.commit(writes(MoveBalance("b", used=6, held=-6)))

            assert await store.balance("b") == Balance("b", 10, used=6, held=4)

        self.run(story)

    def test_of_two_holds_at_the_same_time_that_do_not_both_fit_one_is_given(self):
        async def story(store: Store) -> None:
            await store.commit(writes(OpenBalance("b", 10)))

            first, second, third = await outcomes(
                store,
                writes(MoveBalance("b", held=6)),
                writes(MoveBalance("b", held=6)),
                writes(MoveBalance("b", held=4)),
            )

            assert (first, third) == ((), ())
            assert isinstance(second, BudgetExhausted)
            assert await store.balance("b") == Balance("b", 10, used=0, held=10)

        self.run(story)

    def test_a_path_of_balances_is_held_as_a_whole_or_not_at_all(self):
        async def story(store: Store) -> None:
            await store.commit(writes(OpenBalance("agent", 100), OpenBalance("tenant", 10)))

            with pytest.raises(BudgetExhausted):
                await store.commit(writes(MoveBalance("agent", held=11), MoveBalance("tenant", held=11)))

            assert await store.balance("agent") == Balance("agent", 100, 0, 0)

        self.run(story)

    def test_a_balance_that_was_never_opened_holds_nothing(self):
        async def story(store: Store) -> None:
            with pytest.raises(NoBudget):
                await store.commit(writes(MoveBalance("b", held=1)))

            assert await store.balance("b") is None

        self.run(story)

    def test_a_limit_can_be_set_anew_but_not_below_what_is_used_and_held(self):
        async def story(store: Store) -> None:
            await store.commit(writes(OpenBalance("b", 10), MoveBalance("b", used=3, held=4)))

            with pytest.raises(BudgetExhausted):
                await store.commit(writes(OpenBalance("b", 6)))
            await store.commit(writes(OpenBalance("b", 7)))

            assert await store.balance("b") == Balance("b", 7, 3, 4)

        self.run(story)

    # --- members of a group

    def test_a_refused_member_leaves_no_trace_and_fails_no_other(self):
        async def story(store: Store) -> None:
            await store.commit(writes(OpenBalance("b", 1)))
            refused = Commit(
                (a_draft(fact="once"), a_draft(OTHER, closes=True)),
                (PutRecord("t", "k", 1), PutBlob("m-1", "c", b"x"), OpenBalance("new", 5), MoveBalance("b", held=2)),
            )

            before, no, after = await outcomes(store, an_entry(n=1), refused, an_entry(n=2, fact="once"))

            assert isinstance(no, BudgetExhausted)
            assert (before[0].seq, after[0].seq) == (1, 2)
            assert await store.record("t", "k") is None
            assert await store.blob("m-1", "c") is None
            assert await store.balance("new") is None
            assert list(await store.read(OTHER)) == []
            await store.commit(Commit(open=(OTHER,)))

        self.run(story)

    def test_a_commit_that_is_no_json_is_the_callers_own_mistake(self):
        async def story(store: Store) -> None:
            for broken in (an_entry(value=object()), Commit((a_draft(),), (PutRecord("t", "k", object()),))):
                with pytest.raises(TypeError):
                    await store.commit(broken)
            await store.commit(an_entry())

            assert [entry.seq for entry in await store.read(MISSION)] == [1]

        self.run(story)

    def test_a_caller_who_leaves_takes_nobody_else_along(self):
        async def story(store: Store) -> None:
            waiting = [asyncio.create_task(store.commit(an_entry(n=n))) for n in range(3)]
            await asyncio.sleep(0)
            waiting[1].cancel()

            results = await asyncio.gather(*waiting, return_exceptions=True)
            await store.commit(an_entry(n=3))

            assert not isinstance(results[0], BaseException)
            assert not isinstance(results[2], BaseException)
            left = [entry.payload["n"] for entry in await store.read(MISSION)]
            assert [n for n in left if n != 1] == [0, 2, 3]

        self.run(story)

    # --- records and bodies

    def test_a_record_is_overwritten_and_removed(self):
        async def story(store: Store) -> None:
            await store.commit(writes(PutRecord("t", "k", {"n": 1})))
            await store.commit(writes(PutRecord("t", "k", {"n": 2}), PutRecord("other", "k", 1)))
            assert await store.record("t", "k") == {"n": 2}

            await store.commit(writes(PutRecord("t", "k", None), PutRecord("t", "never there", None)))

            assert await store.record("t", "k") is None
            assert await store.record("other", "k") == 1

        self.run(story)

    def test_the_last_of_two_records_with_one_key_stands(self):
        async def story(store: Store) -> None:
            await outcomes(
                store, writes(PutRecord("t", "k", 1), PutRecord("t", "k", 2)), writes(PutRecord("t", "k", 3))
            )

            assert await store.record("t", "k") == 3

        self.run(story)

    def test_records_are_found_by_prefix_in_the_order_of_their_keys(self):
        async def story(store: Store) -> None:
            keys = ["b", "a/2", "a/1", "a", "a%", "ä", "\U0001f600"]
            await store.commit(writes(*(PutRecord("t", key, key) for key in keys)))
            await store.commit(writes(PutRecord("u", "a/3", 1)))

            assert [key for key, _ in await store.records("t", "a/")] == ["a/1", "a/2"]
            assert list(await store.records("t")) == [(key, key) for key in sorted(keys)]
            assert list(await store.records("nothing")) == []

        self.run(story)

    def test_balances_that_hold_something_are_found_by_prefix(self):
        async def story(store: Store) -> None:
            for name in ("mission/b", "mission/a", "mission/c", "tenant/t"):
                await store.commit(
                    writes(OpenBalance(name, 10), MoveBalance(name, held=0 if name == "mission/c" else 2))
                )
            await store.commit(writes(MoveBalance("mission/b", held=-2, used=1)))

            assert list(await store.holding("mission/")) == ["mission/a"]
            assert list(await store.holding("")) == ["mission/a", "tenant/t"]

        self.run(story)

    def test_a_body_is_stored_once(self):
        async def story(store: Store) -> None:
            await store.commit(writes(PutBlob("m-1", "c", b"first")))
            await store.commit(writes(PutBlob("m-1", "c", b"second"), PutBlob("m-2", "c", b"third")))

            assert await store.blob("m-1", "c") == b"first"
            assert await store.blob("m-2", "c") == b"third"
            assert await store.blob("m-3", "c") is None

        self.run(story)

    # --- names that are noted once

    def test_a_name_is_noted_once_until_its_time_is_over(self):
        async def story(store: Store) -> None:
            def noted(name: str, now_us: int, space: str = "nonce") -> Any:
                return store.once(space, name, until_us=now_us + 100, now_us=now_us)

            told = [await noted("a", 1000), await noted("a", 1000), await noted("b", 1000), await noted("a", 1000, "t")]
            later = [await noted("a", 1100), await noted("a", 1101), await noted("a", 1101)]

            assert told == [True, False, True, True]
            assert later == [False, True, False]
            assert list(await store.rows()) == []

        self.run(story)

    def test_of_many_who_note_one_name_at_once_one_is_told_that_it_is_new(self):
        async def story(store: Store) -> None:
            told = await asyncio.gather(
                *(store.once("nonce", f"n{n % 5}", until_us=9_000, now_us=1_000) for n in range(50))
            )

            assert sum(told) == 5

        self.run(story)

    def test_a_name_that_another_opener_noted_is_noted_here_and_after_a_restart(self):
        if not self.lasting:
            pytest.skip("nobody else can look into this process")

        async def story(store: Store) -> None:
            other = self.open()
            try:
                both = [
                    one.once("nonce", f"n{n}", until_us=9_000, now_us=1_000)
                    for n in range(20)
                    for one in (store, other)
                ]
                told = await asyncio.gather(*both)
            finally:
                await other.close()
            again = self.open()
            try:
                after = await again.once("nonce", "n1", until_us=9_000, now_us=1_000)
            finally:
                await again.close()

            assert sum(told) == 20
            assert not after

        self.run(story)

    # --- other writers

    def test_ones_own_writes_are_no_change(self):
        async def story(store: Store) -> None:
            await store.commit(an_entry())
            await store.take("me")

            assert not await store.changed()

        self.run(story)

    def test_another_openers_writes_are_a_change_that_is_told_once(self):
        if not self.lasting:
            pytest.skip("nobody else can look into this process")

        async def story(store: Store) -> None:
            other = self.open()
            try:
                await store.commit(an_entry(by="me"))
                await other.commit(an_entry(by="other"))
                told = [await store.changed(), await store.changed()]
                (entry,) = await store.commit(an_entry(by="me"))
            finally:
                await other.close()

            assert told == [True, False]
            assert entry.seq == 3

        self.run(story)

    def test_a_lease_taken_by_another_opener_ends_ones_epoch(self):
        if not self.lasting:
            pytest.skip("nobody else can look into this process")

        async def story(store: Store) -> None:
            mine = await store.take("me")
            other = self.open()
            try:
                theirs = await other.take("other")
                with pytest.raises(DriverReplaced):
                    await store.commit(Commit((a_draft(),), epoch=mine))
                await other.commit(Commit((a_draft(),), epoch=theirs))
            finally:
                await other.close()

        self.run(story)

    def test_what_another_opener_wrote_to_ones_own_stream_counts(self):
        if not self.lasting:
            pytest.skip("nobody else can look into this process")

        async def story(store: Store) -> None:
            other = self.open()
            try:
                await store.commit(an_entry(fact="mine"))
                (theirs,) = await other.commit(an_entry(fact="theirs"))
                for one in (store, other):
                    for fact in ("mine", "theirs"):
                        with pytest.raises(FactExists):
                            await one.commit(an_entry(fact=fact))
                (mine,) = await store.commit(an_entry(fact="new"))
            finally:
                await other.close()

            assert (theirs.seq, mine.seq, mine.prev) == (2, 3, theirs.hash)

        self.run(story)

    def test_two_openers_spend_one_balance(self):
        if not self.lasting:
            pytest.skip("nobody else can look into this process")

        async def story(store: Store) -> None:
            await store.commit(writes(OpenBalance("b", 10)))
            other = self.open()
            try:
                holds = [one.commit(writes(MoveBalance("b", held=1))) for _ in range(10) for one in (store, other)]
                given = await asyncio.gather(*holds, return_exceptions=True)
            finally:
                await other.close()

            assert [type(no) for no in given if isinstance(no, RemitError)] == [BudgetExhausted] * 10
            assert await store.balance("b") == Balance("b", 10, 0, 10)

        self.run(story)

    def test_heads_tell_which_streams_were_written_after_a_place(self):
        async def story(store: Store) -> None:
            assert (await store.place(), await store.heads("mission/")) == (0, [])
            await store.commit(an_entry())
            place = await store.place()
            for _ in range(2):
                await store.commit(an_entry(OTHER))
            await store.commit(an_entry("step/m-1/a/1"))

            assert await store.heads("mission/") == [(MISSION, 1), (OTHER, 2)]
            assert await store.heads("mission/", after_idx=place) == [(OTHER, 2)]
            assert await store.heads("mission/", after_idx=await store.place()) == []
            assert await store.place() == place + 3

        self.run(story)

    def test_closing_writes_what_was_accepted(self):
        async def story(store: Store) -> None:
            late = asyncio.create_task(store.commit(an_entry()))
            await asyncio.sleep(0)
            await store.close()

            assert [entry.seq for entry in await late] == [1]

        async def told() -> None:
            await asyncio.wait_for(story(self.open()), _BOUND_SECONDS)

        asyncio.run(told())
