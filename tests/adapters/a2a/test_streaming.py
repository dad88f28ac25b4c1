"""Agents elsewhere that stream: tasks are heard as they go on, and looked at where the stream breaks off."""

import asyncio

import pytest
from tests.adapters.a2a.agent import Clerk, a_transport, serving

from remit.errors import ToolUnreachable
from remit.tools import Tier, Tool

FIND = Tool("clerk__orders.find", "clerk", "", {"type": "object"}, tier=Tier.READ, timeout_seconds=20.0)


def cutting(app):
    """The same agent behind something that cuts each stream off after its first event."""

    async def around(scope, receive, send):
        streams, sent = False, 0

        async def some(message):
            nonlocal streams, sent
            if message["type"] == "http.response.start":
                streams = b"text/event-stream" in dict(message["headers"]).get(b"content-type", b"")
            elif streams and message.get("body"):
                sent += 1
                if sent > 1:
                    raise ConnectionResetError
            await send(message)

        await app(scope, receive, some)

    return around


def asked(card, text, *, seconds=20.0):
    async def ask():
        transport = a_transport(card)
        tool = Tool(FIND.name, "clerk", "", {"type": "object"}, tier=Tier.READ, timeout_seconds=seconds)
        try:
            return await transport.call(tool, {"text": text}, idempotency_key="k-1")
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(ask(), 60))


@pytest.mark.parametrize("streaming", [True, False], ids=["streams", "is looked at"])
@pytest.mark.parametrize(("path", "binding"), [("/a2a", "JSONRPC"), ("/rest", "HTTP+JSON")])
def test_what_comes_of_a_task_is_the_same_whichever_way_it_is_followed(path, binding, streaming):
    with serving(path=path, binding=binding, streaming=streaming) as card:
        done = asked(card, "orders please")
        at_once = asked(card, "at-once")
        waiting = asked(card, "ask me")
        failed = asked(card, "fail")

    assert done.content["state"] == "completed"
    assert done.content["artifacts"][0]["data"] == [{"count": 2, "sum": 1.5}]
    assert done.content["message"] == "here it is"
    assert at_once.content["text"] == "done at once"
    assert waiting.content["state"] == "input-required"
    assert "out of paper" in failed.error


def test_a_task_that_streams_for_too_long_is_told_to_stop():
    clerk = Clerk()
    with serving(clerk, streaming=True) as card, pytest.raises(ToolUnreachable, match="not done in 1 seconds"):
        asked(card, "slow", seconds=1.0)

    assert len(clerk.cancelled) == 1


def test_a_stream_that_breaks_off_loses_nothing():
    clerk = Clerk()
    with serving(clerk, streaming=True, around=cutting) as card:
        done = asked(card, "orders please")

    assert done.content["state"] == "completed"
    assert done.content["artifacts"][0]["data"] == [{"count": 2, "sum": 1.5}]
    assert len(clerk.heard) == 1
