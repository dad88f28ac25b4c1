"""Intent before effect, outcome after, one name for each effect: what a run finds on its tape."""

import asyncio
import os

import pytest
from tests.gateway.builders import MISSION, FakeTransport, a_door, a_tool, approved, run

from remit.errors import (
    EffectUncertain,
    InvalidArguments,
    LoopStopped,
    ToolFailed,
    ToolUnavailable,
    ToolUnreachable,
)
from remit.gateway import Interrupted, Leave, Suspended, ToolResult
from remit.ids import ApprovalId
from remit.ledger import Commit
from remit.state import Pointer


def a_write(name="erp__write", **fields):
    return a_tool(name, tier="restricted-write", **fields)


async def lost(door, tool="erp__write", *, instead=ToolUnreachable, **arguments):
    """A call that was begun and whose outcome never came."""

    async def silent(**_):
        raise instead("no answer")

    name = tool.split("__")[1]
    door.transport.functions[name] = silent
    with pytest.raises(instead):
        await door.call(tool, **arguments)
    del door.transport.functions[name]
    await door.crashed()


# --- answered from the record


@pytest.mark.parametrize("tool", [a_write(), a_tool("erp__write")], ids=["write", "read"])
def test_a_call_on_record_is_answered_from_it(tool):
    async def story():
        door = await a_door(tool)
        first = await door.call("erp__write", n=1)
        await door.crashed()

        assert await door.call("erp__write", n=1) == first
        assert len(door.transport.calls) == 1

    run(story())


@pytest.mark.parametrize("stored", [{"n": 1}, {"n": 2}, None], ids=["these", "others", "none"])
def test_the_arguments_on_record_can_be_opened_whatever_was_said_to_be_stored_before(stored):
    async def story():
        door = await a_door(a_write())
        vault = door.door.vault
        sealed = ""
        if stored is not None:
            pointer, body = vault.seal(MISSION, stored)
            await door.store.commit(Commit((), (body,)))
            sealed = pointer.cid

        await door.call("erp__write", sealed=sealed, n=1)

        (permit,) = await door.entries("call.permitted")
        assert await vault.open(Pointer(MISSION, permit.payload["args"])) == {"n": 1}

    run(story())


def test_the_same_call_twice_in_one_run_is_two_calls_with_two_keys():
    async def story():
        door = await a_door(a_write())

        await door.call("erp__write", 0, n=1)
        await door.call("erp__write", 1, n=1)
        await door.crashed()
        await door.call("erp__write", 1, n=1)

        assert len({key for _, _, key in door.transport.calls}) == 2
        assert len(door.transport.calls) == 2

    run(story())


def test_calls_at_once_are_each_answered_from_the_record_in_whatever_order_they_come():
    async def story():
        door = await a_door(a_tool("erp__read"), transport=FakeTransport(read=lambda n: {"n": n}))
        await asyncio.gather(*(door.call("erp__read", n=n) for n in range(5)))
        await door.crashed()

        answers = await asyncio.gather(*(door.call("erp__read", n=n) for n in reversed(range(5))))

        assert [answer["n"] for answer in answers] == [4, 3, 2, 1, 0]
        assert len(door.transport.calls) == 5

    run(story())


def test_a_retry_reads_anew_and_writes_nothing_twice():
    async def story():
        door = await a_door(a_write(), a_tool("erp__read"))
        await door.call("erp__read")
        await door.call("erp__write", n=1)
        await door.crashed()
        door.caller_fields = {"attempt": 2}

        await door.call("erp__read")
        await door.call("erp__write", n=1)

        assert door.transport.made == ["read", "write", "read"]

    run(story())


def test_the_tools_own_error_is_on_record_and_is_the_same_again():
    async def story():
        door = await a_door(
            a_write(), transport=FakeTransport(write=lambda **_: ToolResult({}, error="account closed"))
        )
        told = []
        for _ in range(2):
            with pytest.raises(ToolFailed) as failed:
                await door.call("erp__write")
            told.append((failed.value.detail, failed.value.rule))
            await door.crashed()

        assert told == [("account closed", "erp__write_failed")] * 2
        assert len(door.transport.calls) == 1
        assert await door.refusals() == []

    run(story())


