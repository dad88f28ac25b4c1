"""What a person's yes is worth: bound to the call, the tool and the policy; and what goes without asking."""

import asyncio
from datetime import date

import pytest
from tests.gateway.builders import (
    DOLLAR,
    MISSION,
    FakeTransport,
    a_door,
    a_payment,
    a_person,
    a_tool,
    an_agent,
    approved,
    open_policy,
    run,
    some_controls,
)

from remit.approvals import StandingApproval
from remit.errors import LoopStopped, NoPolicy, NotGranted, PolicyDenied, RightsExceeded, UnknownTool
from remit.gateway import Bounds, Suspended, ToolResult
from remit.quantities import Money

PAY = {"amount": "10.00", "payee": "V-1"}


async def waits(door, occurrence=0, **arguments):
    """Knock, and return the question that the call waits for."""
    with pytest.raises(Suspended) as wait:
        await door.call("bank__pay", occurrence, **(arguments or PAY))
    return wait.value


def a_critical_door(**fields):
    return a_door(a_payment(tier="critical"), **fields)


# --- who may at all


def test_a_tool_that_nobody_accepted_is_refused():
    async def story():
        door = await a_door()

        with pytest.raises(UnknownTool):
            await door.call("bank__steal")

        assert await door.refusals() == [("bank__steal", "unknown_tool")]

    run(story())


def test_without_a_policy_nothing_is_permitted():
    async def story():
        door = await a_door(a_tool("erp__read"), policies=[])

        with pytest.raises(NoPolicy):
            await door.call("erp__read")

    run(story())


@pytest.mark.parametrize(
    ("narrowed", "rule"),
    [
        ({"agent_tools": ("erp__*",)}, "agent_grant"),
        ({"bounds": Bounds(("erp__*",))}, "token_grant"),
        # What another agent passed on is what its token names: no person here is asked to widen it.
        ({"mission_tools": ("erp__*",), "bounds": Bounds(parent="msn-0")}, "mission_grant"),
    ],
    ids=["agent", "token", "another agent's token"],
)
def test_a_tool_must_be_granted_to_the_agent_and_by_every_token(narrowed, rule):
    async def story():
        door = await a_door(a_payment())
        door.caller_fields = narrowed

        with pytest.raises(NotGranted) as refused:
            await door.call("bank__pay", **PAY)

        assert refused.value.rule == rule
        assert door.transport.calls == []

    run(story())


def test_nobody_acts_beyond_the_person_for_whom_they_act():
    async def story():
        door = await a_door(a_payment(), resources=[a_person("anna", tools=["erp__*"])])

        with pytest.raises(RightsExceeded, match="anna may not use bank__pay"):
            await door.call("bank__pay", **PAY)

    run(story())


def test_when_a_person_leaves_nothing_more_is_done_for_them():
    async def story():
        door = await a_door(a_payment())
        await door.call("bank__pay", **PAY)
        door.door.controls = some_controls(a_payment(), resources=[a_person("anna", active=False)])

        with pytest.raises(RightsExceeded) as refused:
            await door.call("bank__pay", 1, **PAY)

        assert refused.value.rule == "principal_inactive"
        assert len(door.transport.calls) == 1

    run(story())


def test_an_agent_has_its_turns_and_no_more():
    async def story():
        door = await a_door(a_tool("model__chat"))
        door.caller_fields = {"turns_max": 2}
        for turn in range(2):
            await door.call("model__chat", prompt=turn)
        await door.crashed()

        with pytest.raises(LoopStopped) as stopped:
            await door.call("model__chat", prompt="one more")

        assert stopped.value.rule == "R5"

    run(story())


