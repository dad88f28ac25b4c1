"""The door's order is a security property: of two reasons to say no, the earlier stage is the one that speaks."""

import asyncio
from itertools import pairwise

import pytest
from tests.gateway.builders import (
    DOLLAR,
    MISSION,
    FakeTransport,
    a_door,
    a_person,
    a_role,
    a_tool,
    open_policy,
    run,
    some_controls,
)

from remit.errors import RemitError, StoreUnreachable, ToolUnreachable
from remit.gateway import Interrupted, Suspended, halts_stream
from remit.ledger import Commit, Draft, MoveBalance
from remit.quantities import Money
from remit.tools import Origin

#: Each stage of the door, and the reason that it gives where it says no.
STAGES = {
    "identify": "principal_inactive",
    "halted": "halted",
    "resolve": "unknown_tool",
    "granted": "agent_grant",
    "arguments": "invalid_arguments",
    "record": "answered from the record",
    "diverged": "diverged",
    "loop guards": "R1",
    "policy": "deny_tools",
    "data flow": "flow_account",
    "obligations": "waits for require_approval",
    "admit": "breaker",
    # Intent and budget hold are one commit; in it the fence comes first.
    "intent": "driver_replaced",
    "budget hold": "budget_exhausted",
    "call": "tool_unreachable",
}
BUDGET = 3 * DOLLAR


class Unlucky:
    """A call that runs into every stage named, and what became of it."""

    def __init__(self, *stages):
        self.stages = frozenset(stages)

    async def speak(self):
        door = await self._a_door()
        tool = "erp__gone" if "resolve" in self.stages else "erp__write"
        before = len(door.transport.calls)
        try:
            await door.call(tool, **self._arguments())
        except Interrupted as stop:
            return self._told(stop.cause.rule), door, before
        except Suspended as wait:
            return self._told(f"waits for {wait.questions[0].rule}"), door, before
        except RemitError as no:
            return self._told(no.rule), door, before
        return self._told("answered from the record"), door, before

    def _told(self, reason):
        return next((stage for stage, why in STAGES.items() if why == reason), reason)

    def _arguments(self):
        return {"account": "DE00", "note": 1} if "arguments" in self.stages else {"account": "DE00"}

    def _unreachable(self):
        async def fail(**_):
            raise ToolUnreachable("no answer")

        return fail

    async def _a_door(self):
        tool = a_tool(
            "erp__write",
            tier="restricted-write",
            properties={"note": {"type": "string"}},
            roles=a_role("account", Origin.PERSON, strict=True),
            cost=Money(2 * DOLLAR, "USD"),
        )
        # What was done before was done under a declaration that let everything through.
        door = await a_door(a_tool("erp__write", tier="restricted-write"), budget=BUDGET)
        door.said_by_a_person = "data flow" not in self.stages
        if "record" in self.stages:
            await door.call("erp__write", **self._arguments())
        if "diverged" in self.stages:
            await door.call("erp__write", account="another")
        door.new_run()
        await self._wear_out(door)
        door.door.controls = self._controls(tool)
        if "granted" in self.stages:
            door.caller_fields["agent_tools"] = ("bank__*",)
        if "call" in self.stages:
            door.transport.functions["write"] = self._unreachable()
        return door

    async def _wear_out(self, door):
        if "loop guards" in self.stages:
            digest = door.door.vault.digest(MISSION, self._arguments())
            for action in (f"payer|erp__write|{digest}", f"payer|pay|erp__write|{digest}"):
                for _ in range(3):
                    door.log.guard.record(action, "the same", door.progress)
        if "admit" in self.stages:
            for _ in range(5):
                door.door.admission.unreachable("erp")
        if "budget hold" in self.stages:
            left = BUDGET - sum(await door.budget())
            await door.store.commit(Commit((), (MoveBalance(f"mission/{MISSION}", used=left),)))
        if "intent" in self.stages:
            await door.store.take("another driver")

    def _controls(self, tool):
        rules = ""
        if "policy" in self.stages:
            rules += "deny_tools: [erp__write]\n"
        if "obligations" in self.stages:
            rules += "require_approval: [erp__write]\n"
        people = [a_person("anna", active=False)] if "identify" in self.stages else []
        halts = frozenset({"tenant"}) if "halted" in self.stages else frozenset()
        return some_controls(tool, policies=[open_policy(rules)], resources=people, halts=halts)


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_can_be_what_speaks(stage):
    told, *_ = run(Unlucky(stage).speak())

    assert told == stage


