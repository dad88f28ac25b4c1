"""Steps that wait for time, or for something outside: what wakes them, once, and what does not."""

import pytest
from tests.missions.builders import a_home, a_payment, run

from remit.errors import InvalidInput, NotFound
from remit.ids import MissionId
from remit.ledger import Commit, Draft
from remit.missions import Cancel, OutsideEvent, decide, occur
from remit.missions.parking import LISTENING
from remit.tools import Origin, Role

PAID = {"reference": "RE-17", "amount": 12}


def planner(*steps):
    async def plan(context, _given):
        for step in steps:
            context.propose(**step)

    return plan


def waiting_for_payment(**fields):
    return {"step": "paid", "event": "payment.received", "given": {"reference": "RE-17"}, **fields}


async def a_waiting_home(*steps, **agents):
    home = await a_home(plan=planner(*(steps or (waiting_for_payment(),))), **agents)
    mission = await home.submit()
    rest = await home.drive(mission)
    assert not rest.ended
    return home, mission


async def told(home, event_id="evt-1", *, name="payment.received", body=None, source="trigger/bank", **fields):
    event = OutsideEvent(event_id, name, source, PAID if body is None else body, **fields)
    return await occur(home.door, home.store, home.clock, event)


def test_a_step_waits_for_an_event_without_running_and_gets_what_it_says():
    async def story():
        home, mission = await a_waiting_home()
        assert await home.statuses(mission) == {"paid": "parked", "plan": "succeeded"}

        occurred = await told(home)

        assert (occurred.taken, occurred.missions, occurred.reason) == (True, (mission,), "")
        assert (await home.drive(mission)).ended
        assert await home.output(mission, "paid") == PAID
        assert (await home.step(mission, "paid")).label.trusted is False

    run(story())


def test_the_same_event_again_is_a_duplicate_and_changes_nothing():
    async def story():
        home, mission = await a_waiting_home(waiting_for_payment(), waiting_for_payment(step="again", after=["paid"]))
        await told(home)
        await home.drive(mission)
        before = await home.kinds(mission)

        again = await told(home)

        assert (again.taken, again.reason) == (False, "duplicate")
        assert await home.kinds(mission) == before
        assert (await told(home, "evt-2")).taken

    run(story())


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("payment.received", {"reference": "RE-18"}),
        ("payment.received", {"amount": 12}),
        ("payment.received", {"reference": {"RE-17": 1}}),
        ("payment.received", "RE-17"),
        ("payment.refused", PAID),
    ],
    ids=["other value", "no such field", "no plain value", "no fields", "other name"],
)
def test_an_event_that_says_something_else_is_not_taken(name, body):
    async def story():
        home, mission = await a_waiting_home()
        before = await home.kinds(mission)

        occurred = await told(home, name=name, body=body)

        assert (occurred.taken, occurred.reason) == (False, f"no mission waits for {name}")
        assert await home.kinds(mission) == before

    run(story())


def test_an_event_for_a_mission_is_told_in_which_fields_it_says_something_else():
    async def story():
        home, mission = await a_waiting_home()

        occurred = await told(home, body={"reference": "RE-18"}, mission=mission)

        assert not occurred.taken
        assert occurred.reason == f"the event payment.received must say what {mission} waits for in: reference"

    run(story())


def test_one_event_wakes_every_mission_that_waits_for_it_together():
    async def story():
        home = await a_home(plan=planner(waiting_for_payment()))
        missions = [await home.submit() for _ in range(3)]
        for mission in missions:
            await home.drive(mission)

        occurred = await told(home)

        assert occurred.missions == tuple(sorted(missions))
        for mission in missions:
            assert (await home.drive(mission)).ended

    run(story())


def test_an_event_for_one_mission_wakes_no_other():
    async def story():
        home = await a_home(plan=planner(waiting_for_payment()))
        first, second = await home.submit(), await home.submit()
        await home.drive(first)
        await home.drive(second)

        occurred = await told(home, mission=second)

        assert occurred.missions == (second,)
        assert (await home.step(first, "paid")).status == "parked"

    run(story())


