"""What becomes of a question: taken only when it can be carried out, and closed with a reason when nobody needs it."""

import asyncio

import pytest
from tests.missions.builders import a_home, a_payment, a_person, a_tool, open_policy, run
from tests.missions.test_life import PAY, a_call, a_waiting_home, cancel, planner

from remit.errors import AlreadyAnswered, AnswerNotAllowed, ApprovalExpired, MissionEnded, PolicyDenied, RightsExceeded
from remit.gateway import ToolResult


async def rows(home):
    """Verdict and reason of each question in the list."""
    return [(value["verdict"], value["reason"]) for _, value in await home.store.records("approval")]


# --- a steer is checked before it is taken


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("allowed_vendors: [V-1]", {"payee": "V-9"}),
        ("spending_limit: {amount: 50, currency: USD}", {"amount": "60.00"}),
    ],
    ids=["vendor", "limit"],
)
def test_a_steer_that_policy_denies_is_said_at_once_and_the_person_may_answer_again(rule, changes):
    async def story():
        home, mission = await a_waiting_home()
        home.change(policies=[open_policy(rule)])

        with pytest.raises(PolicyDenied) as refused:
            await home.answer("steer", changes=changes)

        assert refused.value.rule == rule.partition(":")[0]
        assert await rows(home) == [("", "")]
        await home.answer("steer", changes={"amount": "7.50"})
        assert (await home.drive(mission)).waiting_for_people + len(home.made) == 1

    run(story())


def test_a_steer_for_a_person_who_may_not_use_the_tool_any_more_is_not_taken():
    async def story():
        home, _ = await a_waiting_home()
        home.change(people={"anna": a_person("anna", tools=["erp__*"]), "paula": a_person("paula")})

        with pytest.raises(RightsExceeded):
            await home.answer("steer", by="paula", changes={"amount": "7.50"})
        assert await rows(home) == [("", "")]

    run(story())


# --- a question that nobody needs to answer any more is closed, with the reason


def test_a_question_that_expired_is_closed_in_the_list_as_well():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        home.change(policies=[open_policy("approval_expires_hours: 24")])
        mission = await home.submit(**PAY)
        await home.drive(mission)
        question = await home.the_question()
        home.clock.move(days=1, seconds=1)
        await home.drive(mission)

        assert await rows(home) == [("expired", "expired")]
        with pytest.raises(ApprovalExpired):
            await home.answer(approval=question)

    run(story())


def test_a_mission_that_fails_at_its_deadline_leaves_no_open_question():
    async def story():
        home, mission = await a_waiting_home()
        question = await home.the_question()
        home.clock.move(hours=169)
        rest = await home.drive(mission)

        assert (rest.ended, rest.waiting_for_people) == (True, 0)
        assert await rows(home) == [("closed", "not needed any more: the mission has ended")]
        with pytest.raises((AlreadyAnswered, MissionEnded)):
            await home.answer(approval=question)

    run(story())


def test_a_question_of_a_mission_that_was_cancelled_elsewhere_is_closed_by_whoever_drives_it_next():
    async def story():
        home, mission = await a_waiting_home()
        await cancel(home, mission)
        await home.restarted().drive(mission)

        assert await rows(home) == [("closed", "not needed any more: the mission has ended")]

    run(story())


def test_a_late_outcome_closes_the_question_whether_the_effect_took_place():
    async def story():
        release, begun = asyncio.Event(), asyncio.Event()

        async def slow(**_):
            begun.set()
            await release.wait()
            return ToolResult({"paid": True})

        home = await a_home(a_payment(), plan=planner(a_call()))
        home.transport.functions["pay"] = slow
        mission = await home.submit(**PAY)
        old = asyncio.ensure_future(home.drive(mission))
        await asyncio.wait_for(begun.wait(), 5)
        new = home.restarted()
        assert (await new.drive(mission)).waiting_for_people == 1
        assert await rows(new) == [("", "")]
        release.set()  # the driver that was replaced still records what really happened
        await asyncio.gather(old, return_exceptions=True)

        assert (await new.drive(mission)).ended
        assert await rows(new) == [("closed", "not needed any more: the step has ended")]
        assert (await new.step(mission, "pay")).status == "succeeded"

    run(story())


def test_a_step_that_wants_another_write_than_before_its_crash_is_asked_about_with_the_one_answer_that_helps():
    async def story():
        wants = iter(["1.00", "2.00", "3.00"])

        async def plan(context, _given):
            await context.call("erp__note", {"text": next(wants)})
            await context.call("erp__read", {})
            return {}

        async def dies(**_):
            raise asyncio.CancelledError

        home = await a_home(a_tool("erp__note", tier="restricted-write"), a_tool(), plan=plan)
        home.transport.functions["read"] = dies
        mission = await home.submit()
        await asyncio.gather(home.drive(mission), return_exceptions=True)
        home = home.restarted()
        home.transport.functions["read"] = lambda **_: {}

        assert (await home.drive(mission)).waiting_for_people == 1
        case = await home.case()
        assert list(case["answers"]) == ["reject"]
        with pytest.raises(AnswerNotAllowed):
            await home.answer("approve")
        await home.answer("reject")
        assert (await home.drive(mission)).ended
        assert home.made.count("note") == 1

    run(story())
