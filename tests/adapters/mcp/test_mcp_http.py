"""Servers over streamable HTTP: real ones of the protocol's own package, and broken ones byte by byte."""

import asyncio

import orjson
import pytest
from tests.adapters.egress.wire import answer, wire
from tests.adapters.mcp import full_server
from tests.adapters.mcp.http_server import TOKEN, an_app
from tests.adapters.served import Server, served

from remit.adapters.egress import EgressTransport, Injector
from remit.adapters.mcp import McpHttpTransport
from remit.adapters.secrets import SecretStores
from remit.errors import CredentialRefused, EgressRefused, ToolUnavailable, ToolUnreachable
from remit.registry import Credential
from remit.registry.reach import NetworkDocument, network
from remit.tools import Tier, Tool

ERAS = [
    pytest.param({}, id="2026-07-28"),
    pytest.param({"json_response": True}, id="2026-07-28 JSON"),
    pytest.param({"legacy": True}, id="2025-11-25"),
    pytest.param({"legacy": True, "json_response": True}, id="2025-11-25 JSON"),
    pytest.param({"legacy": True, "stateless_http": True}, id="2025-11-25 stateless"),
]


def a_tool(name, timeout_seconds=10.0, schema=None):
    return Tool(f"test__{name}", "test", "", schema or {}, timeout_seconds=timeout_seconds)


def a_transport(url, *, secrets=None, allow=("127.0.0.1",), **fields):
    injector = None
    if secrets is not None:
        injector = Injector(Credential("env:KEY"), SecretStores(secrets, folder=None, mounted=None))
    return McpHttpTransport(url, EgressTransport(network(NetworkDocument(allow=allow, **fields)), injector=injector))


def talk(url, scenario, **options):
    """Run `scenario(call, transport)`, and close."""

    async def main():
        transport = a_transport(url, **options)

        async def call(name, timeout_seconds=10.0, **arguments):
            return await transport.call(a_tool(name, timeout_seconds), arguments, idempotency_key="mission/step/1")

        try:
            return await scenario(call, transport)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 30))


@pytest.fixture(params=ERAS, scope="module")
def era(request):
    with served(an_app(**request.param)) as server:
        yield f"{server.url}/mcp"


@pytest.fixture(scope="module")
def modern():
    with served(an_app()) as server:
        yield f"{server.url}/mcp"


@pytest.fixture(scope="module")
def legacy():
    with served(an_app(legacy=True)) as server:
        yield f"{server.url}/mcp"


# --- A server in order ----------------------------------------------------------------------------------------------


def test_results_pass_as_they_are(era):
    async def scenario(call, _):
        return [await call("echo", text="Grüße"), await call("plain", text="hello"), await call("refuse")]

    structured, text, refused = talk(era, scenario)

    assert (structured.content, structured.error) == ({"text": "Grüße"}, None)
    assert text.content == {"text": "hello"}
    assert refused.error.endswith("not today")


def test_calls_at_once_share_what_was_agreed_and_get_their_own_answers(era):
    async def posts(call, _):
        return [one for one in (await call("told")).content["seen"] if one.get("method") == "POST"]

    async def scenario(call, transport):
        answers = await asyncio.gather(*(call("echo", text=str(n)) for n in range(20)))
        return [answer.content["text"] for answer in answers], await posts(call, transport)

    before = talk(era, posts)
    texts, after = talk(era, scenario)

    assert texts == [str(n) for n in range(20)]
    # 20 calls and the question; a discovery, and where that is not understood, a handshake of two.
    assert len(after) - len(before) <= 24


def test_tools_are_listed_under_their_own_names(era):
    async def scenario(_, transport):
        return await transport.definitions()

    found = {tool["name"]: tool for tool in talk(era, scenario)}

    assert {"echo", "plain", "refuse"} <= found.keys()
    assert found["echo"]["description"] == "Say it again."
    assert found["echo"]["inputSchema"]["required"] == ["text"]