def test_a_step_goes_over_its_work_so_often_and_no_more_and_the_next_step_begins_anew():
    async def story():
        door = await a_door(a_tool("model__chat"))
        door.caller_fields = {"reflections_max": 1}
        for turn in range(2):
            await door.call("model__chat", prompt=turn)
        await door.crashed()

        with pytest.raises(LoopStopped, match="gone over this step 1 times") as stopped:
            await door.call("model__chat", prompt="one more")
        assert stopped.value.rule == "reflection_cap"

        door.caller_fields = {"reflections_max": 0, "step": "next"}
        await door.call("model__chat", prompt="first")
        with pytest.raises(LoopStopped):
            await door.call("model__chat", prompt="second")

    run(story())


def test_a_mission_has_its_turns_of_all_its_agents_together_and_no_more():
    async def story():
        door = await a_door(a_tool("model__chat"))
        door.caller_fields = {"turns_max": 20, "mission_turns_max": 2}
        await door.call("model__chat", prompt="one")
        door.caller_fields |= {"agent": "other@1.0.0"}
        await door.call("model__chat", prompt="two")
        await door.crashed()

        with pytest.raises(LoopStopped) as stopped:
            await door.call("model__chat", prompt="one more")

        assert stopped.value.rule == "mission_turns"

    run(story())


# --- a verdict


def test_a_critical_call_waits_and_holds_nothing():
    async def story():
        door = await a_critical_door()

        wait = await waits(door)

        assert [question.rule for question in wait.questions] == ["critical_tier"]
        assert wait.approvers == ("approver",)
        assert door.transport.calls == []
        assert await door.budget() == (0, 0)
        assert await door.entries() == []

    run(story())


def test_a_yes_lets_exactly_this_call_go():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)

        await door.call("bank__pay", leave=approved(wait), **PAY)

        assert [arguments for _, arguments, _ in door.transport.calls] == [PAY]
        (permit,) = await door.entries("call.permitted")
        assert permit.payload["leave"] == "apr-1"

    run(story())


@pytest.mark.parametrize("changed", [{"amount": "10.01"}, {"payee": "V-2"}, {"note": "urgent"}])
def test_a_yes_to_other_arguments_is_void_and_asked_anew(changed):
    async def story():
        door = await a_critical_door()
        wait = await waits(door)

        with pytest.raises(Suspended):
            await door.call("bank__pay", leave=approved(wait), **{**PAY, **changed})

        assert door.transport.calls == []

    run(story())


def test_a_yes_under_another_policy_is_void_and_asked_anew():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)
        door.door.controls = some_controls(a_payment(tier="critical"), policies=[open_policy("max_turns: 9")])

        with pytest.raises(Suspended) as anew:
            await door.call("bank__pay", leave=approved(wait), **PAY)
        await door.call("bank__pay", leave=approved(anew.value), **PAY)

        assert len(door.transport.calls) == 1

    run(story())


def test_a_yes_that_is_not_needed_any_more_is_not_named_as_leave():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)
        door.door.controls = some_controls(
            a_payment(tier="critical"), policies=[open_policy("require_approval_if_over: 1000")]
        )

        await door.call("bank__pay", leave=approved(wait), **PAY)

        (permit,) = await door.entries("call.permitted")
        assert permit.payload["leave"] == ""

    run(story())


def test_a_yes_to_another_definition_of_the_tool_is_void_and_asked_anew():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)
        door.door.controls = some_controls(a_payment(tier="critical", properties={"urgent": {}}))

        with pytest.raises(Suspended):
            await door.call("bank__pay", leave=approved(wait), **PAY)

        assert door.transport.calls == []

    run(story())


def test_a_yes_does_not_outweigh_a_policy_that_came_to_deny():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)
        denying = [open_policy(), open_policy("deny_tools: [bank__pay]", name="stop")]
        door.door.controls = some_controls(a_payment(tier="critical"), policies=denying)

        with pytest.raises(PolicyDenied):
            await door.call("bank__pay", leave=approved(wait), **PAY)

    run(story())


def test_a_yes_is_used_once():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)
        await door.call("bank__pay", leave=approved(wait), **PAY)
        door.new_run()

        again = await door.call("bank__pay", leave=approved(wait), **PAY)

        assert again == {"ok": True, **PAY}
        assert len(door.transport.calls) == 1
        assert len(await door.entries("call.permitted")) == 1

    run(story())


