"""Questions that nobody answers: reminders and escalations, over restarts and clocks that jump."""

import asyncio

import pytest
from tests.missions.builders import a_home, a_payment, a_person, open_policy, run
from tests.missions.test_life import PAY, a_call, planner

from remit.errors import RightsExceeded

WAITS = """approval_expires_hours: 144
approval_remind_hours: [24, 48, 96]
approval_escalate_hours: 72
approval_escalate_to: [clara, carl]"""


async def a_home_that_waits(policy=WAITS):
    """A home with one question that is reminded of after one, two and four days, and escalated after three."""
    home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
    home.people = {**home.people, "clara": a_person("clara", "approver"), "carl": a_person("carl", "operator")}
    home.change(policies=[open_policy(f"approvers: [anna]\n{policy}")])
    mission = await home.submit(**PAY)
    assert (await home.drive(mission)).waiting_for_people == 1
    return home, mission


async def noticed(home, mission):
    """What was told of the question so far: reminders by how many were due, escalations by whom they ask."""
    return [
        entry.payload.get("due") or tuple(entry.payload["to"])
        for entry in await home.store.read(f"mission/{mission}")
        if entry.kind in {"approval.reminded", "approval.escalated"}
    ]


def test_those_who_are_asked_are_reminded_and_others_are_asked_in_the_end():
    async def story():
        home, mission = await a_home_that_waits()
        seen = []
        for _ in range(5):
            home.clock.move(days=1, seconds=1)
            rest = await home.drive(mission)
            seen.append(list(await noticed(home, mission)))
            assert rest.wake_at_us > home.clock.now().timestamp() * 1_000_000

        to = ("carl", "clara")
        assert seen == [[1], [1, 1], [1, 1, to], [1, 1, to, 1], [1, 1, to, 1]]
        record = await home.store.record("approval", await home.the_question())
        assert (record["reminders"], record["approvers"]) == (3, ["anna", "carl", "clara"])
        assert record["reminded_at_us"] > record["escalated_at_us"] > 0

    run(story())


def test_parts_of_an_hour_count():
    async def story():
        home, mission = await a_home_that_waits("approval_expires_hours: 0.5\napproval_remind_hours: [0.25]")
        home.clock.move(minutes=14)
        await home.drive(mission)
        assert await noticed(home, mission) == []
        home.clock.move(minutes=2)
        await home.drive(mission)
        assert await noticed(home, mission) == [1]
        home.clock.move(minutes=15)

        assert (await home.drive(mission)).ended

    run(story())


def test_it_is_answered_by_those_to_whom_it_was_escalated_and_by_nobody_else():
    async def story():
        home, mission = await a_home_that_waits()
        with pytest.raises(RightsExceeded):
            await home.answer(by="clara")
        home.clock.move(days=3, seconds=1)
        await home.drive(mission)

        with pytest.raises(RightsExceeded):
            await home.answer(by="carl")  # asked by his name, and without the right to answer
        await home.answer(by="clara")
        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_a_clock_that_jumps_over_several_reminders_reminds_once():
    async def story():
        home, mission = await a_home_that_waits()
        home.clock.move(days=5)
        home = home.restarted()
        await home.drive(mission)
        await home.drive(mission)

        assert await noticed(home, mission) == [3, ("carl", "clara")]
        assert (await home.store.record("approval", await home.the_question()))["reminders"] == 3

    run(story())


def test_a_clock_that_is_set_back_reminds_of_nothing_twice():
    async def story():
        home, mission = await a_home_that_waits()
        home.clock.move(days=3, seconds=1)
        await home.drive(mission)
        told = await noticed(home, mission)
        for _ in range(3):
            home.clock.move(days=-3)
            await home.restarted().drive(mission)
            home.clock.move(days=3, minutes=1)
            await home.restarted().drive(mission)

        assert await noticed(home, mission) == told == [2, ("carl", "clara")]

    run(story())


def test_a_clock_that_jumps_past_the_end_lets_the_question_lapse_and_tells_nobody():
    async def story():
        home, mission = await a_home_that_waits()
        home.clock.move(days=6, seconds=1)
        home = home.restarted()
        await home.driver.take_over()
        await home.driver.drive(mission)

        assert await noticed(home, mission) == []
        assert (await home.step(mission, "pay")).code == "approval_expired"

    run(story())


def test_the_driver_reminds_by_itself_when_the_time_has_come():
    async def story():
        home, mission = await a_home_that_waits()
        home = home.restarted()
        await home.driver.take_over()
        stop = asyncio.Event()
        driving = asyncio.create_task(home.driver.run(stop))
        await asyncio.sleep(0.05)
        home.clock.move(days=1, seconds=1)
        while not await noticed(home, mission):
            await asyncio.sleep(0.01)
        home.clock.move(days=2)
        while len(await noticed(home, mission)) < 3:
            await asyncio.sleep(0.01)
        stop.set()
        await driving

        assert await noticed(home, mission) == [1, 1, ("carl", "clara")]

    run(story())


def test_an_answer_ends_the_reminding():
    async def story():
        home, mission = await a_home_that_waits()
        home.clock.move(days=1, seconds=1)
        await home.answer("reject")
        assert (await home.drive(mission)).ended

        assert await noticed(home, mission) == []

    run(story())