def test_the_idempotency_key_goes_along_in_meta(era):
    async def scenario(call, _):
        return (await call("meta")).content["meta"]

    assert talk(era, scenario)["remit/idempotency-key"] == "mission/step/1"


def test_what_the_server_says_on_the_way_does_not_disturb_the_answer(era):
    async def scenario(call, _):
        return await call("report")

    assert talk(era, scenario).content == {"reported": True}


def test_an_error_of_the_protocol_is_the_tools_own_no(era):
    async def scenario(call, _):
        return await call("no_such_tool"), await call("echo", wrong=1)

    assert all(result.error for result in talk(era, scenario))


def test_a_call_that_takes_too_long_is_unreachable_and_the_next_is_answered(era):
    async def scenario(call, _):
        await call("echo", text="agreed")
        with pytest.raises(ToolUnreachable) as refused:
            await call("sleep", timeout_seconds=0.2, seconds=20)
        return refused.value, await call("echo", text="still here")

    error, answered = talk(era, scenario)

    assert not isinstance(error, ToolUnavailable)
    assert answered.content == {"text": "still here"}


@pytest.mark.parametrize("kind", ["modern", "legacy"])
def test_the_server_is_told_that_nobody_waits_any_more(kind, request):
    async def scenario(call, _):
        await call("echo", text="agreed")
        with pytest.raises(ToolUnreachable):
            await call("sleep", timeout_seconds=0.2, seconds=20)
        for _ in range(300):
            seen = (await call("told")).content["seen"]
            if any("cancelled" in one for one in seen):
                return True
        return False

    assert talk(request.getfixturevalue(kind), scenario)


def test_the_era_is_told_in_headers(modern, legacy):
    async def scenario(call, _):
        await call("echo", text="a")
        seen = (await call("told")).content["seen"]
        return [one for one in seen if one.get("method") == "POST" and "mcp-protocol-version" in one][-1]

    now, before = talk(modern, scenario), talk(legacy, scenario)

    assert (now["mcp-protocol-version"], now["mcp-method"], now["mcp-name"]) == ("2026-07-28", "tools/call", "told")
    assert "mcp-session-id" not in now
    assert before["mcp-protocol-version"] == "2025-11-25"
    assert before["mcp-session-id"]


def test_a_session_is_ended_when_the_source_is_closed(legacy):
    async def first(call, _):
        await call("echo", text="a")

    async def second(call, _):
        return [one.get("method") for one in (await call("told")).content["seen"]]

    talk(legacy, first)

    assert "DELETE" in talk(legacy, second)


@pytest.mark.parametrize("options", [{}, {"legacy": True}], ids=["2026-07-28", "2025-11-25"])
def test_a_server_that_was_started_anew_is_agreed_with_anew(options):
    """It does not know the session any more; in the newer revision there is none to lose."""

    async def scenario(call, _):
        before = await call("echo", text="before")
        await asyncio.to_thread(first.end)
        second = await asyncio.to_thread(Server(an_app(**options), first.port).begin)
        try:
            return before.content, (await call("echo", text="after")).content
        finally:
            await asyncio.to_thread(second.end)

    with served(an_app(**options)) as first:
        assert talk(f"{first.url}/mcp", scenario) == ({"text": "before"}, {"text": "after"})


def test_a_server_that_is_replaced_by_an_older_one_is_agreed_with_anew():
    async def scenario(call, _):
        await call("echo", text="before")
        await asyncio.to_thread(first.end)
        second = await asyncio.to_thread(Server(an_app(legacy=True), first.port).begin)
        try:
            return await call("echo", text="after")
        finally:
            await asyncio.to_thread(second.end)

    with served(an_app()) as first:
        assert talk(f"{first.url}/mcp", scenario).content == {"text": "after"}


# --- The way there --------------------------------------------------------------------------------------------------


def test_an_address_that_is_not_declared_is_refused_before_anything_is_sent(modern):
    async def scenario(call, _):
        with pytest.raises(EgressRefused) as refused:
            await call("echo", text="a")
        return refused.value

    assert "allow: [127.0.0.1/32]" in talk(modern, scenario, allow=()).advice


