"""The cluster's driver: a lease for each mission, and whoever takes it over fences the other out."""

import asyncio

import pytest
from tests.contracts.test_driving import Alone, Clustered
from tests.gateway.builders import FakeTransport
from tests.missions import builders
from tests.missions.builders import a_home, a_payment, run
from tests.missions.test_life import PAY, a_call, planner

from remit.adapters.sqlite import SqliteStore
from remit.drivers import ClusterDriver
from remit.drivers.left import LeftToDo
from remit.drivers.lines import Lines
from remit.drivers.sweep import SWEEPS_SECONDS, Sweep
from remit.errors import DriverReplaced, SchedulerUnreachable, ToolUnreachable
from remit.gateway import micros_of
from remit.ledger import Commit, PutRecord
from remit.missions import ActiveMission


@pytest.fixture(autouse=True)
def _clustered(monkeypatch):
    monkeypatch.setattr(builders, "HOUSE", Clustered())


async def held_up(work_of):
    """A home whose agent waits at `release`, and its mission, under way in the first of two processes."""
    release, begun = asyncio.Event(), asyncio.Event()

    async def slow(context, given):
        begun.set()
        await release.wait()
        return await work_of(context, given)

    home = await a_home(a_payment(), plan=slow)
    mission = await home.submit(**PAY)
    carried = asyncio.create_task(home.drive(mission))
    await asyncio.wait_for(begun.wait(), 10)
    return home, mission, carried, release


def test_whoever_takes_a_mission_over_fences_out_the_process_that_had_it():
    async def story():
        home, mission, carried, release = await held_up(planner(a_call()))
        other = home.restarted()
        other.agents["plan"] = planner(a_call())
        assert (await other.drive(mission)).ended

        release.set()
        with pytest.raises(DriverReplaced):
            await carried

        assert home.made == ["pay"]

    run(story())


def test_two_processes_carry_two_missions_and_neither_knows_of_the_other():
    async def story():
        home, mission, carried, release = await held_up(planner(a_call()))
        other = home.restarted()
        other.agents["plan"] = planner()
        second = await other.submit()
        assert (await other.drive(second)).ended

        release.set()

        assert (await carried).ended
        assert home.made == ["pay"]
        assert (await home.state(mission)).status == "completed"

    run(story())


def test_a_process_that_drains_ends_its_steps_and_the_mission_goes_on_elsewhere():
    async def story():
        home, mission, carried, release = await held_up(planner(a_call()))
        drained = asyncio.create_task(home.driver.drained())
        await asyncio.sleep(0)
        release.set()
        await drained

        rest = await carried
        state = await home.state(mission)
        assert rest.moves
        assert not rest.ended
        assert state.steps["plan"].status == "succeeded"
        assert home.made == []

        assert (await home.restarted().drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_a_cancelled_carrier_leaves_the_mission_to_the_next():
    async def story():
        home, mission, carried, _ = await held_up(planner(a_call()))
        carried.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carried

        after = home.restarted()
        after.agents["plan"] = planner(a_call())

        assert home.driver.idle
        assert (await after.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_what_another_process_answers_is_seen_while_a_step_is_under_way(tmp_path):
    async def story():
        path = tmp_path / "remit.sqlite"
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()), store=SqliteStore(path))
        mission = await home.submit(**PAY)
        assert not (await home.drive(mission)).ended
        guest = home.restarted()
        guest.store = SqliteStore(path)
        guest._assemble()
        await guest.answer()

        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


