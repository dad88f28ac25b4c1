"""Every refusal's remedy is followed by the letter, applied as `remit apply` does, and the call then goes through.

A small home as files: what the remedy says is put into them, planned and checked as any file is, and the door is given
what follows. What stands in capitals in a remedy is a person's to fill in.
"""

from dataclasses import replace

import pytest
import yaml
from tests.gateway.builders import DOLLAR, MISSION, PricedTransport, a_door, run

from remit.control_plane.resources import kinds, policies_in
from remit.errors import NoBudget, NotGranted, RemitError
from remit.gateway import Call, Controls, Suspended
from remit.gateway.remedy import KINDS, remedy_for
from remit.ledger import Commit, OpenBalance
from remit.policy import PolicySet
from remit.quantities import Money
from remit.registry import Registry, plan_apply, tools_of

BASE = """
apiVersion: remit/v1
kind: ToolSource
name: bank
mcp: {command: [bank]}
tools: {pay: {tier: restricted-write, roles: {amount: $.amount, payee: $.payee, account: $.account}},
        look: {tier: read-only}}
---
apiVersion: remit/v1
kind: ToolSource
name: model
mcp: {command: [model]}
tools: {chat: {tier: read-only}}
---
apiVersion: remit/v1
kind: Agent
name: payer
version: 1.0.0
description: Pays.
skills: [{name: payer, description: pays}]
run: {python: "tests.agents:payer"}
prompts: {lead: "Pay what is due.\\nNothing else: not 'a' cent."}
tools: [bank__*, model__*, crm__*]
---
apiVersion: remit/v1
kind: Principal
name: anna
roles: [owner]
---
apiVersion: remit/v1
kind: Principal
name: olga
roles: [owner]
---
apiVersion: remit/v1
kind: Policy
name: open
agents: [payer]
tools: ["*"]
---
apiVersion: remit/v1
kind: Budget
name: tenant
limit: {amount: "1000.00", currency: USD}
---
apiVersion: remit/v1
kind: Workflow
name: pay
start: payer
tools: ["*"]
budget: {amount: "100.00", currency: USD}
"""
ANY = {"type": "object", "properties": {"amount": {}, "payee": {}, "account": {}, "prompt": {}}, "required": []}
OFFERED = {
    "bank": [{"name": name, "inputSchema": ANY} for name in ("pay", "look", "newer")],
    "model": [{"name": "chat", "inputSchema": ANY}],
    "crm": [{"name": "read", "inputSchema": ANY}],
}
PAY = {"amount": "10.00", "payee": "Maria Muster", "account": "DE89"}


class House:
    """Applied files, and the door that follows from them."""

    def __init__(self, *changes):
        self.stored = {}
        self.apply(BASE)
        for kind, name, fields in changes:
            self.change(kind, name, fields)

    def apply(self, text):
        plan = plan_apply([("remedy.yaml", text)], self.stored, kinds())
        plan.require_valid()
        self.stored.update({resource.key: resource for resource in plan.resources})

    def change(self, kind, name, fields, *, beside=False):
        key = f"{kind}/{name}"
        old = self.stored[key].fields if key in self.stored else {}
        whole = {"apiVersion": "remit/v1", "kind": kind, **merged(old, fields, beside=beside), "name": name}
        self.apply(yaml.safe_dump(whole, sort_keys=False))

    def follow(self, remedy, *, fill=None):
        """Do what the remedy says, and nothing else."""
        for word, meant in (fill or {}).items():
            remedy = remedy.replace(word, meant)
        for text in remedy.split("---\n"):
            document = yaml.safe_load(text)
            if "apiVersion" in document:
                self.apply(text)  # a whole document is applied as it stands
            else:
                kind, name = document.pop("kind"), document.pop("name")
                self.change(kind, name, document, beside="Beside" in text)

    @property
    def controls(self):
        resources = self.stored.values()
        bare = Registry.build(resources)
        tools = [tool for source in bare.sources.values() for tool in tools_of(source, OFFERED[source.name])]
        tools = [replace(tool, model=tool.source == "model") for tool in tools]
        registry = Registry.build(resources, tools)
        policies = PolicySet.compile(policies_in(resources), None, registry.names.agents)
        return Controls(registry, policies)