def test_what_the_planner_wants_looked_at_waits_even_where_policy_would_let_it_go():
    async def story():
        door = await a_door(a_payment())

        with pytest.raises(Suspended) as wait:
            await door.call("bank__pay", ask_rules=("over_the_ceiling",), **PAY)

        assert [question.rule for question in wait.value.questions] == ["over_the_ceiling"]

    run(story())


def test_an_agent_in_the_loop_waits_at_each_write_and_reads_freely():
    async def story():
        door = await a_door(a_payment(), a_tool("erp__read"))
        door.caller_fields = {"in_the_loop": True}

        await door.call("erp__read")
        wait = await waits(door)

        assert [question.rule for question in wait.questions] == ["autonomy"]

    run(story())


# --- standing approvals


def a_standing(**changes):
    fields = {
        "name": "rent",
        "given_by": "anna",
        "agent": "payer",
        "tool": "bank__pay",
        "payee": "V-1",
        "up_to": Money.of("10.00", "USD"),
        "until": date(2026, 11, 2),
    }
    return StandingApproval(**{**fields, **changes})


def test_a_standing_approval_lets_its_very_call_go_and_is_named():
    async def story():
        door = await a_critical_door(standing=(a_standing(),))

        await door.call("bank__pay", **PAY)

        (permit,) = await door.entries("call.permitted")
        assert permit.payload["leave"] == "rent"

    run(story())


@pytest.mark.parametrize(
    "other",
    [
        {"payee": "V-2"},
        {"agent": "another"},
        {"tool": "bank__refund"},
        {"up_to": Money.of("9.99", "USD")},
        {"up_to": Money.of("10.00", "EUR")},
        {"until": date(2026, 11, 1)},
    ],
    ids=str,
)
def test_a_standing_approval_of_anything_else_changes_nothing(other):
    async def story():
        door = await a_critical_door(standing=(a_standing(**other),))

        await waits(door)

    run(story())


def test_a_standing_approval_ends_with_its_last_day():
    async def story():
        door = await a_critical_door(standing=(a_standing(),))
        door.clock.move(hours=14, minutes=59)
        await door.call("bank__pay", **PAY)
        door.clock.move(minutes=1)

        with pytest.raises(Suspended):
            await door.call("bank__pay", 1, **PAY)

    run(story())


@pytest.mark.parametrize(
    "giver", [a_person("boss", "approver", active=False), a_person("boss", "operator"), a_person("somebody")]
)
def test_a_standing_approval_of_someone_who_may_not_approve_is_none(giver):
    async def story():
        door = await a_critical_door(standing=(a_standing(given_by="boss"),), resources=[giver])

        await waits(door)

    run(story())


# --- money


def test_the_approval_limit_counts_what_the_payee_got_before():
    async def story():
        door = await a_door(a_payment(), policies=[open_policy("require_approval_if_over: 15")])
        await door.call("bank__pay", **PAY)

        wait = await waits(door, 1)
        await door.call("bank__pay", amount="15.00", payee="V-2")

        assert [question.rule for question in wait.questions] == ["require_approval_if_over"]

    run(story())


def test_two_calls_at_once_to_one_payee_do_not_both_stay_below_the_approval_limit():
    async def story():
        door = await a_door(a_payment(), policies=[open_policy("require_approval_if_over: 15")])

        told = await asyncio.gather(
            *(door.call("bank__pay", n, **PAY) for n in range(2)), return_exceptions=True
        )  # fmt: skip

        assert [isinstance(one, Suspended) for one in told] == [False, True]
        assert len(door.transport.calls) == 1

    run(story())