def test_an_answer_that_is_too_large_is_the_tools_error_and_is_not_kept():
    async def story():
        huge = os.urandom(9 * 1024 * 1024).hex()
        door = await a_door(a_tool("erp__read"), transport=FakeTransport(read=lambda **_: {"text": huge}))

        with pytest.raises(ToolFailed, match="bytes"):
            await door.call("erp__read")

        (done,) = await door.entries("call.done")
        assert len(await door.store.blob(MISSION, done.payload["result"])) < 1000

    run(story())


# --- writes whose outcome is not known


def test_an_idempotent_write_is_finished_under_the_same_key():
    async def story():
        door = await a_door(a_write(idempotent=True))
        await lost(door, n=1)

        await door.call("erp__write", n=1)

        assert [key for _, _, key in door.transport.calls] == [door.transport.calls[0][2]] * 2
        assert len(await door.entries("call.permitted")) == 1

    run(story())


def test_an_idempotent_write_that_is_never_answered_goes_to_a_person_in_the_end():
    async def story():
        door = await a_door(a_write(idempotent=True))
        await lost(door, n=1)
        door.caller_fields = {"attempt": 4}

        with pytest.raises(Suspended) as wait:
            await door.call("erp__write", n=1)

        assert wait.value.about == "effect_uncertain"

    run(story())


def test_another_write_of_unknown_effect_goes_to_a_person_and_is_not_sent_again():
    async def story():
        door = await a_door(a_write())
        await lost(door, n=1)

        for _ in range(2):
            with pytest.raises(Suspended) as wait:
                await door.call("erp__write", n=1)

        assert wait.value.about == "effect_uncertain"
        assert len(door.transport.calls) == 1

    run(story())


def test_a_person_who_saw_the_effect_makes_the_call_count_as_done():
    async def story():
        door = await a_door(a_write())
        await lost(door, n=1)
        with pytest.raises(Suspended) as wait:
            await door.call("erp__write", n=1)
        seen = Leave(ApprovalId("apr-1"), "anna", wait.value.binds, confirms_effect=True)

        assert await door.call("erp__write", n=1, leave=seen) == {"confirmed_by": "anna"}
        await door.crashed()
        assert await door.call("erp__write", n=1) == {"confirmed_by": "anna"}

        assert len(door.transport.calls) == 1

    run(story())


def test_what_a_person_saw_of_one_call_says_nothing_of_another():
    async def story():
        door = await a_door(a_write())
        await lost(door, n=1)
        with pytest.raises(Suspended) as wait:
            await door.call("erp__write", n=1)
        seen = Leave(ApprovalId("apr-1"), "anna", wait.value.binds, confirms_effect=True)
        door.caller_fields = {"step": "another"}
        await lost(door, n=1)

        with pytest.raises(Suspended):
            await door.call("erp__write", n=1, leave=seen)

    run(story())


def test_leave_to_make_a_call_does_not_say_that_it_took_effect():
    async def story():
        door = await a_door(a_tool("erp__write", tier="critical"))
        with pytest.raises(Suspended) as wait:
            await door.call("erp__write", n=1)
        leave = approved(wait.value)

        async def silent(**_):
            raise ToolUnreachable("no answer")

        door.transport.functions["write"] = silent
        with pytest.raises(ToolUnreachable):
            await door.call("erp__write", n=1, leave=leave)
        await door.crashed()

        with pytest.raises(Suspended) as uncertain:
            await door.call("erp__write", n=1, leave=leave)

        assert uncertain.value.about == "effect_uncertain"

    run(story())


def test_a_write_that_was_certainly_not_done_is_sent_again():
    async def story():
        door = await a_door(a_write())
        await lost(door, n=1, instead=ToolUnavailable)

        await door.call("erp__write", n=1)

        assert len(door.transport.calls) == 2
        assert [e.payload["try"] for e in await door.entries("call.permitted")] == [1, 2]

    run(story())