def test_the_credential_is_read_at_each_call_and_an_expired_one_is_told_by_nobody():
    secrets = {"KEY": TOKEN}

    async def scenario(call, _):
        good = await call("echo", text=TOKEN)
        secrets["KEY"] = "marker-expired-token"
        with pytest.raises(CredentialRefused) as refused:
            await call("echo", text="a")
        secrets["KEY"] = TOKEN
        return good, refused.value, await call("echo", text="again")

    with served(an_app(token=TOKEN)) as server:
        good, error, again = talk(f"{server.url}/mcp", scenario, secrets=secrets)

    # The server echoes what it was told: the credential does not come back.
    assert good.content == {"text": "[credential]"}
    assert "marker" not in f"{error} {error.to_json()}"
    assert again.content == {"text": "again"}


def test_a_source_that_nobody_serves_is_unavailable():
    async def scenario(call, _):
        with pytest.raises(ToolUnavailable) as refused:
            await call("echo", text="a")
        return refused.value

    with served(an_app()) as server:
        pass

    assert talk(f"{server.url}/mcp", scenario).rule == "not_sent"


# --- A server out of order ------------------------------------------------------------------------------------------


def broken(on_call, *, era="2026-07-28", **options):
    """What a call says of a server that agrees in form, and then answers `tools/call` as `on_call` does."""

    async def handler(asked):
        if asked.method != "POST":
            told = on_call(asked)
            return await told if asyncio.iscoroutine(told) else told
        message = orjson.loads(asked.body)
        method = message["method"]
        if method == "server/discover" and era == "2026-07-28":
            return result(message, {"supportedVersions": [era], "capabilities": {}})
        if method == "server/discover":
            return answer(400, b"Bad Request: no session")
        if method == "initialize":
            return result(message, {"protocolVersion": era, "capabilities": {}, "serverInfo": {}}, mcp_session_id="s1")
        if method.startswith("notifications/"):
            return answer(202)
        told = on_call(asked)
        return await told if asyncio.iscoroutine(told) else told

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url, **options)
            try:
                return await transport.call(a_tool("pay", 2.0), {"a": 1}, idempotency_key="k"), server.asked
            except ToolUnreachable as error:
                return error, server.asked
            finally:
                await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 20))


def result(message, content, **headers):
    body = orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": content})
    return answer(200, body, content_type="application/json", **headers)


def paid(asked, text="paid"):
    return result(orjson.loads(asked.body), {"content": [{"type": "text", "text": text}]})


def stream(*events, end=b""):
    body = b"".join(events)
    return b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + body + end


@pytest.mark.parametrize(
    "told",
    [
        answer(200, b"<html>It works!</html>", content_type="text/html"),
        answer(200, b"{not json", content_type="application/json"),
        answer(200, b"[]", content_type="application/json"),
        answer(200, b'{"jsonrpc": "2.0", "id": 1}', content_type="application/json"),
        answer(200, b'{"jsonrpc": "2.0", "id": 1, "result": {"content": 7}}', content_type="application/json"),
        answer(200, b'{"jsonrpc": "2.0", "id": 1, "result": {"content": [7]}}', content_type="application/json"),
        answer(202),
        answer(500, b"Traceback: secret"),
        answer(502),
        b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\ncontent-type: application/json\r\n\r\n{",
        b"\x00\xff garbage\r\n\r\n",
        None,
        stream(b"data: {broken\n\n"),
        stream(b": only a comment\n\n"),
        stream(b'data: {"jsonrpc": "2.0", "id": 99, "result": {}}\n\n'),
    ],
    ids=[
        "page", "no JSON", "list", "neither result nor error", "no content", "no blocks", "accepted", "500", "502",
        "half", "garbage", "hangs up", "broken event", "no event", "another's answer",
    ],
)  # fmt: skip
def test_an_answer_that_is_none_leaves_the_effect_unknown(told):
    error, _ = broken(lambda asked: asked.writer.write(told or b""))

    assert isinstance(error, ToolUnreachable)
    assert not isinstance(error, ToolUnavailable)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        (answer(400, b"what?"), "http_400"),
        (answer(405), "http_405"),
        (answer(429, retry_after="7"), "http_429"),
        (answer(503, retry_after="7"), "http_503"),
        (answer(403), "http_403"),
    ],
)
def test_an_answer_that_says_no_leaves_nothing_done(told, rule):
    error, _ = broken(lambda _: told)

    assert isinstance(error, ToolUnavailable)
    assert error.rule == rule


