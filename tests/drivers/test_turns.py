"""Whose mission is driven next: no crowd delays anybody else, and what is in memory stays bounded."""

import asyncio
import random

import pytest
from tests.missions.builders import a_home, a_payment, a_person, run
from tests.missions.test_life import PAY, a_call, planner

from remit.drivers import Flow, Turns
from remit.errors import InvalidInput, Overloaded
from remit.missions import Submission, submit
from remit.quantities import Money
from remit.registry import Limits, Workflow


def crowd(turns, *, principal="anna", count=10_000, priority="normal"):
    for number in range(count):
        turns.want(f"{principal}-{priority}-{number}", Flow(principal, priority))


def served(turns, seconds_of=lambda _mission: 1.0, *, until):
    """Drive in virtual time until this mission has had its turn; when that was, and how many were driven before."""
    now, driven, ends = 0.0, 0, []
    while True:
        while (mission := turns.next()) is not None:
            if mission == until:
                return now, driven
            driven += 1
            ends.append((now + seconds_of(mission), mission))
        ends.sort(reverse=True)
        now, mission = ends.pop()
        turns.leave(mission)


def test_ten_thousand_missions_of_one_do_not_delay_anothers_one():
    turns = Turns(places=64)
    crowd(turns)
    before = served(turns, until="anna-normal-100")
    turns.want("oscar", Flow("oscar", "normal"))

    now, driven = served(turns, until="oscar")

    assert before[0] > 0
    assert (now, driven) == (0.0, 0)  # the crowd never has all places
    assert len(turns) > 9_000


def test_a_crowd_whose_missions_take_for_ever_leaves_places_to_others():
    turns = Turns(places=8)
    crowd(turns, count=100)
    driven = []
    while (mission := turns.next()) is not None:
        driven.append(mission)
    assert len(driven) == 6  # three quarters, none of which ever ends

    crowd(turns, principal="oscar", count=1)
    assert turns.next() == "oscar-normal-0"


def test_turns_go_by_principal_and_not_by_how_many_wait():
    turns = Turns(places=1)
    crowd(turns, count=1000)
    crowd(turns, principal="oscar", count=10)

    seen = []
    for _ in range(20):
        mission = turns.next()
        seen.append(mission.split("-")[0])
        turns.leave(mission)

    assert seen.count("oscar") == 10


def test_what_is_urgent_has_more_turns_and_what_is_not_has_some():
    turns = Turns(places=1)
    for priority in ("low", "normal", "high"):
        crowd(turns, count=100, priority=priority)
    order = []
    for _ in range(63):
        mission = turns.next()
        order.append(mission.split("-")[1])
        turns.leave(mission)

    counts = {priority: order.count(priority) for priority in ("low", "normal", "high")}
    assert counts == {"low": 3, "normal": 12, "high": 48}


def test_nobody_is_lost_or_driven_twice_whatever_comes_and_goes():
    chance = random.Random(7)
    turns, waiting, driven = Turns(places=5), set(), set()
    for number in range(3000):
        mission = f"m-{number % 400}"
        if mission not in driven and mission not in waiting and chance.random() < 0.7:
            turns.want(mission, Flow(chance.choice("abc"), chance.choice(["low", "normal", "high"])))
            waiting.add(mission)
        if chance.random() < 0.5 and (begun := turns.next()) is not None:
            waiting.remove(begun)
            driven.add(begun)
        if driven and chance.random() < 0.5:
            done = chance.choice(sorted(driven))
            driven.remove(done)
            turns.leave(done)
        assert len(driven) <= 5
        assert len(turns) == len(waiting)


# --- in the driver


async def driven(home):
    """The driver's own loop, under way."""
    await home.driver.take_over()
    stop = asyncio.Event()
    return asyncio.create_task(home.driver.run(stop)), stop