def test_the_spending_limit_is_of_the_whole_mission_and_holds_for_two_calls_at_once():
    async def story():
        door = await a_door(a_payment(), policies=[open_policy("spending_limit_usd: 25")])

        told = await asyncio.gather(
            *(door.call("bank__pay", payee=f"V-{n}", amount="10.00") for n in range(4)), return_exceptions=True
        )

        assert [isinstance(one, PolicyDenied) for one in told] == [False, False, True, True]
        assert await door.refusals() == [("bank__pay", "spending_limit")] * 2

    run(story())


def test_a_call_that_the_tool_refused_makes_room_again_and_one_that_was_made_does_not():
    async def story():
        async def refuse(**_):
            return ToolResult({}, error="no such account")

        door = await a_door(
            a_payment(), a_payment("bank__try"), transport=FakeTransport(**{"try": refuse}),
            policies=[open_policy("spending_limit_usd: 15")],
        )  # fmt: skip
        for n in range(3):
            with pytest.raises(Exception, match="no such account"):
                await door.call("bank__try", n, **PAY)
        await door.crashed()
        door.caller_fields = {"step": "later"}
        await door.call("bank__pay", **PAY)
        await door.call("bank__pay", **PAY)  # from the record: it counts once
        await door.crashed()

        with pytest.raises(PolicyDenied):
            await door.call("bank__pay", 1, **PAY, caller={"step": "last"})

    run(story())


def test_a_suspended_or_refused_call_leaves_no_amount_reserved():
    async def story():
        policy = open_policy("require_approval_if_over: 5\nspending_limit_usd: 15")
        door = await a_door(a_payment(), policies=[policy])
        for _ in range(3):
            await waits(door)

        assert not +door.log.spent.total
        assert await door.budget() == (0, 0)

    run(story())


def test_an_amount_that_is_no_amount_is_refused():
    async def story():
        door = await a_door(a_payment())

        with pytest.raises(PolicyDenied) as refused:
            await door.call("bank__pay", amount="a lot", payee="V-1")

        assert refused.value.rule == "amount_unreadable"

    run(story())


def test_an_agent_version_is_known_to_policy_by_its_name():
    async def story():
        mine = open_policy()
        door = await a_door(a_payment(), policies=[mine], resources=[an_agent("payer", version="2.0.0")])
        door.caller_fields = {"agent": "payer@2.0.0"}

        await door.call("bank__pay", **PAY)

        assert len(door.transport.calls) == 1
        assert (await door.store.balance(f"agent/{MISSION}/payer")).limit == 100 * DOLLAR

    run(story())


# --- policies in shadow, and what a permit owes


def test_what_a_policy_in_shadow_would_have_done_stands_beside_the_permit():
    async def story():
        shadow = open_policy("mode: shadow\nspending_limit_usd: 5", name="tighter")
        door = await a_door(a_payment(), policies=[open_policy(), shadow])

        await door.call("bank__pay", **PAY)

        (permit,) = await door.entries("call.permitted")
        assert permit.payload["shadow"] == {
            "answer": "deny",
            "differs": True,
            "rules": ["tighter:spending_limit", "tighter:tools"],
        }
        assert "tighter:spending_limit" not in permit.payload["rules"]

    run(story())


def test_a_policy_in_shadow_never_permits_by_itself():
    async def story():
        door = await a_door(a_payment(), policies=[open_policy("mode: shadow")])

        with pytest.raises(NoPolicy, match="is in shadow"):
            await door.call("bank__pay", **PAY)

        (refused,) = await door.entries("call.refused")
        assert refused.payload["shadow"]["answer"] == "permit"
        assert door.transport.calls == []

    run(story())


def test_a_yes_stays_good_when_a_policy_is_tried_in_shadow():
    async def story():
        door = await a_critical_door()
        wait = await waits(door)
        shadow = open_policy("mode: shadow\ndeny_tools: [bank__pay]", name="tried")
        door.door.controls = some_controls(a_payment(tier="critical"), policies=[open_policy(), shadow])

        await door.call("bank__pay", leave=approved(wait), **PAY)

        assert len(door.transport.calls) == 1

    run(story())