def test_a_server_that_asks_to_wait_is_quoted():
    error, _ = broken(lambda _: answer(429, retry_after="7"))

    assert "wait 7 seconds" in error.detail


def test_an_answer_that_is_too_long_is_an_error_that_the_agent_can_read():
    told, _ = broken(lambda asked: paid(asked, "x" * 10_000), answer_bytes_max=5_000)

    assert "more than 5000 bytes" in told.error


def test_ten_megabytes_are_too_long_unless_declared():
    async def scenario(call, _):
        return await call("big", size=10_500_000), await call("echo", text="still here")

    with served(an_app(json_response=True)) as server:
        told, after = talk(f"{server.url}/mcp", scenario)

    assert "more than 10485760 bytes" in told.error
    assert after.content == {"text": "still here"}


def test_a_session_that_is_lost_is_opened_anew_and_the_call_made_once():
    calls = []

    def on_call(asked):
        calls.append(asked)
        return answer(404) if len(calls) == 1 else paid(asked)

    told, asked = broken(on_call, era="2025-11-25")
    methods = [orjson.loads(one.body)["method"] for one in asked if one.method == "POST"]

    assert told.content == {"text": "paid"}
    assert methods.count("initialize") == 2


def test_a_server_that_forgets_its_sessions_at_once_is_unavailable():
    error, _ = broken(lambda _: answer(404), era="2025-11-25")

    assert isinstance(error, ToolUnavailable)
    assert error.rule == "session_lost"


def test_a_stream_that_breaks_is_resumed_where_it_broke():
    def on_call(asked):
        if asked.method == "POST":
            return stream(b"id: 7\nretry: 1\ndata:\n\n", end=b"data: {half")
        if "last-event-id" not in asked.headers:
            return answer(405)
        told = {"jsonrpc": "2.0", "id": 3, "result": {"content": [{"type": "text", "text": "paid"}]}}
        return stream(b"id: 8\ndata: " + orjson.dumps(told) + b"\n\n")

    async def hang_up(asked):
        asked.writer.write(on_call(asked))
        await asked.writer.drain()

    told, asked = broken(hang_up, era="2025-11-25")

    assert told.content == {"text": "paid"}
    assert [one.headers["last-event-id"] for one in asked if "last-event-id" in one.headers] == ["7"]


def test_a_stream_that_cannot_be_resumed_leaves_the_effect_unknown():
    async def hang_up(asked):
        asked.writer.write(stream(b"id: 7\nretry: 1\ndata:\n\n") if asked.method == "POST" else answer(405))
        await asked.writer.drain()

    error, _ = broken(hang_up, era="2025-11-25")

    assert isinstance(error, ToolUnreachable)
    assert not isinstance(error, ToolUnavailable)


def test_what_a_server_asks_for_on_the_way_is_not_offered_and_a_ping_is_answered():
    async def on_call(asked):
        message = orjson.loads(asked.body)
        if "method" not in message:
            return answer(202)
        asks = [
            {"jsonrpc": "2.0", "id": "p", "method": "ping"},
            {"jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage", "params": {}},
            {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"},
            {"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": "paid"}]}},
        ]
        return stream(*(b"data: " + orjson.dumps(one) + b"\r\n\r\n" for one in asks))

    async def handler(asked):
        message = orjson.loads(asked.body) if asked.body else {}
        if message.get("method") == "initialize":
            return result(message, {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}})
        if message.get("method") == "server/discover":
            return answer(400)
        if message.get("method") == "tools/call":
            asked.writer.write(await on_call(asked))
            await asked.writer.drain()
            return None
        return answer(202)

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            told = await transport.call(a_tool("pay"), {}, idempotency_key="k")
            while len(server.asked) < 6:
                await asyncio.sleep(0)
            await transport.close()
            answers = [orjson.loads(one.body) for one in server.asked[4:]]
            return told, {one["id"]: one for one in answers}, transport._shared.changes

    told, answers, changes = asyncio.run(asyncio.wait_for(main(), 20))

    assert told.content == {"text": "paid"}
    assert answers["p"]["result"] == {}
    assert answers["s"]["error"]["code"] == -32601
    assert changes == 1


