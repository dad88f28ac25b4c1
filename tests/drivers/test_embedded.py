"""The embedded driver: takes the lease, keeps missions moving, sees what others wrote, and stops when replaced."""

import asyncio

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, run
from tests.missions.test_crashes import crash_once, crashes, until
from tests.missions.test_life import PAY, a_call, cancel, planner

from remit.adapters.sqlite import SqliteStore
from remit.errors import DriverReplaced, StoreUnreachable
from remit.ledger import Commit, PutRecord
from remit.quantities import Money


async def running(home):
    """The driver's own loop, under way."""
    await home.driver.take_over()
    stop = asyncio.Event()
    return asyncio.create_task(home.driver.run(stop)), stop


async def ended(home, mission):
    """Wait until the mission has ended; the story's bound is the bound."""
    while not (await home.state(mission)).status.ended:
        await asyncio.sleep(0.01)


def test_taking_over_raises_the_epoch_each_time():
    async def story():
        home = await a_home(plan=planner())

        assert [await home.driver.take_over(), await home.restarted().driver.take_over()] == [1, 2]

    run(story())


def test_every_claim_stands_under_the_epoch_of_its_driver():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        await home.drive(mission)
        await home.answer()
        home = home.restarted()
        await home.drive(mission)

        claims = [e.payload["epoch"] for e in await home.store.read(f"mission/{mission}") if e.kind == "step.started"]
        assert claims == [1, 2]

    run(story())


def test_what_was_left_is_taken_up_when_the_driver_starts():
    async def story():
        home = await a_home(plan=planner())
        missions = [await home.submit() for _ in range(5)]
        task, stop = await running(home)

        for mission in missions:
            await ended(home, mission)
        stop.set()
        await task

    run(story())


def test_money_that_a_crash_left_held_for_a_mission_that_has_ended_is_settled_by_the_next_driver():
    async def story():
        tool = a_tool("erp__read", cost=Money.of("1.00", "USD"))
        transport = FakeTransport(read=crash_once())
        home = await a_home(tool, plan=planner(a_call(tool="erp__read", given={"n": 1})), transport=transport)
        mission = await home.submit()
        home = await crashes(home, mission)
        await cancel(home, mission)
        ended = {**await home.store.record("mission", mission), "status": "cancelled"}
        await home.store.commit(Commit((), (PutRecord("mission", mission, ended),)))
        assert (await home.store.balance(f"mission/{mission}")).held > 0

        task, stop = await running(home)
        while (await home.store.balance(f"mission/{mission}")).held:
            await asyncio.sleep(0.01)

        stop.set()
        await task
        assert home.made == ["read"]

    run(story())


def test_a_nudge_wakes_a_mission_at_once():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        task, stop = await running(home)
        mission = await home.submit(**PAY)
        home.driver.nudge(mission)
        while not await home.questions():
            await asyncio.sleep(0)
        await home.answer()
        home.driver.nudge(mission)

        await ended(home, mission)
        stop.set()
        await task
        assert home.made == ["pay"]

    run(story())


def test_what_another_process_submits_answers_and_halts_is_seen(tmp_path):
    async def story():
        path = tmp_path / "remit.sqlite"
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()), store=SqliteStore(path))
        task, stop = await running(home)
        guest = home.restarted()
        guest.store = SqliteStore(path)
        guest._assemble()

        mission = await guest.submit(**PAY)
        while not await guest.questions():
            await asyncio.sleep(0.01)
        await guest.answer()
        await ended(guest, mission)

        stop.set()
        await task
        assert home.made == ["pay"]
        await guest.store.close()
        await home.store.close()

    run(story())


