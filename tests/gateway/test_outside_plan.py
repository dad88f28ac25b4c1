"""A mission's plan fixes which tools it may use before it reads anything; what it does not name, a person may add."""

from dataclasses import replace

import pytest
from tests.gateway.builders import (
    a_door,
    a_payment,
    a_person,
    a_role,
    a_tool,
    approved,
    open_policy,
    run,
    some_controls,
)

from remit.errors import FlowRefused, PolicyDenied, RightsExceeded
from remit.gateway import Suspended
from remit.tools import Label, Origin

PLAN = {"mission_tools": ("crm__*",)}


async def waits(door, tool, **arguments):
    with pytest.raises(Suspended) as wait:
        await door.call(tool, **arguments)
    return wait.value


async def outside(*tools, **fields):
    """A door whose mission was given `crm__*` alone."""
    door = await a_door(a_tool("crm__read"), *tools, **fields)
    door.caller_fields = dict(PLAN)
    return door


def test_a_tool_outside_the_plan_waits_for_a_person_who_sees_tool_and_values_and_where_they_came_from():
    async def story():
        door = await outside(a_payment())
        door.said_by_a_person = False
        door.says("10.00")
        door.tape.label = Label(trusted=False)

        wait = await waits(door, "bank__pay", amount="10.00", payee="Mallory")

        assert [question.rule for question in wait.questions] == ["flow_payee", "mission_grant"]
        question = wait.questions[-1]
        for told in ("bank__pay", "restricted-write", "`amount` from person", "`payee` from no recorded source"):
            assert told in question.message
        assert "outside" in question.message
        assert "Mallory" not in question.message, "values stand in the case, not among the reasons"
        assert wait.call.arguments == {"amount": "10.00", "payee": "Mallory"}
        assert door.transport.calls == []
        assert await door.budget() == (0, 0)

    run(story())


def test_a_yes_to_a_write_holds_for_exactly_that_call():
    async def story():
        door = await outside(a_payment())
        wait = await waits(door, "bank__pay", amount="10.00", payee="acme")

        await door.call("bank__pay", leave=approved(wait), amount="10.00", payee="acme")
        await waits(door, "bank__pay", amount="11.00", payee="acme")

        assert door.transport.made == ["pay"]

    run(story())


def test_a_yes_to_a_read_adds_the_tool_to_the_mission_also_after_a_crash():
    async def story():
        door = await outside(a_tool("erp__read", properties={"id": {"type": "string"}}))
        wait = await waits(door, "erp__read", id="1")

        await door.call("erp__read", leave=approved(wait), id="1")
        await door.call("erp__read", id="2")
        await door.crashed()
        await door.call("erp__read", id="3")

        assert [arguments["id"] for _, arguments, _ in door.transport.calls] == ["1", "2", "3"]
        permits = await door.entries("call.permitted")
        assert [(permit.payload.get("added"), permit.payload["leave"]) for permit in permits] == [
            (True, "apr-1"),
            (None, ""),
            (None, ""),
        ]

    run(story())


@pytest.mark.parametrize("tells", ["it changed", "its arguments name an address"])
def test_a_read_is_asked_about_again_where(tells):
    async def story():
        roles = a_role("url", *Origin) if "address" in tells else ()
        tool = a_tool("erp__read", properties={"url": {"type": "string"}}, roles=roles)
        door = await outside(tool)
        wait = await waits(door, "erp__read", url="https://a.example/1")
        await door.call("erp__read", leave=approved(wait), url="https://a.example/1")
        if "changed" in tells:
            door.door.controls = some_controls(replace(tool, description="reads more"))

        again = await waits(door, "erp__read", url="https://a.example/2")

        assert [question.rule for question in again.questions] == ["mission_grant"]

    run(story())


def test_nobody_is_asked_to_add_what_the_person_or_policy_or_a_strict_role_forbids():
    async def story():
        elsewhere = await outside(a_payment(), resources=[a_person("anna", tools=["crm__*"])])
        with pytest.raises(RightsExceeded):
            await elsewhere.call("bank__pay", amount="1", payee="a")
        denied = await outside(a_payment(), policies=[open_policy("deny_tools: [bank__pay]\n")])
        with pytest.raises(PolicyDenied):
            await denied.call("bank__pay", amount="1", payee="a")
        strict = await outside(
            a_tool("bank__pay", tier="restricted-write", roles=a_role("account", Origin.PERSON, strict=True))
        )
        strict.said_by_a_person = False
        with pytest.raises(FlowRefused):
            await strict.call("bank__pay", account="DE00")

    run(story())


def test_a_verdict_for_another_definition_of_the_tool_is_void():
    async def story():
        tool = a_tool("erp__read")
        door = await outside(tool)
        wait = await waits(door, "erp__read")
        door.door.controls = some_controls(replace(tool, description="reads more"))

        with pytest.raises(Suspended):
            await door.call("erp__read", leave=approved(wait))

        assert door.transport.calls == []

    run(story())