def test_arguments_that_the_schema_asks_to_see_in_headers_are_mirrored():
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}

    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] == "server/discover":
            return result(message, {"supportedVersions": ["2026-07-28"], "capabilities": {}})
        return paid(asked, asked.headers.get("mcp-param-region", "none"))

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            return await transport.call(a_tool("pay", schema=schema), {"region": "eu"}, idempotency_key="k")

    assert asyncio.run(asyncio.wait_for(main(), 20)).content == {"text": "eu"}


def test_pages_of_tools_are_read_to_the_end():
    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] == "server/discover":
            return result(message, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        at = int(message["params"].get("cursor", "0"))
        page = {"tools": [{"name": f"t{at}", "inputSchema": {"type": "object"}}]}
        return result(message, page if at == 4 else {**page, "nextCursor": str(at + 1)})

    async def main():
        async with wire(handler) as server:
            return await a_transport(server.url).definitions()

    assert [tool["name"] for tool in asyncio.run(asyncio.wait_for(main(), 20))] == ["t0", "t1", "t2", "t3", "t4"]


# --- A caller on the line -------------------------------------------------------------------------------------------


class Listener:
    """A caller who hears what the server says, and answers what it asks."""

    def __init__(self, owner="anna"):
        self.owner, self.capabilities, self.heard, self.gone = owner, {"elicitation": {}, "sampling": {}}, [], []

    def when_gone(self, tell):
        self.gone.append(tell)

    async def told(self, method, params):
        self.heard.append((method, params))

    async def asked(self, _method, _params):
        return {"result": {"action": "accept", "content": {"username": self.owner, "email": "a@example.com"}}}


@pytest.fixture(scope="module")
def full():
    with served(full_server.server.streamable_http_app()) as server:
        yield f"{server.url}/mcp"


def test_questions_of_a_server_reach_the_owner_of_the_line_and_nobody_else(full):
    async def scenario(_, transport):
        tool = a_tool("test_elicitation")
        answers = [
            await transport.call_on(Listener(name), tool, {"message": "who?"}, idempotency_key="k")
            for name in ("anna", "bert")
        ]
        nobody = await transport.call(tool, {"message": "who?"}, idempotency_key="k")
        return [answer.content["text"] for answer in answers], nobody.error

    (first, second), nobody = talk(full, scenario)

    assert ("anna" in first, "bert" in second) == (True, True)
    assert nobody


def test_input_that_is_required_in_the_newer_revision_is_asked_for_on_the_line():
    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] == "initialize":
            return answer(400, b"what?")
        if message["method"] == "server/discover":
            return result(message, {"supportedVersions": ["2026-07-28"], "capabilities": {}})
        if "inputResponses" in message["params"]:
            told = message["params"]["inputResponses"]["who"]["content"]["username"] + message["params"]["requestState"]
            return result(message, {"content": [{"type": "text", "text": told}]})
        asks = {"who": {"method": "elicitation/create", "params": {"message": "who?"}}}
        return result(message, {"resultType": "input_required", "inputRequests": asks, "requestState": "!"})

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            with_line = await transport.call_on(Listener("anna"), a_tool("pay"), {}, idempotency_key="k")
            without = await transport.call(a_tool("pay"), {}, idempotency_key="k")
            await transport.close()
            return with_line.content, without.error

    content, error = asyncio.run(asyncio.wait_for(main(), 20))

    assert content == {"text": "anna!"}
    assert "nobody is there to give it" in error


