"""Duties of one process among many: each is had by one, and taken over from one that died."""

import asyncio

import pytest
from tests.gateway.builders import run

from remit.adapters.memory import MemoryStore
from remit.drivers import Duties, Presence, duty_lease
from remit.errors import DriverReplaced
from remit.ledger import Commit

NAMES = ("clock", "subscription/erp", "trigger/orders")


class Many:
    """Processes on one store, and the time that they see pass."""

    def __init__(self, *names):
        self.store = MemoryStore()
        self.time = 100.0
        self.all = {name: self.begun(name) for name in names}

    def begun(self, name):
        return Duties(self.store, Presence(self.store, name, now=lambda: self.time), name)

    async def passed(self, seconds, *living):
        """Time passes, in which these beat."""
        self.time += seconds
        for name in living:
            await self.all[name].presence._beat()

    async def of(self, name, wanted=NAMES):
        return await self.all[name].of(wanted)

    async def ended(self):
        for one in self.all.values():
            await one.presence.end()


def test_a_duty_is_had_by_one_process():
    async def story():
        many = Many("a", "b", "c")
        had = await asyncio.gather(*(many.of(name) for name in many.all))
        for _ in range(3):
            await many.passed(2, "a", "b", "c")
            again = [await many.of(name) for name in many.all]
            assert again == had

        assert sorted(name for one in had for name in one) == sorted(NAMES)
        await many.ended()

    run(story())


def test_what_a_process_had_that_died_another_takes_over_and_the_first_writes_no_more():
    async def story():
        many = Many("a", "b")
        before = await many.of("a")
        await many.of("b")
        await many.passed(9, "b")
        assert await many.of("b") == {}
        await many.passed(2, "b")

        taken = await many.of("b")

        assert taken.keys() == before.keys()
        assert all(taken[name] > before[name] for name in NAMES)
        with pytest.raises(DriverReplaced):
            await many.store.commit(Commit((), (), also=((duty_lease("clock"), before["clock"]),)))
        await many.passed(0, "a")
        assert await many.of("a") == {}
        await many.ended()

    run(story())


def test_what_a_process_had_that_ended_is_taken_at_once():
    async def story():
        many = Many("a", "b")
        await many.of("a")
        await many.of("b")
        await many.all["a"].presence.end()
        await many.passed(1.5, "b")

        assert (await many.of("b")).keys() == set(NAMES)
        await many.ended()

    run(story())


def test_what_nobody_wants_any_more_is_left():
    async def story():
        many = Many("a", "b")
        await many.of("a")
        await many.of("a", ("clock",))
        await many.passed(1.5, "a")

        assert (await many.of("b")).keys() == set(NAMES) - {"clock"}
        await many.ended()

    run(story())


def test_a_process_that_is_seen_for_the_first_time_lives_until_it_was_watched_for_long_enough():
    async def story():
        many = Many("a", "b")
        await many.all["a"].presence.begin()
        b = many.all["b"].presence
        told = [await b.lives(name) for name in ("a", "b", "nobody")]
        await many.passed(9)
        told.append(await b.lives("a"))
        await many.passed(2)
        told.append(await b.lives("a"))
        await many.passed(0, "a")
        await many.passed(2)
        told.append(await b.lives("a"))

        assert told == [True, True, False, True, False, True]
        await many.ended()

    run(story())
