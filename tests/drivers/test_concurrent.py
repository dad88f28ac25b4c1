"""A workflow that says how many of its missions are driven at once, on every driver: the rest stands in line."""

import asyncio

import pytest
from tests.contracts.test_driving import Clustered
from tests.missions import builders
from tests.missions.builders import House, a_home, a_tool, run

from remit.drivers import ClusterDriver
from remit.ledger import Commit, MoveBalance, PutRecord

TWO_AT_ONCE = """
    name: narrow
    limits: {{concurrent: {0}}}
    steps:
      work: {{skill: work, with: {{number: "${{inputs.number}}"}}}}
"""
WIDE = """
    name: wide
    steps:
      work: {skill: work, with: {number: 0}}
"""
ASKS = """
    name: asks
    limits: {concurrent: 1}
    steps:
      sure: {question: {title: "Sure?"}}
      work: {skill: work, with: {number: 0}, after: [sure]}
"""
ABOVE = """
    name: above
    steps:
      each: {for_each: "${inputs.numbers}", workflow: narrow, with: {number: "${item}"}}
"""


@pytest.fixture(params=["embedded", "cluster"], autouse=True)
def _house(request, monkeypatch):
    monkeypatch.setattr(builders, "HOUSE", House() if request.param == "embedded" else Clustered())


class Desk:
    """Agents whose work lasts until it is let go, and how many were at work at once."""

    def __init__(self):
        self.at_work, self.most, self.begun, self.go = 0, 0, [], asyncio.Event()

    async def work(self, _context, given):
        self.at_work += 1
        self.begun.append(given["number"])
        self.most = max(self.most, self.at_work)
        try:
            await self.go.wait()
            await asyncio.sleep(0.002)
        finally:
            self.at_work -= 1
        return {}


