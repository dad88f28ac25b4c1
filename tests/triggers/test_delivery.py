"""Events for missions that wait: by a trigger, or by a person, and what becomes of one that nobody waits for."""

import pytest
from tests.control_plane.builders import me
from tests.triggers.builders import Clock, a_home, events_of, run, signed
from tests.triggers.test_hooks import post
from tests.triggers.test_people import ask

AGENT = """\
apiVersion: remit/v1
kind: Agent
name: waits
version: 1.0.0
skills: [{name: waits, description: waits for a payment}]
run: {python: "tests.triggers.waiting:plan"}
---
apiVersion: remit/v1
kind: Workflow
name: waits
start: waits
budget: {amount: "1.00", currency: USD}
"""
DELIVER = {"submit": None, "deliver": {"event": "payment.received"}}
PAID = {"reference": "RE-17", "amount": "12.00"}


@pytest.fixture
def story(tmp_path):
    """Run a story in which a mission waits for the payment of RE-17."""

    def told(work, **fields):
        async def whole():
            async with a_home(tmp_path, clock=Clock(), files=[("a.yaml", AGENT)], **{**DELIVER, **fields}) as plane:
                mission = await plane.missions.submit("waits", {"reference": "RE-17"}, me(plane))
                rest = await plane.missions.drive(mission, me(plane))
                assert not rest["ended"]
                await work(plane, mission)

        return run(whole())

    return told


async def ends(plane, mission):
    return (await plane.missions.drive(mission, me(plane)))["ended"]


async def paid(plane, mission):
    shown = await plane.missions.show(mission, me(plane), bodies=True)
    (step,) = [step for step in shown["steps"] if step["id"] == "paid"]
    return step["output"]


def test_a_signed_event_lets_the_mission_go_on_that_waits_for_it_once(story):
    async def work(plane, mission):
        first, again = [await post(plane, *signed(PAID)) for _ in range(2)]

        assert (first.json()["fate"], again.json()["fate"]) == ("taken", "duplicate")
        assert await ends(plane, mission)
        assert await paid(plane, mission) == PAID
        (row,) = await events_of(plane)
        assert (row["fate"], row["missions"], row["duplicates"]) == ("taken", [mission], 1)

    story(work)


def test_an_event_that_comes_before_anybody_waits_is_refused_and_taken_when_it_comes_again(story):
    async def work(plane, mission):
        other = {**PAID, "reference": "RE-18"}
        early = await post(plane, *signed(other))
        assert (early.status_code, early.json()["code"]) == (409, "nobody_waits")

        later = await plane.missions.submit("waits", {"reference": "RE-18"}, me(plane))
        await plane.missions.drive(later, me(plane))
        again = await post(plane, *signed(other))

        assert again.json()["fate"] == "taken"
        assert await ends(plane, later)
        assert not await ends(plane, mission)

    story(work)


def test_an_event_for_a_mission_that_has_ended_is_refused_and_changes_nothing(story):
    async def work(plane, mission):
        await plane.missions.cancel(mission, me(plane))
        before = await plane.missions.events(mission, me(plane))
        named = await post(plane, *signed({**PAID, "mission": mission}))
        nowhere = await post(plane, *signed({**PAID, "mission": "msn-none"}, name="b"))
        number = await post(plane, *signed({**PAID, "mission": 7}, name="c"))

        assert (named.status_code, named.json()["code"]) == (409, "nobody_waits")
        assert "cancelled" in named.json()["detail"]
        assert [nowhere.status_code, number.status_code] == [404, 400]
        assert await plane.missions.events(mission, me(plane)) == before

    story(work, deliver={"event": "payment.received", "mission": "event.body.mission"})


@pytest.mark.parametrize(("verified", "known"), [([], 0), (["event.body.reference"], 1)], ids=["nothing", "reference"])
def test_what_a_delivered_event_says_is_trusted_as_far_as_the_trigger_vouches_for_it(story, verified, known):
    async def work(plane, mission):
        await post(plane, *signed(PAID))
        (occurred,) = [
            event for event in await plane.core.store.read(f"mission/{mission}") if event.kind == "event.occurred"
        ]

        assert occurred.payload["trusted"] is False
        assert len(occurred.payload["known"]) == known
        assert occurred.payload["source"] == "trigger/orders"

    story(work, verified=verified)


def test_a_person_tells_their_own_mission_and_nobody_elses(story):
    async def work(plane, mission):
        olga = "apiVersion: remit/v1\nkind: Principal\nname: olga\nroles: [operator]\n"
        await plane.resources.apply([("olga.yaml", olga)], me(plane))
        event = {"mission": mission, "name": "payment.received", "id": "p-1", "body": PAID}
        foreign = await ask(plane, "POST", "/events", event, by="olga")
        unclear = await ask(plane, "POST", "/events", {**event, "trigger": "orders"})
        other = await ask(plane, "POST", "/events", {**event, "name": "payment.refused"})
        first, again = [await ask(plane, "POST", "/events", event) for _ in range(2)]

        assert [foreign.status_code, unclear.status_code, other.status_code] == [403, 422, 409]
        assert (first.json()["fate"], again.json()["fate"]) == ("taken", "duplicate")
        assert await ends(plane, mission)

    story(work)
