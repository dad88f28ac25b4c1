"""Calls to a real agent that speaks A2A, and to some that do not."""

import asyncio

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from tests.adapters.egress.wire import answer, wire

from remit.adapters.egress import Injector
from remit.errors import CredentialRefused, EgressRefused, InvalidResource, RemitError, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import Handed
from remit.registry import Credential
from remit.tools import Tool

from .agent import Clerk, a_card, a_transport, serving


def a_tool(*, seconds=20.0, name="orders.find"):
    return Tool(f"clerk__{name}", "clerk", "", {"type": "object"}, timeout_seconds=seconds)


def done(transport, work):
    async def use():
        try:
            return await work(transport)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(use(), 60))


def asked(transport, arguments, *, seconds=20.0, key="the-key"):
    return done(transport, lambda t: t.call(a_tool(seconds=seconds), arguments, idempotency_key=key))


@pytest.fixture(scope="module")
def clerk():
    return Clerk()


@pytest.fixture(scope="module")
def card(clerk):
    with serving(clerk) as address:
        yield address


# --- Answers


def test_a_task_is_followed_to_its_end_and_its_artifacts_are_the_answer(card):
    content = asked(a_transport(card), {"text": "find"}).content

    assert (content["state"], content["text"], content["message"]) == ("completed", "two orders", "here it is")
    assert content["data"] == [{"count": 2, "sum": 1.5}]
    assert content["files"] == [{"name": "o.pdf", "media_type": "application/pdf", "base64": "cGRm"}]
    assert content["artifacts"][0]["name"] == "report"


def test_an_agent_may_answer_at_once_without_a_task(card):
    content = asked(a_transport(card), {"text": "at-once"}).content

    assert (content["state"], content["text"]) == ("completed", "done at once")
    assert "task" not in content


def test_an_agent_that_speaks_rest_is_asked_in_rest():
    with serving(path="/rest", binding="HTTP+JSON") as address:
        assert asked(a_transport(address), {"text": "find"}).content["text"] == "two orders"


@pytest.mark.parametrize(
    ("text", "error"),
    [("fail", "failed: the printer is out of paper"), ("reject", "rejected: not my job")],
)
def test_an_agents_no_is_the_tools_own_error(card, text, error):
    assert asked(a_transport(card), {"text": text}).error == error


def test_an_agent_that_breaks_tells_no_success(card):
    try:
        result = asked(a_transport(card), {"text": "break"})
    except ToolUnreachable:
        return

    assert result.error is not None


@pytest.mark.parametrize(
    ("text", "state", "message"),
    [("ask", "input-required", "which vendor?"), ("login", "auth-required", "log in first")],
)
def test_an_agent_that_waits_is_an_answer_with_which_one_can_go_on(card, text, state, message):
    async def talk(transport):
        first = await transport.call(a_tool(), {"text": text}, idempotency_key="one")
        task, context = first.content["task"], first.content["context"]
        again = {"text": "find Kranich", "task": task, "context": context}
        return first.content, (await transport.call(a_tool(), again, idempotency_key="two")).content

    waiting, ended = done(a_transport(card), talk)

    assert (waiting["state"], waiting["message"]) == (state, message)
    assert (ended["state"], ended["task"]) == ("completed", waiting["task"])


# --- What is sent


def test_a_message_carries_text_data_the_skill_and_the_calls_key(card, clerk):
    asked(a_transport(card), {"text": "find", "data": {"vendor": "Kranich", "n": 3}}, key="key-17")

    heard = clerk.heard[-1]
    assert heard["messageId"] == "key-17"
    assert [part.get("text") or part["data"] for part in heard["parts"]] == ["find", {"vendor": "Kranich", "n": 3}]
    assert heard["metadata"]["skill"] == "orders.find"


def test_work_that_is_handed_on_knows_the_skills_above_it(card, clerk):
    async def hand_on(transport):
        chain = ("payables.run", "payables.match")
        return await transport.delegate(a_tool(), {"text": "find"}, idempotency_key="k", handed=Handed(chain))

    done(a_transport(card), hand_on)

    metadata = clerk.heard[-1]["metadata"]
    assert metadata["remit/ancestry"] == ["payables.run", "payables.match"]
    assert metadata["remit/depth"] == 2


def test_a_call_without_words_or_data_is_not_sent(card):
    assert asked(a_transport(card), {}).error.startswith("invalid_arguments")


def test_a_task_that_takes_too_long_is_told_to_end(card, clerk):
    with pytest.raises(ToolUnreachable, match=r"not done in 0\.5 seconds; it was told to stop, and is canceled"):
        asked(a_transport(card), {"text": "slow"}, seconds=0.5)

    assert clerk.cancelled


def test_a_task_whose_caller_leaves_is_told_to_end(card, clerk):
    async def leave(transport):
        before = len(clerk.cancelled)
        leaving = asyncio.create_task(transport.call(a_tool(), {"text": "slow"}, idempotency_key="left"))
        while not any(heard["messageId"] == "left" for heard in clerk.heard):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return len(clerk.cancelled) - before

    assert done(a_transport(card), leave) == 1