@pytest.mark.parametrize(
    "asks", [7, ["x"], {"who": 7}, {"who": {}}, {"who": {"method": 7}}, {"who": {"method": "x", "params": 7}}]
)
def test_input_that_is_required_in_no_form_is_asked_of_nobody(asks):
    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] == "initialize":
            return answer(400, b"what?")
        if message["method"] == "server/discover":
            return result(message, {"supportedVersions": ["2026-07-28"], "capabilities": {}})
        return result(message, {"resultType": "input_required", "inputRequests": asks})

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            with pytest.raises(ToolUnreachable, match="not in the protocol's form"):
                await transport.call_on(Listener("anna"), a_tool("pay"), {}, idempotency_key="k")
            await transport.close()

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize(
    "discovered",
    [
        {"supportedVersions": 7},
        {"supportedVersions": ["2026-07-28"], "capabilities": 7},
        {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": 7}},
        {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "resources": []}},
        {"protocolVersion": {}},
    ],
)
def test_a_server_that_says_odd_things_of_itself_crashes_nothing(discovered):
    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] in {"server/discover", "initialize"}:
            return result(message, discovered)
        return result(message, {"tools": [7, {"name": 7}], "nextCursor": 7})

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            try:
                return await transport.definitions()
            except ToolUnreachable as error:
                return error
            finally:
                await transport.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_caller_of_the_shared_session_hears_progress_of_its_own_call_and_no_log(full):
    async def scenario(_, transport):
        line = Listener(owner="")
        for name in ("test_tool_with_progress", "test_tool_with_logging"):
            await transport.call_on(line, a_tool(name), {}, idempotency_key="k")
        return line.heard

    assert [params["progress"] for _, params in talk(full, scenario)] == [0, 50, 100]


def test_the_owner_of_a_session_hears_its_log_and_what_it_subscribed_to(full):
    async def scenario(_, transport):
        line = Listener()
        await transport.call_on(line, a_tool("test_tool_with_logging"), {}, idempotency_key="k")
        told = await transport.request(line, "resources/subscribe", {"uri": "test://watched-resource"})
        for _ in range(200):
            if any(method == "notifications/resources/updated" for method, _ in line.heard):
                break
            await asyncio.sleep(0.01)
        return told, [method for method, _ in line.heard]

    told, heard = talk(full, scenario)

    assert "result" in told
    assert heard.count("notifications/message") == 3
    assert "notifications/resources/updated" in heard


def test_answers_pass_with_all_that_the_server_said(full):
    async def scenario(_, transport):
        structured = await transport.call(a_tool("test_structured"), {}, idempotency_key="k")
        failed = await transport.call(a_tool("test_error_handling"), {}, idempotency_key="k")
        defined = {one["name"]: one for one in await transport.definitions()}
        resource = Tool("f__resources/read", "f", "", {}, extra={"_meta": {"remit/request": "resources/read"}})
        read = await transport.call(resource, {"uri": "test://static-text"}, idempotency_key="k")
        unknown = await transport.call(resource, {}, idempotency_key="k")
        return structured, failed, defined, read, unknown, await transport.offers()

    structured, failed, defined, read, unknown, offers = talk(full, scenario)

    assert structured.content == {"n": 1}
    assert structured.raw["content"][0]["text"] == '{"n":  1}'
    assert structured.raw["_meta"]["test/kept"] == "as it came"
    assert failed.raw["isError"] is True
    assert defined["test_structured"]["outputSchema"]["required"] == ["n"]
    assert {"resources/read", "resources/subscribe", "prompts/get", "completion/complete"} <= defined.keys()
    assert read.content["contents"][0]["text"].startswith("This is the content")
    assert unknown.raw["error"]["code"]
    assert "resources" in offers["capabilities"]