def test_what_changed_before_the_lease_was_taken_holds_from_the_first_call_on():
    async def story():
        home = await a_home(a_payment(), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        home.halts = frozenset({"tenant"})  # on record; this process read its controls before

        assert (await home.drive(mission)).halted
        assert home.made == []

    run(story())


def test_a_single_mission_that_is_driven_hears_of_what_another_process_halts(tmp_path):
    async def story():
        async def slow(**_):
            begun.set()
            await asyncio.Event().wait()

        begun = asyncio.Event()
        path = tmp_path / "remit.sqlite"
        tools, transport = a_tool("erp__read"), FakeTransport(read=slow)
        home = await a_home(
            tools, plan=planner(a_call(tool="erp__read", given={"n": 1})), transport=transport, store=SqliteStore(path)
        )
        mission = await home.submit()
        driving = asyncio.create_task(home.drive(mission))
        await begun.wait()

        home.halts = frozenset({"tenant"})
        reload = home.driver.reload

        async def reload_and_cut():
            await reload()
            home.door.cut_halted()

        home.driver.reload = reload_and_cut
        guest = SqliteStore(path)
        await guest.commit(Commit((), (PutRecord("halt", "tenant", {}),)))

        assert (await driving).halted
        await guest.close()
        await home.driver.stop()
        await home.store.close()

    run(story())


def test_an_approval_that_expires_moves_its_mission_without_anybodys_help():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        task, stop = await running(home)
        while not await home.questions():
            await asyncio.sleep(0.01)
        await until_listed(home, mission, "waiting")
        home.clock.move(days=8)

        await ended(home, mission)
        stop.set()
        await task

    run(story())


async def until_listed(home, mission, status):
    while (await home.store.record("mission", mission))["status"] != status:
        await asyncio.sleep(0.01)


def test_a_driver_that_was_replaced_stops():
    async def story():
        home = await a_home(plan=planner())
        await home.submit()
        await home.driver.take_over()
        await home.restarted().driver.take_over()

        with pytest.raises(DriverReplaced):
            await home.driver.run(asyncio.Event())

    run(story())


def test_a_store_that_fails_stops_the_driver():
    async def story():
        home = await a_home(plan=planner())
        await home.submit()
        await home.driver.take_over()

        async def full(_commit):
            raise StoreUnreachable("full")

        home.store.commit = full
        with pytest.raises(StoreUnreachable):
            await home.driver.run(asyncio.Event())

    run(story())


def test_a_mission_that_cannot_be_read_stands_still_and_the_others_go_on():
    async def story():
        home = await a_home(plan=planner())
        broken, sound = await home.submit(), await home.submit()
        home.store._canonical[0] = home.store._canonical[0].replace(b'"seq":1', b'"seq":1 ')
        task, stop = await running(home)

        await ended(home, sound)
        stop.set()
        await task
        assert (await home.store.record("mission", broken))["status"] == "working"

    run(story())


def test_a_mission_that_stands_still_is_told_of_once(caplog, monkeypatch):
    monkeypatch.setattr("remit.drivers.embedded.SWEEP_SECONDS", 0.001)

    async def story():
        home = await a_home(plan=planner())
        broken = await home.submit()
        home.store._canonical[0] = home.store._canonical[0].replace(b'"seq":1', b'"seq":1 ')
        task, stop = await running(home)
        while broken not in caplog.text:
            await asyncio.sleep(0.001)

        await asyncio.sleep(0.02)
        stop.set()
        await task

    run(story())

    assert caplog.text.count("stands still") == 1


def test_stopping_gives_up_what_is_under_way_and_the_next_driver_goes_on():
    async def story():
        begun, release = asyncio.Event(), asyncio.Event()

        async def slow(_context, _given):
            begun.set()
            await release.wait()
            return "done"

        home = await a_home(plan=slow)
        mission = await home.submit()
        task, stop = await running(home)
        await begun.wait()
        stop.set()
        await task
        release.set()

        assert (await home.restarted().drive(mission)).ended
        assert await home.output(mission) == "done"

    run(story())


def test_one_mission_is_driven_once_however_often_it_is_asked_for():
    async def story():
        home = await a_home(plan=planner(a_call()))
        mission = await home.submit(**PAY)
        await home.driver.take_over()

        rests = await asyncio.gather(*(home.driver.drive(mission) for _ in range(5)))

        assert all(rest.ended for rest in rests)
        assert home.made == ["pay"]

    run(story())


def test_a_bounded_number_of_steps_of_one_mission_runs_at_once():
    most = under_way = 0

    async def story():
        async def count(_context, _given):
            nonlocal most, under_way
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

        home = await a_home(plan=planner(*({"step": f"s{n}", "skill": "w", "given": {}} for n in range(12))), w=count)
        home.driver.parallel = 3
        mission = await home.submit()
        await home.drive(mission)

    run(story())
    assert most == 3


def test_where_a_mission_stands_is_listed_after_each_rest():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        seen = [(await home.store.record("mission", mission))["status"]]
        await home.drive(mission)
        seen.append((await home.store.record("mission", mission))["status"])
        await cancel(home, mission)
        await home.drive(mission)
        seen.append((await home.store.record("mission", mission))["status"])

        assert seen == ["working", "waiting", "cancelled"]

    run(story())


def test_an_answer_is_acted_on_while_another_step_of_its_mission_still_runs():
    async def story():
        release = asyncio.Event()

        async def slow(_context, _given):
            await release.wait()

        steps = [a_call(), {"step": "slow", "skill": "slow", "given": {}}]
        home = await a_home(a_payment(tier="critical"), plan=planner(*steps), slow=slow, transport=FakeTransport())
        mission = await home.submit(**PAY)
        await home.driver.take_over()
        driving = asyncio.create_task(home.driver.drive(mission))
        while not await home.questions():
            await asyncio.sleep(0)
        await home.answer()
        home.driver.nudge(mission)

        await asyncio.wait_for(until(lambda: home.made == ["pay"]), 5)
        release.set()
        assert (await driving).ended

    run(story())
