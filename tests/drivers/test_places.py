"""Limits over all processes of a home: a rate is divided among those that use it, places are counted for all."""

import asyncio
import random

import pytest
from tests.gateway.builders import FakeClock, a_tool, run

from remit.adapters.memory import MemoryStore
from remit.drivers import Places, Presence
from remit.drivers.cluster import _Sharing
from remit.drivers.places import places_balance
from remit.errors import Overloaded, RateLimited
from remit.gateway import Admission
from remit.gateway.limits import Asks
from remit.registry import CallLimits


class Process:
    """One process's admission on a store that it shares."""

    def __init__(self, many, name):
        self.many = many
        self.presence = Presence(many.store, name, now=lambda: many.time)
        self.places = Places(many.store, self.presence, name)
        self.admission = Admission(many.clock, _Sharing(self.presence, self.places))

    def asks(self, **limits):
        return Asks("default", "clerk", a_tool("crm__find"), of_tool=CallLimits(**limits))

    async def called(self, **limits):
        """True where a call was let through at once."""
        try:
            async with self.admission.admit(self.asks(**limits)):
                return True
        except RateLimited:
            return False


class Many:
    """Processes, and the time that passes for them."""

    def __init__(self, *names):
        self.store, self.clock, self.time = MemoryStore(), FakeClock(), 100.0
        self.all = [Process(self, name) for name in names]

    async def passed(self, seconds, *living):
        self.time += seconds
        self.clock.move(seconds=seconds)
        for one in living:
            await one.presence._beat()
        for one in living:
            await one.presence._look()

    async def taken(self, name="tool crm__find"):
        await asyncio.sleep(0.05)
        balance = await self.store.balance(places_balance(name))
        return balance.held

    async def ended(self):
        for one in self.all:
            await one.places.end()
            await one.presence.end()


def told(story, *names):
    async def whole():
        many = Many(*names)
        await story(many, *many.all)
        await many.ended()

    run(whole())


def test_two_processes_that_use_one_rate_have_half_of_it_each():
    async def story(many, a, b):
        let = [await one.called(per_second=10, burst=10) for _ in range(50) for one in (a, b)]
        assert sum(let) <= 10 + 5  # `a` was alone until `b` came
        await many.passed(100, a, b)
        let = []
        for _ in range(100):
            await many.passed(0.1, a, b)
            let += [await one.called(per_second=10, burst=10) for _ in range(3) for one in (a, b)]
        assert 10 * 10 <= sum(let) <= 10 * 10 + 10

    told(story, "a", "b")


def test_a_rate_that_no_other_process_uses_is_ones_own():
    async def story(many, a, b):
        await b.called(per_second=1, burst=1)
        assert await a.called(per_second=1, burst=1)
        assert a.presence.sharing("tool crm__find") == 2
        assert a.presence.sharing("agent clerk") == 1
        b.presence._uses.clear()  # as after half a minute
        await many.passed(2, a, b)
        assert a.presence.sharing("tool crm__find") == 1
        await b.called(per_second=1, burst=1)
        await many.passed(2, a, b)
        assert a.presence.sharing("tool crm__find") == 2
        await many.passed(11, a)  # `b` was killed
        assert a.presence.sharing("tool crm__find") == 1

    told(story, "a", "b")


def test_places_are_never_more_than_there_are_whoever_takes_them():
    async def story(many, *processes):
        chance, inside, most = random.Random(7), 0, 0

        async def call(one):
            nonlocal inside, most
            async with one.admission.admit(one.asks(concurrent=3, queue=100)):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(chance.random() / 100)
                inside -= 1

        await asyncio.gather(*(call(processes[n % 3]) for n in range(60)))

        assert most == 3
        assert await many.taken() == 0

    told(story, "a", "b", "c")


def test_a_place_that_another_process_has_is_waited_for_and_the_queue_is_bounded():
    async def story(many, a, b):
        async with a.admission.admit(a.asks(concurrent=1, queue=1)):
            waiting = [asyncio.create_task(b.called(concurrent=1, queue=1)) for _ in range(2)]
            await asyncio.sleep(0.1)
            with pytest.raises(Overloaded):
                await b.called(concurrent=1, queue=1)
            assert not any(one.done() for one in waiting)
        assert await asyncio.gather(*waiting) == [True, True]
        assert await many.taken() == 0

    told(story, "a", "b")


def test_who_leaves_while_waiting_keeps_no_place():
    async def story(many, a, b):
        async with a.admission.admit(a.asks(concurrent=1, queue=5)):
            waiting = asyncio.create_task(b.called(concurrent=1, queue=5))
            await asyncio.sleep(0.1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await many.taken() == 0
        assert await b.called(concurrent=1)
        assert await many.taken() == 0

    told(story, "a", "b")


def test_places_of_a_process_that_died_are_free_again_once():
    async def story(many, a, b, c):
        assert await a.places.enter("tool x", 2)
        assert await a.places.enter("tool x", 2)
        assert not await b.places.enter("tool x", 2)
        await many.passed(11, b, c)

        taken = await asyncio.gather(b.places.enter("tool x", 2), c.places.enter("tool x", 2))
        again = await asyncio.gather(b.places.enter("tool x", 2), c.places.enter("tool x", 2))
        assert [*taken, *again].count(True) == 2
        a.places.leave("tool x")  # it was only slow
        await asyncio.sleep(0.05)
        assert await many.taken("tool x") == 2
        assert not await a.places.enter("tool x", 2)

    told(story, "a", "b", "c")


def test_a_limit_that_was_lowered_holds_as_soon_as_enough_have_left():
    async def story(_, a, b):
        for _ in range(3):
            assert await a.places.enter("tool x", 3)
        assert not await b.places.enter("tool x", 1)
        for _ in range(3):
            a.places.leave("tool x")
        await asyncio.sleep(0.05)
        assert await b.places.enter("tool x", 1)
        assert not await a.places.enter("tool x", 1)

    told(story, "a", "b")
