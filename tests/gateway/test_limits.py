"""Admission: rates, places at once, queues that are fair by weight, and a rest for a source that does not answer."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.gateway.builders import FakeClock, FakeTransport, a_door, a_tool, an_agent, run, some_controls

from remit.errors import Overloaded, RateLimited, ToolUnavailable, ToolUnreachable
from remit.gateway import Admission, ToolResult
from remit.gateway.fair import FairGate
from remit.gateway.limits import Asks
from remit.registry import CallLimits, StoredResource

TOOL = a_tool("crm__find")


def asks(agent="clerk", tool=TOOL, **limits):
    return Asks("acme", agent, tool, **limits)


async def knock(admission, wish, times=1):
    for _ in range(times):
        async with admission.admit(wish):
            pass


# --- rates


@pytest.mark.parametrize("whose", ["of_agent", "of_tool", "of_source"])
def test_a_rate_lets_a_burst_through_and_then_says_when_to_come_again(whose):
    async def story():
        clock = FakeClock()
        admission = Admission(clock)
        wish = asks(**{whose: CallLimits(per_second=2, burst=3)})
        await knock(admission, wish, 3)
        with pytest.raises(RateLimited) as refused:
            await knock(admission, wish)
        assert refused.value.retry_after_seconds == pytest.approx(0.5)
        clock.move(seconds=0.5)
        await knock(admission, wish)
        with pytest.raises(RateLimited):
            await knock(admission, wish)

    run(story())


def test_a_call_that_one_rate_refuses_counts_for_no_other():
    async def story():
        admission = Admission(FakeClock())
        generous, strict = CallLimits(per_second=1, burst=2), CallLimits(per_second=1, burst=1)
        await knock(admission, asks("a", of_tool=strict))
        for _ in range(5):
            with pytest.raises(RateLimited):
                await knock(admission, asks("b", of_agent=generous, of_tool=strict))
        await knock(admission, asks("b", of_agent=generous), 2)

    run(story())


def test_a_clock_that_is_set_back_keeps_nobody_out():
    async def story():
        clock = FakeClock()
        admission = Admission(clock)
        wish = asks(of_agent=CallLimits(per_second=1, burst=1))
        await knock(admission, wish)
        clock.move(hours=-5)
        await knock(admission, wish)

    run(story())


# --- places


def test_a_full_source_keeps_callers_waiting_and_a_full_queue_turns_them_away():
    async def story():
        admission = Admission(FakeClock())
        wish = asks(of_source=CallLimits(concurrent=1, queue=1))
        async with AsyncExitStack() as inside:
            await inside.enter_async_context(admission.admit(wish))
            second = asyncio.create_task(knock(admission, wish))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded) as refused:
                await knock(admission, wish)
            assert refused.value.retry_after_seconds >= 1
            assert admission.health()["crm"]["waiting"] == 1
            assert not second.done()
        await second
        assert admission.health()["crm"] == {"state": "closed", "failures": 0, "under_way": 0, "waiting": 0}

    run(story())


def served(gate, *arrivals):
    """The order in which those who arrived get the one place."""

    async def story():
        order = []
        await gate.enter("first")

        async def one(flow, weight):
            await gate.enter(flow, weight)
            order.append(flow)
            gate.leave(0.01)

        tasks = [asyncio.create_task(one(flow, weight)) for flow, weight in arrivals]
        await asyncio.sleep(0)
        gate.leave(0.01)
        await asyncio.gather(*tasks)
        assert gate.taken == 0
        return order

    return run(story())


def test_one_callers_crowd_does_not_keep_another_waiting():
    order = served(FairGate("gate", 1, 1000), *[("crowd", 1)] * 50, ("guest", 1))
    assert order.index("guest") <= 1


def test_weights_share_a_busy_gate():
    order = served(FairGate("gate", 1, 1000), *[("light", 1)] * 30, *[("heavy", 3)] * 30)
    assert 14 <= order[:20].count("heavy") <= 16


def test_who_goes_while_waiting_takes_no_place_along():
    async def story():
        gate = FairGate("gate", 1, 10)
        await gate.enter("a")
        waiting = [asyncio.create_task(gate.enter("b")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        gate.leave(0.1)
        waiting[0].cancel()  # in the moment in which the place comes
        await asyncio.gather(*waiting, return_exceptions=True)
        assert waiting[2].done()
        assert not waiting[2].cancelled()
        gate.leave(0.1)
        assert (gate.taken, gate.waiting) == (0, 0)

    run(story())


# --- the breaker


def test_a_source_that_does_not_answer_rests_and_one_call_goes_ahead_to_see():
    async def story():
        clock = FakeClock()
        admission = Admission(clock)
        for _ in range(5):
            admission.unreachable("crm")
        with pytest.raises(ToolUnavailable) as resting:
            await knock(admission, asks())
        assert (resting.value.rule, resting.value.retry_after_seconds) == ("breaker", 30)
        await knock(admission, asks(tool=a_tool("erp__read")))  # others are not slowed

        clock.move(seconds=31)
        async with admission.admit(asks()):
            with pytest.raises(ToolUnavailable):
                await knock(admission, asks())
            admission.unreachable("crm")
        clock.move(seconds=31)
        with pytest.raises(ToolUnavailable):  # it failed again, so it rests for longer
            await knock(admission, asks())
        clock.move(seconds=30)
        async with admission.admit(asks()):
            admission.answered("crm")
        await knock(admission, asks(), 3)
        assert admission.health()["crm"]["state"] == "closed"

    run(story())


def test_one_that_goes_ahead_and_is_given_up_leaves_the_way_free():
    async def story():
        clock = FakeClock()
        admission = Admission(clock)
        for _ in range(5):
            admission.unreachable("crm")
        clock.move(seconds=31)
        with pytest.raises(KeyError):
            async with admission.admit(asks()):
                raise KeyError
        await knock(admission, asks())

    run(story())


# --- through the door


def source(name, **tools):
    fields = {"name": name, "python": {"module": "m"}, "tools": tools}
    return StoredResource("ToolSource", name, fields)


def down(**_):
    raise ToolUnavailable("refused", rule="not_sent")


def silent(**_):
    raise ToolUnreachable("no answer")


@pytest.mark.parametrize(
    ("tier", "fault", "stands_in"),
    [("read-only", down, True), ("read-only", silent, True), ("critical", down, True), ("critical", silent, False)],
)
def test_another_source_stands_in_where_nothing_can_have_been_done(tier, fault, stands_in):
    tools = [a_tool("crm__find", tier="restricted-write" if tier == "critical" else tier), a_tool("spare__find")]

    async def story():
        door = await a_door(*tools, transport=FakeTransport(find=fault))
        door.door.controls = some_controls(*tools, resources=[source("crm", find={"instead": ["spare__find"]})])
        door.door.transports = {"crm": door.transport, "spare": FakeTransport(find=lambda **_: ToolResult("spare"))}
        if stands_in:
            assert await door.call("crm__find") == "spare"
            assert [e.payload["tool"] for e in await door.entries("call.permitted")] == ["crm__find", "spare__find"]
        else:
            with pytest.raises(ToolUnreachable):
                await door.call("crm__find")

    run(story())


def test_a_stand_in_needs_its_own_grant():
    tools = [a_tool("crm__find"), a_tool("spare__find")]

    async def story():
        door = await a_door(*tools, transport=FakeTransport(find=down))
        door.door.controls = some_controls(*tools, resources=[source("crm", find={"instead": ["spare__find"]})])
        door.caller_fields["agent_tools"] = ("crm__*",)
        with pytest.raises(Exception, match="was not given spare__find"):
            await door.call("crm__find")

    run(story())


def test_limits_of_an_agent_hold_at_the_door_and_are_on_record():
    async def story():
        door = await a_door(a_tool("crm__find"))
        limits = {"rate": "2/minute", "burst": 2}
        door.door.controls = some_controls(a_tool("crm__find"), resources=[an_agent("payer", limits=limits)])
        for n in range(2):
            await door.call("crm__find", n)
        with pytest.raises(RateLimited) as refused:
            await door.call("crm__find", 2)
        assert 1 < refused.value.retry_after_seconds <= 30
        assert await door.refusals() == [("crm__find", "rate")]

    run(story())