def test_a_credential_goes_along_and_one_that_is_refused_says_so():
    class Known:
        secret = "right"

        async def resolve(self, _ref):
            return self.secret

        def refused(self, _ref):
            self.secret = "told"

    known = Known()
    injector = Injector(Credential("env:CLERK"), known)
    with serving(token="right") as address:
        assert asked(a_transport(address, injector=injector), {"text": "at-once"}).error is None
        known.secret = "wrong"
        with pytest.raises(CredentialRefused):
            asked(a_transport(address, injector=injector), {"text": "at-once"})

    assert known.secret == "told"


# --- Cards


def offered(transport):
    return done(transport, lambda t: t.definitions())


def test_each_skill_of_the_card_is_a_tool(card):
    tools = offered(a_transport(card))

    assert [tool["name"] for tool in tools] == ["orders.find", "orders.write"]
    assert tools[0]["description"] == "Orders.Find: Does orders.find."
    assert tools[0]["inputSchema"]["anyOf"] == [{"required": ["text"]}, {"required": ["data"]}]


def wired(handler, work):
    async def use():
        async with wire(handler) as server:
            transport = a_transport(f"{server.url}/card.json")
            try:
                return await work(transport)
            finally:
                await transport.close()

    return asyncio.run(asyncio.wait_for(use(), 60))


def described(asked, **changes):
    url = f"http://{asked.headers['host']}/a2a"
    return answer(200, orjson.dumps(MessageToDict(a_card(url, **changes))), content_type="application/json")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{}", InvalidResource),
        (b"no json", InvalidResource),
        (b"[]", InvalidResource),
        (b'{"skills": 3}', InvalidResource),
    ],
)
def test_what_is_no_card_is_refused(body, error):
    with pytest.raises(error):
        wired(lambda _: answer(200, body), lambda t: t.definitions())


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"version": "0.3.0"}, "JSONRPC 0.3.0"), ({"binding": "GRPC"}, "GRPC 1.0"), ({"skills": ()}, "names 0 skills")],
)
def test_a_card_that_cannot_be_used_says_why(changes, told):
    with pytest.raises(InvalidResource) as refused:
        wired(lambda one: described(one, **changes), lambda t: t.definitions())

    assert told in refused.value.detail


def test_messages_do_not_follow_the_card_to_another_place_unless_the_source_says_so():
    with serving(path="/a2a") as elsewhere:
        other = elsewhere.replace("/.well-known/agent-card.json", "/a2a")
        moved = orjson.dumps(MessageToDict(a_card(other)))

        async def both():
            async with wire(lambda _: answer(200, moved)) as server:
                with pytest.raises(EgressRefused, match="another place"):
                    await a_transport(f"{server.url}/card.json").definitions()
                transport = a_transport(f"{server.url}/card.json", endpoint=other)
                try:
                    return await transport.call(a_tool(), {"text": "at-once"}, idempotency_key="k")
                finally:
                    await transport.close()

        assert asyncio.run(asyncio.wait_for(both(), 60)).error is None


# --- Answers that are none


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(503), ToolUnavailable),
        (answer(500), ToolUnreachable),
        (answer(403), CredentialRefused),
        (answer(200, b"<html>"), ToolUnreachable),
        (answer(200, b"{}"), ToolUnreachable),
        (answer(200, b'{"jsonrpc": "2.0", "id": "1", "result": {}}'), ToolUnreachable),
        (answer(200, b'{"jsonrpc": "2.0", "id": "1", "result": {"task": 3}}'), ToolUnreachable),
        (answer(200, b'{"jsonrpc": "2.0", "id": "1", "error": {"code": -32603, "message": "x"}}'), ToolUnreachable),
        (None, ToolUnreachable),
    ],
    ids=["busy", "broken", "credential", "html", "empty", "nothing", "type", "internal", "gone"],
)
def test_an_answer_that_is_none_is_no_success(reply, error):
    def handle(asked):
        return described(asked) if asked.method == "GET" else reply

    with pytest.raises(RemitError) as refused:
        wired(handle, lambda t: t.call(a_tool(seconds=5), {"text": "find"}, idempotency_key="k"))

    assert type(refused.value) is error


def test_an_error_of_the_protocol_is_the_agents_own_no():
    error = b'{"jsonrpc": "2.0", "id": "1", "error": {"code": -32005, "message": "no text please"}}'

    result = wired(
        lambda asked: described(asked) if asked.method == "GET" else answer(200, error),
        lambda t: t.call(a_tool(), {"text": "find"}, idempotency_key="k"),
    )

    assert result.error == "ContentTypeNotSupported: no text please"


def test_a_look_at_a_task_that_fails_is_taken_again():
    states = iter([None, "TASK_STATE_WORKING", "TASK_STATE_COMPLETED"])

    def handle(asked):
        if asked.method == "GET":
            return described(asked)
        if orjson.loads(asked.body)["method"] == "SendMessage":
            return _result({"task": _task("TASK_STATE_SUBMITTED")})
        state = next(states)
        return answer(503) if state is None else _result(_task(state))

    result = wired(handle, lambda t: t.call(a_tool(), {"text": "find"}, idempotency_key="k"))

    assert result.content == {"state": "completed", "task": "t", "context": "c"}


def _task(state):
    return {"id": "t", "contextId": "c", "status": {"state": state}}


def _result(result):
    return answer(200, orjson.dumps({"jsonrpc": "2.0", "id": "1", "result": result}), content_type="application/json")
