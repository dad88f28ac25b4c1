"""How widely what was read may be told: the door joins it, and asks before a tool hears more than it is cleared for."""

import pytest
from tests.gateway.builders import a_door, a_tool, approved, run

from remit.errors import ToolFailed
from remit.gateway import ToolResult
from remit.gateway.call import Suspended
from remit.registry.pins import tool_from_json, tool_to_json
from remit.tools import Confidentiality, Label, Origin, Role

PUBLIC, INTERNAL, CONFIDENTIAL = Confidentiality
URL = Role("url", "url", frozenset(Origin))


async def a_door_to_tell(**post):
    return await a_door(
        a_tool("hr__salary", confidentiality=CONFIDENTIAL),
        a_tool("wiki__page"),
        a_tool("news__page", confidentiality=PUBLIC),
        a_tool("model__gpt"),
        a_tool("blog__post", tier="restricted-write", **post),
    )


async def asked(door, tool="blog__post", **arguments):
    try:
        await door.call(tool, len(door.transport.calls), **arguments)
    except Suspended as wait:
        return [question.rule for question in wait.questions]
    return []


@pytest.mark.parametrize(
    ("cleared", "read", "asks"),
    [
        (None, "news", False),
        (None, "wiki", False),
        (None, "hr", True),
        (PUBLIC, "news", False),
        (PUBLIC, "wiki", True),
        (PUBLIC, "hr", True),
        (INTERNAL, "hr", True),
        (CONFIDENTIAL, "hr", False),
    ],
)
def test_a_sink_hears_no_more_than_it_is_cleared_for_unasked(cleared, read, asks):
    async def story():
        door = await a_door_to_tell(clearance=cleared)
        await door.call({"news": "news__page", "wiki": "wiki__page", "hr": "hr__salary"}[read])

        assert await asked(door, text="hello") == (["flow_clearance"] if asks else [])

    run(story())


def test_what_a_model_wrote_carries_the_join_of_all_that_it_had_read():
    async def story():
        door = await a_door_to_tell(clearance=PUBLIC)
        await door.call("news__page")
        await door.call("model__gpt", prompt="sum up")
        assert not await asked(door, text="sum")
        await door.call("hr__salary")
        await door.call("model__gpt", prompt="sum up again")
        (*_, done) = await door.entries("call.done")

        assert done.payload["confidentiality"] == "confidential"
        assert await asked(door, text="sum again") == ["flow_clearance"]

    run(story())


def test_asking_a_foreign_address_after_reading_something_confidential_asks():
    async def story():
        door = await a_door(a_tool("hr__salary", confidentiality=CONFIDENTIAL), a_tool("web__get", roles={"url": URL}))
        assert not await asked(door, "web__get", url="https://a.example/1")
        await door.call("hr__salary")
        assert await asked(door, "web__get", url="https://a.example/2") == ["flow_clearance"]

    run(story())


def test_a_model_that_is_cleared_for_less_is_not_told_unasked():
    async def story():
        door = await a_door(
            a_tool("hr__salary", confidentiality=CONFIDENTIAL), a_tool("model__far", clearance=INTERNAL)
        )
        await door.call("hr__salary")
        assert await asked(door, "model__far", prompt="x") == ["flow_clearance"]

    run(story())


def test_a_persons_yes_lets_exactly_that_call_through_and_lowers_no_label():
    async def story():
        door = await a_door_to_tell()
        await door.call("hr__salary")
        with pytest.raises(Suspended) as wait:
            await door.call("blog__post", text="salaries rise")
        await door.call("blog__post", text="salaries rise", leave=approved(wait.value))
        assert door.transport.made[-1] == "post"
        assert await asked(door, text="another") == ["flow_clearance"]

    run(story())


def test_an_error_tells_too():
    async def story():
        door = await a_door_to_tell()
        door.transport.functions["salary"] = lambda **_: ToolResult(None, error="anna earns 5000")
        with pytest.raises(ToolFailed):
            await door.call("hr__salary")
        assert await asked(door, text="hello") == ["flow_clearance"]

    run(story())


def test_what_a_step_has_read_is_known_from_the_record():
    async def story():
        door = await a_door_to_tell()
        await door.call("hr__salary")
        await door.crashed()
        assert door.log.read(door.caller().step) == Label(trusted=False, confidentiality=CONFIDENTIAL)

    run(story())


def test_an_entry_from_before_confidentiality_was_recorded_is_internal():
    async def story():
        door = await a_door_to_tell()
        await door.call("wiki__page")
        (done,) = await door.entries("call.done")
        assert "confidentiality" not in done.payload
        assert door.log.read(door.caller().step).confidentiality is INTERNAL

    run(story())


@pytest.mark.parametrize("one", list(Confidentiality))
@pytest.mark.parametrize("other", list(Confidentiality))
def test_a_join_covers_both_whichever_comes_first(one, other):
    there = Label(True, one).join(Label(False, other))
    back = Label(False, other).join(Label(True, one))

    assert there == back
    assert there.confidentiality.covers(one)
    assert there.confidentiality.covers(other)
    assert not there.trusted


def test_a_declaration_of_what_may_be_told_is_pinned_and_kept_and_none_leaves_the_pin_as_it_was():
    bare = a_tool("blog__post", tier="restricted-write", roles={"url": URL})
    declared = a_tool(
        "blog__post",
        tier="restricted-write",
        clearance=PUBLIC,
        confidentiality=CONFIDENTIAL,
        roles={"url": Role("url", "url", frozenset(Origin), allow=("https://a.example/",))},
    )

    assert declared.pin != bare.pin
    for tool in (bare, declared):
        assert tool_from_json(tool_to_json(tool)) == tool