def test_a_crowd_of_missions_is_driven_a_few_at_a_time_and_the_guests_comes_first():
    most = under_way = 0
    order = []

    async def story():
        release = asyncio.Event()

        async def plan(_context, given):
            nonlocal most, under_way
            under_way += 1
            most = max(most, under_way)
            order.append(given["who"])
            await release.wait()
            under_way -= 1

        home = await a_home(plan=plan)
        home.driver.turns = Turns(places=4)
        for _ in range(40):
            await home.submit(who="anna")
        task, stop = await driven(home)
        while under_way < 3:
            await asyncio.sleep(0)
        guest = await home.submit(by="oscar", who="oscar")
        home.driver.nudge(guest)
        while "oscar" not in order:
            await asyncio.sleep(0)

        assert order == ["anna"] * 3 + ["oscar"]
        release.set()
        while len(order) < 41 or not home.driver.idle:
            await asyncio.sleep(0.01)
        stop.set()
        await task

    run(story())
    assert most <= 4


def test_missions_that_wait_are_not_kept_in_memory_and_wake_all_the_same(monkeypatch):
    monkeypatch.setattr("remit.drivers.embedded._IDLE_MAX", 3)
    monkeypatch.setattr("remit.drivers.embedded.SWEEP_SECONDS", 0.01)

    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        missions = [await home.submit(**PAY) for _ in range(12)]
        task, stop = await driven(home)
        while len(await home.questions()) < 12 or not home.driver.idle or len(home.driver._active) > 3:
            await asyncio.sleep(0.01)
        home.clock.move(days=8)
        for mission in missions:
            while not (await home.state(mission)).status.ended:
                await asyncio.sleep(0.01)
        stop.set()
        await task

    run(story())


def test_a_driver_that_starts_reads_no_mission_that_only_waits():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        waiting = [await home.submit(**PAY) for _ in range(5)]
        for mission in waiting:
            await home.drive(mission)
        asked = [value for _, value in await home.store.records("approval")]
        answered = next(value for value in asked if value["mission"] == waiting[0])
        await home.answer("reject", approval=answered["id"])  # no driver heard of it
        home = home.restarted()
        task, stop = await driven(home)

        while not (await home.state(waiting[0])).status.ended:
            await asyncio.sleep(0.01)
        assert set(home.driver._active) <= {waiting[0]}
        home.clock.move(days=8)
        for mission in waiting:
            while not (await home.state(mission)).status.ended:
                await asyncio.sleep(0.01)
        stop.set()
        await task

    run(story())


# --- at the door of the house


def a_workflow(**limits):
    return Workflow("work", "", "plan", {"type": "object"}, ("*",), Money.of("1", "USD"), 168, None, Limits(**limits))


def test_a_person_has_a_bounded_number_of_open_missions():
    async def story():
        home = await a_home(plan=planner())
        home.change(people={**home.people, "otto": a_person("otto", "operator")})

        async def one_more(by="anna"):
            asked = Submission(a_workflow(), {}, "rules", open_max=2)
            return await submit(home.door, home.clock, home.ids, home.person(by), asked)

        first, _ = await one_more(), await one_more()
        with pytest.raises(Overloaded) as full:
            await one_more()
        assert (full.value.rule, full.value.retry_after_seconds) == ("missions_open", 60)
        await one_more("otto")

        assert (await home.drive(first)).ended
        await one_more()
        assert len(await home.store.records("mission")) == 4

    run(story())


def test_a_mission_is_as_urgent_as_its_workflow_allows():
    async def story():
        home = await a_home(plan=planner())

        async def asked(urgency, **limits):
            wanted = Submission(a_workflow(**limits), {}, "rules", priority=urgency)
            return await submit(home.door, home.clock, home.ids, home.person("anna"), wanted)

        for priority, limits in (("high", {}), ("urgent", {}), ("normal", {"priority": "low"})):
            with pytest.raises(InvalidInput):
                await asked(priority, **limits)
        mission = await asked("high", priority="high")
        await home.drive(mission)
        assert (await home.store.record("mission", mission))["priority"] == "high"

    run(story())