def test_what_is_certain_of_a_second_sending_says_nothing_of_the_first():
    async def story():
        door = await a_door(a_write(idempotent=True))
        await lost(door, n=1)
        await lost(door, n=1, instead=ToolUnavailable)

        assert await door.entries("call.lost") == []
        await door.call("erp__write", n=1)

        assert len({key for _, _, key in door.transport.calls}) == 1
        assert len(await door.entries("call.permitted")) == 1

    run(story())


# --- diverged


def test_another_write_than_the_one_on_record_goes_to_a_person():
    async def story():
        door = await a_door(a_write())
        await door.call("erp__write", n=1)
        await door.crashed()

        with pytest.raises(EffectUncertain) as diverged:
            await door.call("erp__write", n=2)

        assert diverged.value.rule == "diverged"
        assert len(door.transport.calls) == 1

    run(story())


def test_reads_do_not_diverge():
    async def story():
        door = await a_door(a_write(), a_tool("erp__read"))
        await door.call("erp__write", n=1)
        await door.crashed()

        await door.call("erp__read", n=2)
        await door.call("erp__write", n=1)
        await door.call("erp__write", n=2)

        assert door.transport.made == ["write", "read", "write"]

    run(story())


def test_a_write_that_came_to_nothing_does_not_hold_up_another():
    async def story():
        door = await a_door(a_write())
        await lost(door, n=1, instead=ToolUnavailable)

        await door.call("erp__write", n=2)

        assert [arguments["n"] for _, arguments, _ in door.transport.calls] == [1, 2]

    run(story())


def test_writes_at_once_of_which_one_came_to_nothing_do_not_diverge_when_tried_again():
    async def story():
        async def closed_at_first(n):
            if n == 1 and len(door.transport.calls) < 3:
                raise ToolUnavailable("closed")
            return {"n": n}

        door = await a_door(a_write(), transport=FakeTransport(write=closed_at_first))
        await asyncio.gather(*(door.call("erp__write", n=n) for n in (1, 2)), return_exceptions=True)
        await door.crashed()
        door.caller_fields = {"attempt": 2}

        answers = await asyncio.gather(*(door.call("erp__write", n=n) for n in (1, 2)))

        assert answers == [{"n": 1}, {"n": 2}]
        assert [arguments["n"] for _, arguments, _ in door.transport.calls] == [1, 2, 1]

    run(story())


# --- trust


def test_a_run_that_read_anything_from_outside_is_not_trusted_any_more():
    async def story():
        for tool, trusted in ((a_tool("erp__read", directory=True), True), (a_tool("erp__read"), False)):
            door = await a_door(tool)
            await door.call("erp__read")
            assert door.tape.label.trusted is trusted
            await door.crashed()
            await door.call("erp__read")
            assert door.tape.label.trusted is trusted

    run(story())


def test_what_a_model_wrote_carries_what_it_had_read():
    async def story():
        door = await a_door(a_tool("model__chat"), a_tool("web__read"))

        await door.call("model__chat", turn=1)
        assert door.tape.label.trusted
        await door.call("web__read")
        await door.call("model__chat", turn=2)
        await door.crashed()
        await door.call("model__chat", turn=1)

        done = [entry.payload["trusted"] for entry in await door.entries("call.done")]
        assert done == [True, False, False]

    run(story())


# --- stops


def test_a_replaced_driver_gets_no_intent_and_its_outcomes_are_still_recorded():
    async def story():
        async def replaced(**_):
            await door.store.take("another")
            return {"n": 1}

        door = await a_door(a_write(), a_tool("erp__read"), transport=FakeTransport(write=replaced))
        await door.call("erp__write")
        with pytest.raises(Interrupted) as stop:
            await door.call("erp__read")

        assert stop.value.cause.code == "driver_replaced"
        assert [entry.kind for entry in await door.entries()] == ["call.permitted", "call.done"]

    run(story())


