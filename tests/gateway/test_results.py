"""An answer that is not what the tool promised: a read fails, a write stands and only its answer is kept back."""

from dataclasses import replace

import pytest
from tests.gateway.builders import FakeTransport, a_door, a_payment, a_tool, run

from remit.errors import ToolFailed
from remit.gateway import ToolResult, results

PROMISE = {"outputSchema": {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}}


def told(tool, answer, name="read"):
    async def story():
        door = await a_door(tool, transport=FakeTransport(**{name: lambda **_: answer}))
        return await door.call(tool.name, **({"amount": "5.00", "payee": "V-1"} if tool.sink else {}))

    return run(story())


def test_an_answer_as_promised_passes():
    tool = replace(a_tool(), extra=PROMISE)
    assert told(tool, ToolResult({"total": 3})) == {"total": 3}


def test_an_answer_of_another_form_fails_without_its_values_in_the_error():
    tool = replace(a_tool(), extra=PROMISE)
    with pytest.raises(ToolFailed, match="not what the tool declares: total") as failed:
        told(tool, ToolResult({"total": "secret"}))
    assert "secret" not in failed.value.detail


def test_the_structured_part_counts_where_there_is_one():
    tool = replace(a_tool(), extra=PROMISE)
    raw = {"content": [{"type": "text", "text": "3"}], "structuredContent": {"total": 3}}
    assert told(tool, ToolResult({"text": "3"}, raw=raw)) == {"text": "3"}


def test_a_promise_that_cannot_be_read_is_none():
    tool = replace(a_tool(), extra={"outputSchema": {"type": "nonsense"}})
    assert told(tool, ToolResult({"total": 3})) == {"total": 3}


@pytest.mark.parametrize("how", ["form", "size"])
def test_a_write_whose_answer_is_withheld_has_taken_place_and_counts(how, monkeypatch):
    tool = replace(a_payment(), extra=PROMISE if how == "form" else {})
    answer = ToolResult({"total": "x"}) if how == "form" else ToolResult({"total": "".join(map(str, range(900)))})

    async def story():
        monkeypatch.setattr(results, "RESULT_BYTES_MAX", 500)
        door = await a_door(tool, transport=FakeTransport(pay=lambda **_: answer))
        assert "withheld" in await door.call("bank__pay", amount="5.00", payee="V-1")
        (done,) = await door.entries("call.done")
        assert done.payload["ok"]
        assert door.log.spent.total["USD"] == 5_000_000

    run(story())


def test_a_read_of_too_many_bytes_fails(monkeypatch):
    monkeypatch.setattr(results, "RESULT_BYTES_MAX", 500)
    with pytest.raises(ToolFailed, match="500 are taken"):
        told(a_tool(), ToolResult({"text": "".join(map(str, range(900)))}))


@pytest.mark.parametrize(
    "answer",
    [ToolResult({"text": "x" * 9_000}), ToolResult({"text": "short"}, raw={"content": "x" * 9_000})],
    ids=["content", "blocks"],
)
def test_bytes_are_counted_as_they_came_and_not_as_they_are_packed(monkeypatch, answer):
    monkeypatch.setattr(results, "RESULT_BYTES_MAX", 8_000)
    with pytest.raises(ToolFailed, match="bytes; 8000 are taken"):
        told(a_tool(), answer)
