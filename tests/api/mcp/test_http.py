"""What reaches the endpoint from careless and hostile callers: each gets a clear no, and never a 5xx."""

import asyncio
import json

import pytest
from tests.api.mcp.house import MODERN, a_house, run

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}


def envelope(method="tools/list", **params):
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}


def test_foreign_hosts_and_origins_are_refused_before_anything_is_read(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            for headers in (
                {"host": "evil.example.com"},
                {"origin": "http://evil.example.com"},
                {"origin": "null"},
                {"host": "127.0.0.1.evil.example.com"},
            ):
                for path in ("/mcp", "/mcp/full", "/v1/models"):
                    answer = await http.post(path, json=INITIALIZE, headers=headers)
                    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), headers
            own = house.url.removeprefix("http://")
            for headers in ({"origin": house.url}, {"host": own, "origin": "http://localhost:3000"}):
                assert (await http.post("/mcp", json=INITIALIZE, headers=headers)).status_code == 200

    run(story())


def test_nobody_comes_in_without_a_token_that_holds(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            token = await house.token()
            for bearer, code in (
                ("", "unauthenticated"),
                ("Basic abc", "unauthenticated"),
                ("Bearer nonsense", "token_malformed"),
                (f"Bearer {token[:-4]}AAAA", "token_forged"),
            ):
                for method in ("GET", "POST", "DELETE"):
                    answer = await http.request(method, "/mcp", json=INITIALIZE, headers={"authorization": bearer})
                    assert answer.status_code == 401
                    assert answer.headers["www-authenticate"] == "Bearer"
                    assert answer.json()["error"]["data"]["code"] == code

    run(story())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 2000, -32700),
        (b"[]", -32600),
        (json.dumps([INITIALIZE, CALL]).encode(), -32600),
        (b'"text"', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 3}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize"}', -32602),
    ],
)
def test_a_body_that_is_no_message_is_told_so(served, body, code):
    answer = served("POST", "/mcp", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        (envelope(), {"mcp-method": "tools/call"}, 400, -32020),
        (envelope(), {"mcp-protocol-version": "2025-11-25"}, 400, -32020),
        (envelope("tools/call", name="a"), {"mcp-method": "tools/call", "mcp-name": "b"}, 400, -32020),
        (envelope("tools/call", name="a"), {"mcp-method": "tools/call", "mcp-name": "=?base64?!!?="}, 400, -32020),
        ({**envelope(), "params": {}}, {}, 400, -32602),
        ({**envelope(), "params": {"_meta": 1}}, {}, 400, -32602),
        (envelope("no/such"), {"mcp-method": "no/such"}, 404, -32601),
        (envelope("ping"), {"mcp-method": "ping"}, 404, -32601),
        (envelope("tools/call", name=7), {"mcp-method": "tools/call"}, 400, None),
        (envelope("tools/call", arguments=[]), {"mcp-method": "tools/call"}, 400, -32602),
        (envelope("tools/list", cursor=9), {}, 400, -32602),
        (
            envelope("tools/call", name="x", requestState="made up"),
            {"mcp-method": "tools/call", "mcp-name": "x"},
            400,
            -32602,
        ),
        (envelope("subscriptions/listen"), {"mcp-method": "subscriptions/listen"}, 400, -32602),
    ],
)
def test_a_request_that_contradicts_itself_is_told_so(served, message, headers, status, code):
    told = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list", **headers}
    answer = served("POST", "/mcp", json=message, headers=told)
    assert answer.status_code == status
    if code is not None:
        assert answer.json()["error"]["code"] == code


def test_an_unknown_version_is_answered_with_those_that_are_spoken(served):
    message = envelope()
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01"
    answer = served(
        "POST", "/mcp", json=message, headers={"mcp-protocol-version": "2099-01-01", "mcp-method": "tools/list"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["data"] == {"supported": [MODERN], "requested": "2099-01-01"}


def test_the_form_of_request_and_answer_is_agreed_on_first(served):
    assert served("POST", "/mcp", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert served("POST", "/mcp", json=INITIALIZE, headers={"accept": "text/html"}).status_code == 406
    assert served("PUT", "/mcp", json=INITIALIZE).status_code == 405
    assert served("POST", "/mcp/no-such-source", json=INITIALIZE).status_code == 404
    assert served("POST", "/mcp/..%2Ffull", json=INITIALIZE).status_code == 404
    assert served("GET", "/mcp").status_code == 405


def test_a_body_beyond_the_bound_is_not_read(served):
    assert served("POST", "/mcp", content=b"x" * (5 << 20)).status_code == 413

    def unstated():
        for _ in range(5):
            yield b" " * (1 << 20)

    assert served("POST", "/mcp", content=unstated()).status_code == 413


def test_a_session_belongs_to_one_caller_and_one_path_and_ends_when_it_is_told_to(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            begun = await http.post("/mcp", json=INITIALIZE)
            own = {"mcp-session-id": begun.headers["mcp-session-id"]}
            assert (await http.post("/mcp", json=CALL)).status_code == 400
            assert (await http.post("/mcp", json=CALL, headers=own)).status_code == 200
            assert (await http.post("/mcp/full", json=CALL, headers=own)).status_code == 404
            odd = {**own, "mcp-protocol-version": "1999-01-01"}
            assert (await http.post("/mcp", json=CALL, headers=odd)).status_code == 400
            assert (await http.delete("/mcp", headers=own)).status_code == 204
            assert (await http.post("/mcp", json=CALL, headers=own)).status_code == 404

    run(story())


def test_a_call_can_be_taken_back(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            begun = await http.post("/mcp/full", json=INITIALIZE)
            own = {"mcp-session-id": begun.headers["mcp-session-id"]}
            slow = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "test_slow", "arguments": {}}}
            calling = asyncio.create_task(http.post("/mcp/full", json=slow, headers=own))
            transport = house.plane.core.transports["full"]
            while not (transport._session and transport._session._peer.busy):
                await asyncio.sleep(0.02)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
            assert (await http.post("/mcp/full", json=cancel, headers=own)).status_code == 202
            assert "took the request back" in (await calling).json()["error"]["message"]

    run(story())


def test_a_listener_hears_that_what_it_may_use_has_changed(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            begun = await http.post("/mcp", json=INITIALIZE)
            headers = {"mcp-session-id": begun.headers["mcp-session-id"], "accept": "text/event-stream"}
            async with http.stream("GET", "/mcp", headers=headers) as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == ": listening"
                await house.halt("tool/acme__vendor")
                async for line in lines:
                    if line.startswith("data: {"):
                        assert json.loads(line[5:])["method"] == "notifications/tools/list_changed"
                        break

    run(story())


def test_a_subscriber_hears_it_too_under_its_own_id(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as http:
            message = envelope(
                "subscriptions/listen", notifications={"toolsListChanged": True, "promptsListChanged": True}
            )
            headers = {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
            async with http.stream("POST", "/mcp", json=message, headers=headers) as stream:
                told = []
                async for line in stream.aiter_lines():
                    if line.startswith("data:"):
                        told.append(json.loads(line[5:]))
                        if len(told) == 2:
                            break
                        await house.halt("tool/acme__vendor")
            assert told[0]["params"]["notifications"] == {"toolsListChanged": True}
            assert told[1]["method"] == "notifications/tools/list_changed"
            assert [t["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] for t in told] == [1, 1]

    run(story())