def test_a_halt_cuts_a_read_under_way_and_books_it_and_lets_a_write_finish():
    async def story():
        begun = asyncio.Semaphore(0)
        release = asyncio.Event()

        async def slow(**_):
            begun.release()
            await release.wait()
            return {"done": True}

        door = await a_door(
            a_write(), a_tool("erp__read"), transport=FakeTransport(read=slow, write=slow)
        )  # fmt: skip
        reading, writing = (asyncio.create_task(door.call(tool)) for tool in ("erp__read", "erp__write"))
        await begun.acquire()
        await begun.acquire()
        controls = door.door.controls
        door.door.controls = type(controls)(controls.registry, controls.policies, frozenset({"tenant"}))
        door.door.cut_halted()

        with pytest.raises(Interrupted) as stop:
            await reading
        release.set()
        assert await writing == {"done": True}

        assert stop.value.cause.code == "halted"
        kinds = [entry.kind for entry in await door.entries()]
        assert sorted(kinds) == ["call.done", "call.lost", "call.permitted", "call.permitted"]

    run(story())


def test_a_source_that_fails_to_answer_is_left_alone_for_a_while():
    async def story():
        async def silent(**_):
            raise ToolUnreachable("no")

        door = await a_door(a_tool("erp__read"), a_tool("web__read"), transport=FakeTransport(read=silent))
        for n in range(5):
            with pytest.raises(ToolUnreachable):
                await door.call("erp__read", n=n)

        with pytest.raises(ToolUnreachable, match="left alone"):
            await door.call("erp__read", n=6)
        assert len(door.transport.calls) == 5

        door.clock.move(seconds=31)
        door.transport.functions.clear()
        await door.call("erp__read", n=7)
        assert len(door.transport.calls) == 6

    run(story())


def test_a_clock_that_is_set_back_makes_no_rest_longer():
    async def story():
        async def silent(**_):
            raise ToolUnreachable("no")

        door = await a_door(a_tool("erp__read"), transport=FakeTransport(read=silent))
        for n in range(5):
            with pytest.raises(ToolUnreachable):
                await door.call("erp__read", n=n)

        door.clock.move(seconds=-86_400)
        door.transport.functions.clear()
        await door.call("erp__read", n=6)
        assert len(door.transport.calls) == 6

    run(story())


def test_a_source_takes_a_bounded_number_of_calls_at_once():
    most = under_way = 0

    async def story():
        async def count(**_):
            nonlocal most, under_way
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            return {}

        door = await a_door(a_tool("erp__read"), transport=FakeTransport(read=count))
        await asyncio.gather(*(door.call("erp__read", n=n) for n in range(100)))

        assert most == 32

    run(story())


# --- arguments


def test_argument_errors_name_places_and_never_values():
    async def story():
        secret = "4111-SECRET-1111"
        schema = {
            "account": {"type": "string", "pattern": "^[A-Z]{2}$", "maxLength": 4},
            "kind": {"enum": ["a", "b"]},
            "n": {"type": "integer"},
            "fixed": {"const": 1},
        }
        door = await a_door(a_tool("erp__read", properties=schema, required=["must"]))

        with pytest.raises(InvalidArguments) as refused:
            await door.call("erp__read", account=secret, kind=secret, n=secret, fixed=secret)

        assert "SECRET" not in str(refused.value)
        assert all(place in refused.value.detail for place in ("account", "kind", "n", "must"))
        assert door.transport.calls == []

    run(story())


@pytest.mark.parametrize("keyword", ["additionalProperties", "propertyNames"])
def test_not_even_the_names_of_unknown_arguments_carry_values_on(keyword):
    async def story():
        rule = {keyword: {"maxLength": 3} if keyword == "propertyNames" else False}
        tool = a_tool("erp__read")
        door = await a_door(type(tool)(tool.name, tool.source, "", {"type": "object", **rule}, tool.tier))

        with pytest.raises(InvalidArguments):
            await door.call("erp__read", unknown="x-SECRET-x")

    run(story())


def test_a_loop_is_stopped_before_it_costs_and_after_a_restart_as_well():
    async def story():
        door = await a_door(a_tool("erp__read"), transport=FakeTransport(read=lambda **_: {"status": "pending"}))
        for n in range(3):
            await door.call("erp__read", n)
        await door.crashed()

        with pytest.raises(LoopStopped) as stopped:
            await door.call("erp__read", 3)

        assert stopped.value.rule == "R1"
        assert len(door.transport.calls) == 3

    run(story())
