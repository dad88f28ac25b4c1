"""Each refusal of the door comes with YAML of what would permit the call, on the error and on record."""

import pytest
import yaml
from tests.gateway.builders import (
    DOLLAR,
    MISSION,
    PricedTransport,
    a_door,
    a_payment,
    a_person,
    a_role,
    a_tool,
    an_agent,
    open_policy,
    run,
    some_controls,
)

from remit.errors import NotGranted, PinBroken, RemitError
from remit.gateway import Call
from remit.gateway.remedy import remedy_for
from remit.quantities import Money
from remit.registry import StoredResource
from remit.state import Pointer
from remit.tools import Origin

PAY = {"amount": "10.00", "payee": "Maria Muster"}


async def refused(door, tool="bank__pay", **arguments):
    """The remedy of the refusal that the call meets, which must stand on record too."""
    with pytest.raises(RemitError) as no:
        await door.call(tool, **arguments)
    entry = (await door.entries("call.refused"))[-1]
    why = await door.door.vault.open(Pointer(MISSION, entry.payload["why"]))
    assert why["remedy"] == no.value.remedy
    assert "Maria" not in no.value.remedy
    assert "DE89" not in no.value.remedy
    return yaml.safe_load(no.value.remedy)


def test_a_tool_that_the_agent_was_not_given_names_its_next_version():
    async def story():
        door = await a_door(a_payment())
        door.caller_fields = {"agent_tools": ("erp__*",)}

        told = await refused(door, **PAY)

        whole = {**an_agent("payer").fields, "version": "1.0.1", "tools": ["*", "bank__pay"]}
        assert told == {"apiVersion": "remit/v1", "kind": "Agent", **whole}

    run(story())


@pytest.mark.parametrize(
    ("person", "change"),
    [
        (a_person("anna", tools=["erp__*"]), {"tools": ["bank__pay"]}),
        (a_person("anna", active=False), {"active": True}),
    ],
    ids=["tools", "active"],
)
def test_a_persons_bounds_name_the_person(person, change):
    async def story():
        door = await a_door(a_payment(), resources=[person])

        assert await refused(door, **PAY) == {"kind": "Principal", "name": "anna", **change}

    run(story())


def test_a_token_that_does_not_name_the_tool_needs_no_resource():
    no = NotGranted("", rule="token_grant")

    async def story():
        door = await a_door(a_payment())

        assert remedy_for(no, door.caller(), Call("bank__pay", PAY), some_controls(a_payment()), None) == ""

    run(story())


def test_policys_own_remedy_is_handed_on():
    async def story():
        nothing = await a_door(a_payment(), policies=[])
        limited = await a_door(a_payment(), policies=[open_policy("spending_limit_usd: 5")])

        assert (await refused(nothing, **PAY))["agents"] == ["payer"]
        assert await refused(limited, **PAY) == {"kind": "Policy", "name": "open", "spending_limit_usd": 10.0}

    run(story())


def test_an_unknown_tool_of_a_known_source_and_of_none():
    async def story():
        source = StoredResource("ToolSource", "erp", {"name": "erp", "python": {"module": "tests.erp"}})
        door = await a_door(a_payment(), resources=[source])

        declared = await refused(door, "erp__read")
        brought = await refused(door, "crm__read")

        assert declared == {"kind": "ToolSource", "name": "erp", "tools": {"read": {"tier": "critical"}}}
        assert brought["apiVersion"] == "remit/v1"
        assert brought["mcp"] == {"command": ["COMMAND"]}

    run(story())


@pytest.mark.parametrize("name", ["crm__x\nkind: Policy", "x" * 500, "noSource", "crm__[a, b]: {}"])
def test_what_an_agent_wrote_as_a_tool_is_not_repeated(name):
    async def story():
        door = await a_door(a_payment())

        assert await refused(door, name) is None

    run(story())


@pytest.mark.parametrize(
    ("limits", "kind", "name", "field"),
    [
        ({"budget": DOLLAR // 2}, "Workflow", "WORKFLOW", "budget"),
        ({"tenant_budget": DOLLAR // 2}, "Budget", "BUDGET", "limit"),
    ],
)
def test_an_exhausted_budget_names_the_least_that_would_do(limits, kind, name, field):
    async def story():
        transport = PricedTransport(Money.of("1.00", "USD"))
        door = await a_door(a_tool("model__chat"), transport=transport, **limits)

        told = await refused(door, "model__chat")

        assert told == {"kind": kind, "name": name, field: {"amount": "1.00", "currency": "USD"}}

    run(story())


def test_a_strict_role_says_where_its_value_may_come_from():
    async def story():
        tool = a_tool("bank__pay", tier="restricted-write", roles=a_role("account", Origin.DIRECTORY, strict=True))
        door = await a_door(tool)

        told = await refused(door, account="DE89")

        assert told["tools"]["pay"]["roles"]["account"] == {"path": "$.account", "from": ["directory"], "strict": False}

    run(story())


def test_turns_that_are_used_up_name_a_version_with_one_more():
    async def story():
        door = await a_door(a_tool("model__chat"))
        door.caller_fields = {"turns_max": 1}
        await door.call("model__chat", prompt=1)

        told = await refused(door, "model__chat", prompt=2)

        assert told["max_turns"] == 2

    run(story())


def test_a_broken_pin_names_the_source_to_apply_again():
    async def story():
        door = await a_door(a_payment())

        told = remedy_for(
            PinBroken("bank__pay"), door.caller(), Call("bank__pay", PAY), some_controls(a_payment()), None
        )

        assert yaml.safe_load(told) == {"kind": "ToolSource", "name": "bank"}
        assert "applying the source's file as it stands accepts the new one" in told

    run(story())