def test_an_event_for_a_mission_that_has_ended_changes_nothing():
    async def story():
        home, mission = await a_waiting_home()
        (event,) = decide(await home.state(mission), Cancel("anna"))
        draft = Draft(f"mission/{mission}", event.kind, event.payload(), "principal:anna", 1, closes=True)
        await home.store.commit(Commit((draft,)))
        before = await home.kinds(mission)

        occurred = await told(home, mission=mission)

        assert (occurred.taken, occurred.reason) == (False, f"{mission} is cancelled")
        assert await home.kinds(mission) == before

    run(story())


def test_an_event_for_a_mission_that_is_not_there_is_not_found():
    async def story():
        home, _ = await a_waiting_home()

        with pytest.raises(NotFound):
            await told(home, mission=MissionId("msn-none"))

    run(story())


@pytest.mark.parametrize(("event_id", "name"), [("", "paid"), ("x" * 501, "paid"), ("1", "Paid!"), ("1", "a/b")])
def test_an_event_without_a_proper_name_is_refused(event_id, name):
    async def story():
        home, _ = await a_waiting_home()

        with pytest.raises(InvalidInput):
            await told(home, event_id, name=name)

    run(story())


def test_an_event_that_comes_before_its_step_is_kept_for_it():
    async def story():
        first = {"step": "first", "timer_seconds": 60}
        home, mission = await a_waiting_home(first, {"step": "paid", "event": "payment.received", "after": ["first"]})

        occurred = await told(home, mission=mission)
        assert occurred.taken
        assert not (await home.drive(mission)).ended
        home.clock.move(seconds=61)

        assert (await home.drive(mission)).ended
        assert await home.output(mission, "paid") == PAID

    run(story())


def test_an_event_is_taken_after_a_restart():
    async def story():
        home, mission = await a_waiting_home()
        after = home.restarted()
        await after.drive(mission)

        assert (await told(after)).taken
        assert (await after.drive(mission)).ended

    run(story())


def test_an_event_that_does_not_come_in_time_fails_its_step():
    async def story():
        home, mission = await a_waiting_home(waiting_for_payment(timeout_seconds=3600))
        home.clock.move(hours=2)

        assert (await home.drive(mission)).ended
        held = await home.step(mission, "paid")
        assert (held.status, held.code) == ("failed", "step_timeout")
        assert await home.store.records(LISTENING) == []
        assert not (await told(home)).taken

    run(story())


def test_nothing_listens_any_more_when_a_mission_has_ended():
    async def story():
        home, mission = await a_waiting_home()
        home.clock.move(hours=169)
        rest = await home.drive(mission)

        assert rest.ended
        assert (await home.state(mission)).code == "deadline_passed"
        assert await home.store.records(LISTENING) == []

    run(story())


def test_a_timer_is_a_row_and_fires_once_when_its_time_has_come():
    async def story():
        home = await a_home(plan=planner({"step": "later", "timer_seconds": 86_400}))
        mission = await home.submit()
        begun_us = int(home.clock.now().timestamp()) * 1_000_000

        rest = await home.drive(mission)
        assert rest.wake_at_us == begun_us + 86_400 * 1_000_000
        home.clock.move(hours=23)
        assert not (await home.restarted().drive(mission)).ended
        home.clock.move(hours=48)

        assert (await home.restarted().drive(mission)).ended
        assert (await home.kinds(mission)).count("step.elapsed") == 1

    run(story())


def test_what_an_event_says_reaches_a_sink_unasked_only_where_its_source_vouches_for_it():
    person = {"payee": Role("payee", "payee", frozenset({Origin.PERSON}))}

    async def pay(context, _given):
        body = (await context.output("paid")).output
        return await context.call("bank__pay", {"payee": body["payee"], "amount": "1"})

    async def story(vouched):
        home = await a_home(
            a_payment(roles=person),
            plan=planner(
                {"step": "paid", "event": "payment.received"}, {"step": "pay", "skill": "pay", "after": ["paid"]}
            ),
            pay=pay,
        )
        mission = await home.submit()
        await home.drive(mission)
        await told(home, body={"payee": "V-9"}, vouched=vouched)
        return await home.drive(mission)

    assert run(story({"payee": "V-9"})).ended
    assert run(story({})).waiting_for_people == 1