async def a_driven_home(monkeypatch, desk):
    monkeypatch.setattr("remit.drivers.cluster.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("remit.drivers.embedded.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("remit.drivers.sweep.ASKED_SECONDS", 0.05)
    home = await a_home(a_tool("erp__read"), work=desk.work)
    if not isinstance(home.driver, ClusterDriver):
        await home.driver.take_over()
    stop = asyncio.Event()
    return home, asyncio.create_task(home.driver.run(stop)), stop


async def until(true):
    async with asyncio.timeout(20):
        while not await true():
            await asyncio.sleep(0.005)


def all_are(home, missions, status="completed"):
    async def looked():
        return all([(await home.state(one)).status == status for one in missions])

    return looked


async def end(driving, stop):
    stop.set()
    await driving


def test_no_more_missions_of_a_workflow_are_driven_at_once_than_it_says(monkeypatch):
    async def story():
        desk = Desk()
        home, driving, stop = await a_driven_home(monkeypatch, desk)
        home.write(TWO_AT_ONCE.format(2))
        missions = [await home.submit_named("narrow", number=number) for number in range(7)]
        other = await home.submit_written(WIDE)
        for mission in (*missions, other):
            home.driver.nudge(mission)

        async def three():
            return desk.at_work == 3

        await until(three)
        await asyncio.sleep(0.2)
        assert desk.most == 3  # two, and the other workflow's, which is not kept waiting
        told = [await home.driver.queued(mission) for mission in missions]
        assert [one.workflow for one in told if one] == ["narrow"] * 5
        assert {(one.concurrent, one.waiting) for one in told if one} == {(2, 5)}
        assert await home.driver.queued(other) is None

        desk.go.set()
        await until(all_are(home, [*missions, other]))
        assert desk.most == 3
        assert len(desk.begun) == 8
        assert [await home.driver.queued(mission) for mission in missions] == [None] * 7
        await end(driving, stop)

    run(story())


def test_missions_that_wait_for_people_take_no_place(monkeypatch):
    async def story():
        desk = Desk()
        desk.go.set()
        home, driving, stop = await a_driven_home(monkeypatch, desk)
        home.write(ASKS)
        missions = [await home.submit_named("asks") for _ in range(4)]
        for mission in missions:
            home.driver.nudge(mission)

        async def all_ask():
            return len(await home.questions()) == 4

        await until(all_ask)
        for question in await home.questions():
            await home.answer("approve", approval=question)
        for mission in missions:
            home.driver.nudge(mission)
        await until(all_are(home, missions))
        assert desk.most == 1
        await end(driving, stop)

    run(story())


def test_steps_that_begin_missions_of_such_a_workflow_wait_for_their_turn_and_all_end(monkeypatch):
    async def story():
        desk = Desk()
        desk.go.set()
        home, driving, stop = await a_driven_home(monkeypatch, desk)
        home.write(TWO_AT_ONCE.format(1))
        above = await home.submit_written(ABOVE, numbers=list(range(5)))
        home.driver.nudge(above)

        await until(all_are(home, [above]))

        assert sorted(desk.begun) == list(range(5))
        assert desk.most == 1
        await end(driving, stop)

    run(story())


def test_whoever_drives_one_of_them_waits_for_its_turn(monkeypatch):
    async def story():
        desk = Desk()
        home, driving, stop = await a_driven_home(monkeypatch, desk)
        home.write(TWO_AT_ONCE.format(1))
        missions = [await home.submit_named("narrow", number=number) for number in range(3)]
        rests = [asyncio.create_task(home.driver.drive(mission)) for mission in missions]

        async def one():
            return desk.at_work == 1

        await until(one)
        await asyncio.sleep(0.1)
        assert not any(rest.done() for rest in rests)
        desk.go.set()

        assert all([(await rest).ended for rest in rests])
        assert desk.most == 1
        await end(driving, stop)

    run(story())


def test_a_bound_that_is_raised_or_taken_away_holds_at_once(monkeypatch):
    async def story():
        desk = Desk()
        home, driving, stop = await a_driven_home(monkeypatch, desk)
        home.write(TWO_AT_ONCE.format(1))
        missions = [await home.submit_named("narrow", number=number) for number in range(4)]
        for mission in missions:
            home.driver.nudge(mission)

        async def at_work(count):
            async def looked():
                return desk.at_work == count

            await until(looked)

        await at_work(1)
        home.write(TWO_AT_ONCE.format(3))
        await at_work(3)
        home.write(TWO_AT_ONCE.format(1).replace("    limits: {concurrent: 1}\n", ""))
        await at_work(4)
        desk.go.set()
        await until(all_are(home, missions))
        await end(driving, stop)

    run(story())


def test_a_place_stays_the_missions_when_its_process_dies_and_is_given_back_where_that_was_forgotten(monkeypatch):
    async def story():
        monkeypatch.setattr(builders, "HOUSE", Clustered())
        desk = Desk()
        home = await a_home(a_tool("erp__read"), work=desk.work)
        home.write(TWO_AT_ONCE.format(1))
        first, second = [await home.submit_named("narrow", number=number) for number in range(2)]
        carried = asyncio.create_task(home.driver.carry(first))

        async def one():
            return desk.at_work == 1

        await until(one)
        assert (await home.driver.carry(second)).queued
        carried.cancel()  # its process dies
        await asyncio.wait([carried])

        after = home.restarted()
        assert (await after.driver.carry(second)).queued
        desk.go.set()
        listed = await home.store.record("mission_place", first)
        assert (await after.driver.carry(first)).ended
        await until(all_are(home, [second]))
        assert await home.store.records("mission_place") == []

        # A process that died between the mission's end and its leaving: the sweep has the mission looked at once more.
        await home.store.commit(
            Commit((), (PutRecord("mission_place", first, listed), MoveBalance("workflow/narrow", held=1)))
        )
        assert await after.driver._lines.forgotten() == [first]
        assert (await after.driver.carry(first)).ended
        assert await home.store.records("mission_place") == []
        assert (await home.store.balance("workflow/narrow")).held == 0

    run(story())


def test_turns_in_a_line_go_to_whoever_has_fewest_places(monkeypatch):
    async def story():
        monkeypatch.setattr(builders, "HOUSE", Clustered())
        desk = Desk()
        home = await a_home(a_tool("erp__read"), work=desk.work)
        home.write(TWO_AT_ONCE.format(2))
        crowd = [await home.submit_named("narrow", number=number) for number in range(5)]
        guest = await home.submit_named("narrow", by="oscar", number=9)
        carrying = [asyncio.create_task(home.driver.carry(mission)) for mission in crowd[:2]]

        async def two():
            return desk.at_work == 2

        await until(two)
        for mission in (*crowd[2:], guest):
            assert (await home.driver.carry(mission)).queued
        assert await home.driver._lines.next("narrow") == []
        home.write(TWO_AT_ONCE.format(4))

        assert await home.driver._lines.next("narrow") == [guest, crowd[2]]
        for task in carrying:
            task.cancel()
        await asyncio.wait(carrying)

    run(story())