def merged(old, new, *, beside):
    """What a person writes who adds these fields to what stands there."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value, beside=beside) for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list):
        if new and all(isinstance(one, dict) and "name" in one for one in new):
            named = {one["name"]: one for one in new}
            return [{**one, **named.get(one["name"], {})} for one in old]
        return [*old, *new] if beside else new
    return new


async def knock(house, *, transport=None, caller=None, **limits):
    door = await a_door(transport=transport, **limits)
    door.door.controls = house.controls
    door.door.transports = dict.fromkeys(OFFERED, door.transport)
    newest = max((one for one in house.controls.registry.versions.values()), key=lambda one: one.semver)
    door.caller_fields = {
        "agent": newest.ref,
        "agent_tools": newest.tools,
        "turns_max": newest.max_turns,
        **(caller or {}),
    }
    return door


def policy(**fields):
    return ("Policy", "open", fields)


CONDITION = {"conditions": [{"name": "big", "when": "amount > 5.0", "effect": "deny"}]}
#: Name: changes of the files, the call, what fills in the capitals, and what comes of it once the remedy is followed.
CASES = {
    "no policy": ([policy(tools=["crm__*"])], ("bank__look", {}), {}, "permit"),
    "no policy for a critical tool": (
        [policy(tools=["crm__*"]), ("ToolSource", "bank", {"tools": {"pay": {"tier": "critical"}}})],
        ("bank__pay", PAY), {}, "ask",
    ),
    "a policy in shadow": ([policy(mode="shadow")], ("bank__look", {}), {}, "permit"),
    "deny_tools": ([policy(deny_tools=["bank__*"])], ("bank__look", {}), {}, "permit"),
    "spending_limit": ([policy(spending_limit_usd=5)], ("bank__pay", PAY), {}, "permit"),
    "allowed_vendors": (
        [policy(allowed_vendors=["Other"])], ("bank__pay", PAY), {"PAYEE": "Maria Muster"}, "permit",
    ),
    "allowed_accounts": ([policy(allowed_accounts=["X"])], ("bank__pay", PAY), {"ACCOUNT": "DE89"}, "permit"),
    "a condition": ([policy(**CONDITION)], ("bank__pay", PAY), {}, "ask"),
    "an undeclared role": (
        [policy(spending_limit_usd=50), ("ToolSource", "crm", {"mcp": {"command": ["crm"]},
                                                            "tools": {"read": {"tier": "restricted-write"}}})],
        ("crm__read", PAY), {"ARGUMENT": "amount"}, "permit",
    ),
    "the agent's grant": ([], ("bank__look", {}), {}, "permit", {"agent_tools": ("erp__*",)}),
    "an unknown person": ([], ("bank__look", {}), {}, "permit", {"principal": "new-one"}),
    "a person who left": ([("Principal", "anna", {"active": False})], ("bank__look", {}), {}, "permit"),
    "a person's tools": ([("Principal", "anna", {"tools": ["crm__*"]})], ("bank__look", {}), {}, "permit"),
    "a tool that nobody declared": ([], ("crm__read", {}), {"COMMAND": "crm"}, "ask"),
    "a strict role": (
        [("ToolSource", "bank", {"tools": {"pay": {"roles": {
            "account": {"path": "$.account", "from": ["directory"], "strict": True}}}}})],
        ("bank__pay", {"account": "DE89", "amount": "1.00", "payee": "M"}), {}, "ask",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_refusal_says_permits_the_call_once_it_is_applied(name):
    changes, (tool, arguments), fill, wanted, *caller = CASES[name]
    house = House(*changes)
    strict = name == "a strict role"

    async def story():
        before = await knock(house, caller=caller[0] if caller else None)
        before.said_by_a_person = not strict
        with pytest.raises(RemitError) as no:
            await before.call(tool, **arguments)
        assert not isinstance(no.value, Suspended)
        house.follow(no.value.remedy, fill=fill)
        fixed = {key: value for key, value in (caller[0] if caller else {}).items() if key == "principal"}
        after = await knock(house, caller=fixed)
        after.said_by_a_person = not strict
        return await outcome(after, tool, arguments)

    assert run(story()) == wanted


async def outcome(door, tool, arguments):
    try:
        await door.call(tool, **arguments)
    except Suspended:
        return "ask"
    return "permit"


def test_a_tool_of_a_known_source_that_was_never_accepted_is_proposed_at_the_strictest_tier():
    house = House()
    held = OFFERED["bank"]

    async def story():
        OFFERED["bank"] = held[:2]  # the source came to offer it after it was applied
        try:
            door = await knock(house)
        finally:
            OFFERED["bank"] = held
        with pytest.raises(RemitError) as no:
            await door.call("bank__newer")
        assert "tier: critical" in no.value.remedy
        assert "Lower the tier once you have looked" in no.value.remedy
        house.follow(no.value.remedy)
        return await outcome(await knock(house), "bank__newer", {})

    assert run(story()) == "ask"


def test_a_whole_next_version_of_the_agent_is_told_under_a_number_that_is_free():
    house = House()
    house.apply(yaml.safe_dump({**house.stored["Agent/payer@1.0.0"].fields, "apiVersion": "remit/v1", "kind": "Agent",
                                "version": "1.0.1", "stage": "staging", "description": "Another."}))  # fmt: skip

    async def story():
        door = await knock(house, caller={"agent": "payer@1.0.0", "agent_tools": ("erp__*",)})
        with pytest.raises(NotGranted) as no:
            await door.call("bank__look")
        house.follow(no.value.remedy)
        return house.controls.registry.agent("payer")

    told = run(story())

    assert (told.version, told.description) == ("1.0.2", "Pays.")
    assert "bank__look" in told.tools
    assert told.prompts["lead"] == "Pay what is due.\nNothing else: not 'a' cent."


@pytest.mark.parametrize("rule", ["turns", "the same again"])
def test_a_loop_that_is_meant_goes_on_once_it_is_declared(rule):
    house = House(*([policy(max_turns=1)] if rule == "turns" else []))
    tool = "model__chat" if rule == "turns" else "bank__look"

    async def often(door, times):
        for number in range(times):
            await door.call(tool, number, **({"prompt": number} if rule == "turns" else {}))

    async def story():
        with pytest.raises(RemitError) as no:
            await often(await knock(house), 6)
        house.follow(no.value.remedy)
        await often(await knock(house), 2 if rule == "turns" else 6)

    run(story())


def test_turns_of_the_agent_go_on_under_its_next_version():
    house = House()

    async def story():
        door = await knock(house, caller={"turns_max": 1})
        await door.call("model__chat", prompt=1)
        with pytest.raises(RemitError) as no:
            await door.call("model__chat", prompt=2)
        house.follow(no.value.remedy)
        after = await knock(house)
        for number in range(2):
            await after.call("model__chat", prompt=number)
        return no.value.rule

    assert run(story()) == "R5"


@pytest.mark.parametrize(
    ("limits", "fill", "kind", "name", "field"),
    [
        ({"budget": DOLLAR // 2}, {"WORKFLOW": "pay"}, "Workflow", "pay", "budget"),
        ({"tenant_budget": DOLLAR // 2}, {}, "Budget", "tenant", "limit"),
    ],
)
def test_an_exhausted_budget_covers_the_call_once_it_is_raised(limits, fill, kind, name, field):
    house = House()
    (which,) = limits

    async def story():
        door = await knock(house, transport=PricedTransport(Money.of("1.00", "USD")), **limits)
        with pytest.raises(RemitError) as no:
            await door.call("model__chat")
        house.follow(no.value.remedy, fill=fill)
        raised = Money.of(house.stored[f"{kind}/{name}"].fields[field]["amount"], "USD").micros
        after = await knock(house, transport=PricedTransport(Money.of("1.00", "USD")), **{which: raised})
        return await outcome(after, "model__chat", {})

    assert run(story()) == "permit"


def test_a_budget_that_is_not_there_is_told_whole():
    house = House()
    del house.stored["Budget/tenant"]

    async def story():
        door = await knock(house)
        told = remedy_for(NoBudget(""), door.caller(), Call("bank__look", {}), house.controls, None)
        house.follow(told)
        limit = Money.of(house.stored["Budget/tenant"].fields["limit"]["amount"], "USD").micros
        await door.store.commit(Commit((), (OpenBalance(f"mission/{MISSION}/more", limit),)))
        return limit

    assert run(story()) == 10 * DOLLAR


def test_no_kind_of_refusal_is_left_out_here():
    told = {"NotGranted", "RightsExceeded", "UnknownTool", "PinBroken", "BudgetExhausted", "NoBudget", "FlowRefused",
            "LoopStopped"}  # fmt: skip
    assert {kind.__name__ for kind in KINDS} == told, "tell what permits it, and follow that here (pins: test_pins)"
