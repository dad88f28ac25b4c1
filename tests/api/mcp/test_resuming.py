"""A caller whose stream broke comes back with the last event's id, and is told the rest, once and on that stream."""

import asyncio
import json

import pytest
from tests.api.mcp.house import a_house, run

from remit.api.mcp.replay import _BYTES_MAX, _EVENTS_MAX, _STREAMS_MAX, Shelf

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
PROGRESS = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "tools/call",
    "params": {"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": "p"}},
}


async def events(stream):
    """The events of a stream: id and message; None for one without."""
    name, data = "", ""
    async for line in stream.aiter_lines():
        if line.startswith("id:"):
            name = line[3:].strip()
        elif line.startswith("data:"):
            data = line[5:].strip()
        elif not line and (name or data):
            yield name, json.loads(data) if data else None
            name = data = ""


async def opened(http, path="/mcp/full"):
    begun = await http.post(path, json=INITIALIZE)
    return {"mcp-session-id": begun.headers["mcp-session-id"]}


def listening(own, last=None):
    return {**own, "accept": "text/event-stream", **({"last-event-id": last} if last else {})}


def test_the_rest_of_a_call_is_told_to_a_caller_who_comes_back(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            own = await opened(http)
            async with http.stream("POST", "/mcp/full", json=PROGRESS, headers=own) as stream:
                told = events(stream)
                first, message = await anext(told)
                assert message["params"]["progress"] == 0
                await told.aclose()
            # The connection is gone; the call goes on, and its answer is kept.
            async with http.stream("GET", "/mcp/full", headers=listening(own, first)) as stream:
                rest = [event async for event in events(stream)]
            again = await http.get("/mcp/full", headers=listening(own, rest[-2][0]))
            other = await opened(http)
            foreign = await http.get("/mcp/full", headers=listening(other, first))
            unknown = await http.get("/mcp/full", headers=listening(own, "nothing"))
            return rest, again.text, foreign.status_code, unknown.status_code

    rest, again, foreign, unknown = run(story())

    assert [message["params"]["progress"] for _, message in rest[:-1]] == [50, 100]
    assert rest[-1][1]["id"] == 7
    assert not rest[-1][1]["result"].get("isError")
    assert again.count("data:") == 1
    assert (foreign, unknown) == (400, 400)


def test_a_call_that_says_nothing_on_the_way_can_be_gone_on_with_too(tmp_path, monkeypatch):
    monkeypatch.setattr("remit.api.mcp.exchange._PING_SECONDS", 0.1)
    slow = {**PROGRESS, "params": {"name": "test_slow", "arguments": {}}}

    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            own = await opened(http)
            async with http.stream("POST", "/mcp/full", json=slow, headers=own) as stream:
                told = events(stream)
                start, nothing = await anext(told)
                await told.aclose()
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
            assert (await http.post("/mcp/full", json=cancel, headers=own)).status_code == 202
            async with http.stream("GET", "/mcp/full", headers=listening(own, start)) as stream:
                return nothing, [message async for _, message in events(stream)]

    nothing, (answer,) = run(story())

    assert nothing is None
    assert answer["id"] == 7
    assert "took the request back" in answer["error"]["message"]


def test_a_listener_who_comes_back_hears_what_was_said_meanwhile(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            own = await opened(http, "/mcp")
            async with http.stream("GET", "/mcp", headers=listening(own)) as stream:
                start, nothing = await anext(events(stream))
                assert nothing is None
            await house.halt("tool/acme__vendor")
            async with http.stream("GET", "/mcp", headers=listening(own, start)) as stream:
                told = events(stream)
                _, message = await anext(told)
                while message is None:
                    name, message = await anext(told)
            # Once heard, it is not told again; and a second connection takes the stream over.
            async with http.stream("GET", "/mcp", headers=listening(own, name)) as older:
                before = events(older)
                assert (await anext(before))[0] == name
                async with http.stream("GET", "/mcp", headers=listening(own, name)) as newer:
                    assert (await anext(events(newer)))[0] == name
                    left = [event async for event in before]
            return message, left

    message, left = run(story())

    assert message["method"] == "notifications/tools/list_changed"
    assert left == []


def test_what_is_kept_is_bounded():
    shelf = Shelf()
    replay = shelf.open("anna")
    for number in range(_EVENTS_MAX + 10):
        replay.add({"n": number})
    assert len(replay.after(0)) == _EVENTS_MAX
    assert shelf.find("anna", f"{replay.name}-9") is None
    found, number = shelf.find("anna", f"{replay.name}-10")
    assert (found, number, len(found.after(number))) == (replay, 10, _EVENTS_MAX)
    assert shelf.find("bert", f"{replay.name}-10") is None

    for _ in range(4):
        replay.add({"text": "x" * (_BYTES_MAX // 2)})
    assert shelf.bytes <= _BYTES_MAX

    others = [shelf.open("anna") for _ in range(_STREAMS_MAX)]
    assert shelf.find("anna", f"{replay.name}-{replay.last}") is None
    assert shelf.find("anna", f"{others[0].name}-0") == (others[0], 0)
    replay.add({"after": "it was forgotten"})
    assert shelf.bytes == 0
    shelf.drop("anna")
    assert others[0].ended
    assert shelf.find("anna", f"{others[0].name}-0") is None


def test_all_callers_together_are_bounded(monkeypatch):
    monkeypatch.setattr("remit.api.mcp.replay._TOTAL_BYTES_MAX", 1000)
    shelf = Shelf()
    streams = [shelf.open(f"caller {number}") for number in range(10)]
    for replay in streams:
        replay.add({"text": "x" * 300})

    assert shelf.bytes <= 1000
    assert shelf.find("caller 0", f"{streams[0].name}-0") is None
    assert shelf.find("caller 9", f"{streams[9].name}-0") == (streams[9], 0)


@pytest.mark.parametrize("text", ["", "-", "1-", "1-x", "1--1", "x-1", "1-99", "1-" + "9" * 400, "1-\u0663"])
def test_an_id_that_is_none_is_no_stream(text):
    shelf = Shelf()
    shelf.open("anna").add({})

    assert shelf.find("anna", text) is None


def test_whoever_waits_is_woken_by_what_comes_and_by_the_end():
    async def story():
        replay = Shelf().open("anna")
        assert not await replay.more(0, 0.01)
        waiting = asyncio.ensure_future(replay.more(0, 20))
        await asyncio.sleep(0)
        replay.add({})
        assert await waiting
        waiting = asyncio.ensure_future(replay.more(1, 20))
        await asyncio.sleep(0)
        replay.end()
        assert await waiting

    run(story())