def test_a_read_can_be_taken_back_and_a_write_is_waited_for(full):
    async def scenario(_, transport):
        line = Listener()
        slow = Tool("f__test_slow", "f", "", {}, Tier.READ)
        call = asyncio.create_task(transport.call_on(line, slow, {}, idempotency_key="k"))
        while not line.gone:
            await asyncio.sleep(0.01)
        line.gone[0]()
        taken = await call
        write = Listener()
        await transport.call_on(write, a_tool("test_simple_text"), {}, idempotency_key="k")
        return taken.error, write.gone

    error, gone = talk(full, scenario)

    assert "took the request back" in error
    assert gone == []


def test_an_owners_session_ends_when_the_owner_hangs_up(legacy):
    async def scenario(call, transport):
        line = Listener()
        await transport.call_on(line, a_tool("echo"), {"text": "a"}, idempotency_key="k")
        session = next(iter(transport._private.values())).agreed.session
        await transport.hang_up("anna")
        seen = (await call("told")).content["seen"]
        return [one for one in seen if one.get("method") == "DELETE" and one.get("mcp-session-id") == session]

    assert talk(legacy, scenario)


def test_a_change_of_tools_is_heard_while_nothing_is_asked():
    """The stream of news of a session: the server says so there, and once the stream was broken nobody knows."""

    async def handler(asked):
        if asked.method == "GET":
            told = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
            asked.writer.write(stream(b"data: " + orjson.dumps(told) + b"\n\n"))
            await asked.writer.drain()
            await asyncio.Event().wait()
        message = orjson.loads(asked.body)
        if message["method"] == "initialize":
            told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}}}
            return result(message, told, mcp_session_id="s1")
        return (
            answer(400) if message["method"] == "server/discover" else paid(asked) if "id" in message else answer(202)
        )

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            await transport.call(a_tool("pay"), {}, idempotency_key="k")
            while not transport._shared.changes:
                await asyncio.sleep(0)
            await transport.close()
            return transport._shared.changes

    assert asyncio.run(asyncio.wait_for(main(), 20)) == 1


def test_a_change_of_tools_is_subscribed_to_in_the_newer_revision():
    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] == "server/discover":
            capabilities = {"tools": {"listChanged": True}}
            return result(message, {"supportedVersions": ["2026-07-28"], "capabilities": capabilities})
        if message["method"] == "subscriptions/listen":
            assert message["params"]["notifications"] == {"toolsListChanged": True}
            told = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
            asked.writer.write(stream(b"data: " + orjson.dumps(told) + b"\n\n"))
            await asked.writer.drain()
            await asyncio.Event().wait()
        return paid(asked)

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            await transport.call(a_tool("pay"), {}, idempotency_key="k")
            while not transport._shared.changes:
                await asyncio.sleep(0)
            await transport.close()
            return transport._shared.changes

    assert asyncio.run(asyncio.wait_for(main(), 20)) == 1


def test_what_is_offered_is_listed_once_until_the_server_says_that_it_changed():
    listed = []

    async def handler(asked):
        message = orjson.loads(asked.body)
        if message["method"] == "server/discover":
            return result(message, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        if message["method"] == "tools/list":
            listed.append(message)
            return result(message, {"tools": [{"name": f"t{len(listed)}", "inputSchema": {"type": "object"}}]})
        told = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        done = {"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}
        asked.writer.write(stream(*(b"data: " + orjson.dumps(one) + b"\n\n" for one in (told, done))))
        return await asked.writer.drain()

    async def main():
        async with wire(handler) as server:
            transport = a_transport(server.url)
            first, again = await transport.offered(), await transport.offered()
            await transport.call(a_tool("t1"), {}, idempotency_key="k")
            after = await transport.offered()
            await transport.close()
            return first is again, [one[0]["name"] for one in (first, after)]

    assert asyncio.run(asyncio.wait_for(main(), 20)) == (True, ["t1", "t2"])


def test_all_sessions_of_a_mission_end_when_it_does(legacy):
    async def scenario(_, transport):
        for owner in ("one|elicitation", "one|private", "two|private"):
            await transport.call_on(Listener(owner), a_tool("echo"), {"text": "a"}, idempotency_key="k")
        await transport.hang_up("one|")
        return list(transport._private)

    assert talk(legacy, scenario) == ["two|private"]