@pytest.mark.parametrize(("earlier", "later"), list(pairwise(STAGES)))
def test_of_two_neighbours_the_earlier_speaks(earlier, later):
    told, *_ = run(Unlucky(earlier, later).speak())

    assert told == earlier


@pytest.mark.parametrize("stage", STAGES)
def test_of_all_that_is_wrong_from_a_stage_on_that_stage_speaks(stage):
    from_here_on = list(STAGES)[list(STAGES).index(stage) :]

    told, *_ = run(Unlucky(*from_here_on).speak())

    assert told == stage


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "call"])
def test_what_stops_before_the_call_calls_nothing_and_holds_nothing(stage):
    async def story():
        _, door, before = await Unlucky(stage).speak()

        assert len(door.transport.calls) == before
        for name in (f"mission/{MISSION}", "tenant/default"):
            assert (await door.budget(name))[1] == 0

    run(story())


@pytest.mark.parametrize("stage", [s for s in STAGES if s not in {"halted", "record", "obligations", "intent", "call"}])
def test_every_refusal_is_on_record_with_its_rule(stage):
    async def story():
        _, door, _ = await Unlucky(stage).speak()

        assert [rule for _, rule in await door.refusals()] == [STAGES[stage]]

    run(story())


def test_an_intent_is_durable_before_the_tool_is_called():
    seen = []

    async def story():
        async def look(**_):
            seen.extend(entry.kind for entry in await door.entries())
            return {}

        door = await a_door(a_tool("erp__write", tier="restricted-write"), transport=FakeTransport(write=look))
        await door.call("erp__write")

        assert seen == ["call.permitted"]
        assert [entry.kind for entry in await door.entries()] == ["call.permitted", "call.done"]

    run(story())


@pytest.mark.parametrize("scope", ["tenant", "agent/payer", "tool/erp__write", f"mission/{MISSION}"])
def test_a_halt_that_another_process_wrote_a_moment_ago_takes_no_intent(scope):
    async def story():
        door = await a_door(a_tool("erp__write", tier="restricted-write"))
        await door.store.commit(Commit((a_halt(scope),)))

        with pytest.raises(Interrupted) as stop:
            await door.call("erp__write")

        assert stop.value.cause.code == "halted"
        assert door.transport.calls == []
        assert await door.entries() == []

    run(story())


def test_a_halt_of_something_else_and_one_that_was_lifted_stop_nothing():
    async def story():
        door = await a_door(a_tool("erp__write", tier="restricted-write"))
        for halt in (a_halt("tool/erp__other"), a_halt("tenant"), a_halt("tenant", "halt.lifted")):
            await door.store.commit(Commit((halt,)))

        await door.call("erp__write")

        assert door.transport.made == ["write"]
        assert door.door.controls.halts == {"tool/erp__other"}

    run(story())


def test_a_halt_found_at_the_intent_cuts_what_is_under_way():
    async def story():
        async def waits(**_):
            reading.set()
            await asyncio.Event().wait()

        reading = asyncio.Event()
        door = await a_door(a_tool("erp__read"), a_tool("erp__other"), transport=FakeTransport(read=waits))
        slow = asyncio.create_task(door.call("erp__read"))
        await reading.wait()
        await door.store.commit(Commit((a_halt("tool/erp__read"),)))

        await door.call("erp__other")

        with pytest.raises(Interrupted) as stop:
            await slow
        assert stop.value.cause.code == "halted"

    run(story())


def a_halt(scope, kind="halt.set"):
    return Draft(halts_stream("default"), kind, {"scope": scope}, "principal:anna", 1)


def test_an_ended_mission_takes_no_intent():
    async def story():
        door = await a_door(a_tool("erp__write", tier="restricted-write"))
        closing = Draft(door.caller().mission_stream, "mission.cancelled", {}, "anna", 1, closes=True)
        await door.store.commit(Commit((closing,)))

        with pytest.raises(Interrupted) as stop:
            await door.call("erp__write")

        assert stop.value.cause.code == "mission_ended"
        assert door.transport.calls == []

    run(story())


def test_a_refusal_stands_where_the_record_cannot_be_written(caplog):
    async def story():
        door = await a_door(a_tool("erp__write"), policies=[])

        async def full(_commit):
            raise StoreUnreachable("full")

        door.door.journal = type("Full", (), {"commit": staticmethod(full)})()
        with pytest.raises(RemitError, match=r"(?i)no active policy"):
            await door.call("erp__write")

        assert door.transport.calls == []

    run(story())
    assert "no_policy" in caplog.text