class Silent(Alone):
    """A scheduler that loses the first wake-ups."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.asked = 0

    async def wake(self, mission):
        self.asked += 1
        if self.asked <= self.lost:
            raise SchedulerUnreachable
        await super().wake(mission)


def test_a_wake_up_that_the_scheduler_did_not_take_is_repeated_by_the_sweep(monkeypatch):
    async def story():
        monkeypatch.setattr("remit.drivers.cluster.SWEEP_SECONDS", 0.02)
        home = await a_home(a_payment(), plan=planner(a_call()))
        scheduler = Silent(lost=3)
        scheduler.driver = home.driver = ClusterDriver(home.store, home.performer, home._reload, "t", scheduler)
        mission = await home.submit(**PAY)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(home.driver.run(stop))

        while not (await home.state(mission)).status.ended:
            await asyncio.sleep(0.01)

        stop.set()
        await sweeping
        assert scheduler.asked == 4
        assert home.made == ["pay"]

    run(story())


def test_whoever_drives_one_mission_is_told_where_it_stands():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)

        rest = await home.driver.drive(mission)
        assert (rest.ended, rest.waiting_for_people) == (False, 1)
        await home.answer()
        assert (await home.driver.drive(mission)).ended

    run(story())


def test_a_mission_is_not_told_to_wait_by_what_was_listed_before_it_went_on():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        await home.driver.drive(mission)
        listed = await home.store.record("mission", mission)
        active = await ActiveMission.load(mission, home.store, home.door.vault)
        assert await home.driver._stands(active) is not None

        # Another process has written since, and has not said yet how it left the mission.
        before = {**listed, "version": listed["version"] - 1}
        await home.store.commit(Commit((), (PutRecord("mission", mission, before),)))

        assert await home.driver._stands(active) is None

    run(story())


def test_a_process_that_takes_an_agents_calls_fences_out_nobody_who_drives_the_mission():
    async def story():
        home, mission, carried, release = await held_up(planner(a_call()))
        other = home.restarted()
        active = await other.driver.hold(mission)
        first = other.driver.epoch_of(mission)
        release.set()

        assert (await carried).ended
        assert home.made == ["pay"]
        assert active.id == mission
        assert await other.driver.regain(mission) == first + 1
        await other.driver.stop()

    run(story())


async def swept(home, until):
    """Sweep until this holds; how often the scheduler was asked."""
    scheduler = Silent(lost=0)
    scheduler.driver = home.driver = ClusterDriver(home.store, home.performer, home._reload, "t", scheduler)
    stop = asyncio.Event()
    sweeping = asyncio.create_task(home.driver.run(stop))
    while not await until():
        await asyncio.sleep(0.01)
    stop.set()
    await sweeping
    return scheduler.asked


def test_an_answer_of_which_the_scheduler_was_never_told_is_found_by_the_sweep(monkeypatch):
    async def story():
        monkeypatch.setattr("remit.drivers.cluster.SWEEP_SECONDS", 0.02)
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        assert (await home.drive(mission)).waiting_for_people == 1
        await home.answer()

        async def ended():
            return (await home.state(mission)).status.ended

        assert await swept(home, ended) == 1
        assert home.made == ["pay"]

    run(story())


def test_missions_that_rest_are_left_alone_by_the_sweep(monkeypatch):
    async def story():
        monkeypatch.setattr("remit.drivers.cluster.SWEEP_SECONDS", 0.005)
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        await home.drive(await home.submit(**PAY))
        await home.drive(await home.submit(**PAY))
        new = await home.submit(**PAY)

        async def asked():
            return (await home.store.record("mission", new)).get("waiting_for_people") == 1

        assert await swept(home, asked) == 1

    run(story())


def test_one_process_sweeps_at_a_time_and_another_one_once_it_is_gone():
    async def story():
        home = await a_home(plan=planner())
        mission = await home.submit()
        asked = []

        def sweep(holder):
            async def ensure(one):
                asked.append((holder, one))

            return Sweep(
                home.store, home.clock, holder, ensure, LeftToDo(home.store), Lines(home.store, home.performer)
            )

        first, second = sweep("first"), sweep("second")
        await first.turn()
        await second.turn()
        assert asked == [("first", mission)]
        home.clock.move(seconds=SWEEPS_SECONDS + 1)
        await second.turn()
        await first.turn()

        assert asked == [("first", mission), ("second", mission)]

    run(story())


def test_a_mission_whose_next_try_is_far_away_is_put_down_meanwhile(monkeypatch):
    async def story():
        monkeypatch.setattr("remit.drivers.cluster._PAUSE_MAX_SECONDS", 0.5)
        times = iter([ToolUnreachable("busy"), None])

        async def read(**_):
            if (error := next(times)) is not None:
                raise error
            return {}

        async def plan(context, _given):
            return await context.call("erp__read", {})

        home = await a_home(plan=plan, transport=FakeTransport(read=read))
        mission, begun_us = await home.submit(), micros_of(home.clock.now())

        rest = await home.drive(mission)

        assert (rest.ended, home.driver.idle) == (False, True)
        assert rest.wake_at_us == begun_us + 1_000_000
        home.clock.move(seconds=1)
        assert (await home.drive(mission)).ended

    run(story())
