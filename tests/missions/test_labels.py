"""Labels outlive what they were made for: hand-offs, questions, steps that read from each other, and restarts."""

import pytest
from tests.missions.builders import a_home, a_tool, run
from tests.missions.test_session import Office, restarted

from remit.errors import ApprovalPending
from remit.missions import Provenance, Submission, submit
from remit.missions.events import MissionSubmitted, StepSucceeded
from remit.quantities import Money
from remit.registry import Limits, Workflow
from remit.tools import Confidentiality, Label

SECRET = Confidentiality.CONFIDENTIAL


def some_tools():
    return (
        a_tool("hr__salary", confidentiality=SECRET),
        a_tool("blog__post", tier="restricted-write"),
        a_tool("wiki__page"),
    )


async def plans_a_teller(context, _given):
    """Reads something confidential, and hands on what it made of it."""
    await context.call("hr__salary", {})
    context.propose("tell", skill="teller", given={"text": "salaries rise"})
    context.propose("post", tool="blog__post", given={"text": "salaries rise"})


async def teller(context, given):
    """Has read nothing itself."""
    await context.call("blog__post", {"text": given["text"] + "!"})


def test_an_agent_or_a_call_that_was_handed_something_carries_what_its_giver_had_read():
    async def story():
        home = await a_home(*some_tools(), plan=plans_a_teller, teller=teller)
        mission = await home.submit()
        await home.drive(mission)

        asked = [value for _, value in await home.store.records("approval")]
        assert [value["rules"] for value in asked] == [["flow_clearance"], ["flow_clearance"]]
        assert "post" not in home.made

        for approval in await home.questions():
            await home.answer(approval=approval)
        await home.restarted().drive(mission)
        assert home.made.count("post") == 2

    run(story())


def test_what_a_step_read_from_another_is_joined():
    async def plan(context, _given):
        context.propose("read", tool="hr__salary", given={})
        context.propose("tell", skill="reader", given={}, after=("read",))

    async def reader(context, _given):
        await context.output("read")
        await context.call("blog__post", {"text": "hello"})

    async def story():
        home = await a_home(*some_tools(), plan=plan, reader=reader)
        mission = await home.submit()
        await home.drive(mission)
        assert (await home.statuses(mission))["tell"] == "blocked"
        assert "post" not in home.made
        assert (await home.step(mission, "read")).label == Label(trusted=False, confidentiality=SECRET)

    run(story())


def test_an_agent_outside_carries_what_it_read_before_a_restart():
    async def story():
        office = Office(some_tools())
        session = await office.session()
        await session.call("wiki__page", {})
        await session.call("blog__post", {"text": "one"})
        await session.call("hr__salary", {})

        after = await restarted(office).begun(session.mission)
        with pytest.raises(ApprovalPending) as waits:
            await after.call("blog__post", {"text": "two"})
        assert waits.value.rule == "flow_clearance"

    run(story())


def test_the_end_of_a_step_from_before_confidentiality_was_recorded_is_internal():
    old = {"step": "plan", "attempt": 1, "run": 1, "output": "cid", "trusted": True}

    assert StepSucceeded.upcast(old, 1)["confidentiality"] == "internal"
    assert StepSucceeded.upcast({**old, "confidentiality": "public"}, 2)["confidentiality"] == "public"


async def looks_away(_context, _given):
    """Reads nothing beside its input."""
    return "done"


async def begun_by_a_trigger(home, *, trusted):
    workflow = Workflow("work", "", "plan", {"type": "object"}, ("*",), Money(1, "USD"), 1, None, Limits())
    given = {"account": "DE-1", "note": "hello"}
    provenance = Provenance("trigger/orders", {"account": "DE-1"}, trusted=trusted, confidentiality=SECRET)
    submission = Submission(workflow, given, "rules", provenance)
    return await submit(home.door, home.clock, home.ids, home.person("anna"), submission)


@pytest.mark.parametrize("trusted", [True, False], ids=["vouched", "not-vouched"])
def test_inputs_of_a_trigger_are_trusted_as_far_as_it_vouches_for_them(trusted):
    async def story():
        home = await a_home(plan=looks_away)
        mission = await begun_by_a_trigger(home, trusted=trusted)
        await home.drive(mission)

        assert (await home.step(mission)).label == Label(trusted=trusted, confidentiality=SECRET)

    run(story())


def test_only_the_values_that_a_trigger_vouches_for_count_as_the_persons_own():
    async def story():
        home = await a_home(plan=looks_away)
        mission = await begun_by_a_trigger(home, trusted=False)

        submitted = (await home.state(mission)).submitted
        assert submitted.known == (home.door.vault.digest(mission, "DE-1"),)
        assert (submitted.source, submitted.principal) == ("trigger/orders", "anna")

    run(story())


def test_a_mission_of_the_version_before_was_begun_by_nobody_outside():
    written = MissionSubmitted("w", "anna", "in", (), 0, 1, 0, "rules", (), ()).payload()
    before = {name: value for name, value in written.items() if name not in {"source", "trusted"}}

    assert MissionSubmitted.upcast(before, 2) == written
