"""Whatever an agent with a good token sends to its endpoints is answered in good form, and breaks nothing."""

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz.shapes import almost, deep, values
from tests.fuzz.target import bounded

META = "io.modelcontextprotocol/"
MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
JSON = (b"content-type", b"application/json")
BOTH = (b"accept", b"application/json, text/event-stream")
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": HANDSHAKE, "capabilities": {"elicitation": {}}, "clientInfo": {"name": "a"}},
}  # fmt: skip
CALL = {"name": "acme__vendor", "arguments": {"name": "Acme"}, "_meta": {"progressToken": 1, "remit/wait-seconds": 0}}
METHODS = {
    "tools/call": CALL,
    "tools/list": {"cursor": "a"},
    "ping": {},
    "logging/setLevel": {"level": "info"},
    "resources/list": {"cursor": "a"},
    "resources/read": {"uri": "a://b"},
    "prompts/get": {"name": "a", "arguments": {}},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "a", "value": "b"}},
    "notifications/cancelled": {"requestId": 1, "reason": "no more"},
    "initialize": INITIALIZE["params"],
}
MODERN_METHODS = {
    **METHODS,
    "server/discover": {},
    "subscriptions/listen": {"notifications": {"toolsListChanged": True}},
    "tools/call": {**CALL, "requestState": "a", "inputResponses": {"a": {"action": "accept"}}},
}
CHAT = {
    "model": "small", "stream": False, "max_tokens": 10, "temperature": 0.5, "n": 1, "stream_options": {},
    "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "a"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
}  # fmt: skip
MODELS = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": {"model": "small", "stream": False, "input": [{"role": "user", "content": "a"}],
                      "instructions": "b", "max_output_tokens": 9},
    "/v1/embeddings": {"model": "words", "input": ["a", "b"], "encoding_format": "float"},
}  # fmt: skip
NARROWER = {"agent": "tester", "seconds": 300, "skills": [], "tools": ["acme__vendor"], "budget_usd_micros": 1,
            "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}  # fmt: skip
PATHS = st.sampled_from(["/mcp", "/mcp/acme", "/mcp/", "/mcp/none", "/mcp/acme/more", *MODELS, "/v1/models", "/v1",
                         "/agent/v1/tokens", "/agent"])  # fmt: skip
header_values = st.binary(max_size=12) | st.sampled_from(
    [b"", b"=?base64?w6k?=", b"=?base64?\xe9?=", b"\xb2", b"9" * 5000, b"Bearer", b"*/*", b"application/json", b"-1"]
)
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-param-name", b"accept",
             b"content-type", b"content-length", b"idempotency-key", b"x-remit-prompt", b"signature", b"host",
             b"signature-input", b"content-digest", b"origin", b"last-event-id", b"x-odd"]
        ),
        header_values,
    ),
    max_size=3,
)  # fmt: skip


def dumped(value):
    """JSON, also of numbers that only some readers take."""
    return json.dumps(value).encode()


def ask(target, method, path, sent, body):
    answered = target.ask(method, path, [(b"authorization", f"Bearer {target.token}".encode()), *sent], body)
    if answered.kind == "text/event-stream":
        for line in answered.body.split(b"\n"):
            assert line[:6] in {b"", b"event:", b"data: "} or line.startswith(b":")
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                orjson.loads(line[6:])
    elif answered.body and answered.kind != "text/plain":
        told = orjson.loads(answered.body)
        if answered.status >= 400:
            assert "error" in told or answered.kind == "application/problem+json"
    return answered


@pytest.fixture(scope="module")
def begun(target):
    """The id of a client that began with a handshake."""
    answered = ask(target, "POST", "/mcp/acme", [JSON, BOTH], orjson.dumps(INITIALIZE))
    return answered.headers[b"mcp-session-id"]


@bounded(100)
@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), PATHS, headers, st.binary(max_size=40))
def test_any_bytes_are_answered(target, method, path, sent, body):
    ask(target, method, path, sent, body)


@bounded(100)
@given(PATHS, values, headers)
def test_any_json_is_answered(target, path, value, sent):
    ask(target, "POST", path, [JSON, BOTH, *sent], dumped(value))


def _message(method, params):
    number = {} if method.startswith("notifications/") else {"id": 7}
    return {"jsonrpc": "2.0", **number, "method": method, "params": params}


@bounded(100)
@given(
    st.sampled_from(sorted(METHODS)).flatmap(
        lambda method: st.tuples(almost(_message(method, METHODS[method])), headers | st.just([]))
    )
)
@example((_message("notifications/cancelled", {"requestId": []}), []))
@example((_message("tools/call", {"name": "vendor", "arguments": {"name": deep(300)}}), []))
@example((_message("tools/call", {"name": "vendor", "arguments": {"name": "a", "more": deep(300)}}), []))
@example((_message("ping", {"_meta": {"progressToken": deep(300)}}), []))
@example((_message("ping", {}), [(b"content-length", b"\xb2")]))
@example((_message("ping", {}), [(b"content-length", b"9" * 5000)]))
def test_an_almost_right_request_after_a_handshake_is_answered(target, begun, asked):
    message, sent = asked
    sent = [JSON, BOTH, (b"mcp-session-id", begun), (b"mcp-protocol-version", HANDSHAKE.encode()), *sent]
    ask(target, "POST", "/mcp/acme", sent, dumped(message))


@bounded(100)
@given(st.data())
def test_an_almost_right_request_without_a_handshake_is_answered(target, data):
    method = data.draw(st.sampled_from(sorted(MODERN_METHODS)))
    params = data.draw(almost(MODERN_METHODS[method])) if MODERN_METHODS[method] else {}
    meta = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {"elicitation": {}}}
    own = params.get("_meta")
    envelope = {"_meta": {**(own if isinstance(own, dict) else {}), **meta}}
    message = _message(method, {**params, **envelope})
    message = data.draw(st.just(message) | almost(message))
    name = params.get("name", params.get("uri"))
    named = [(b"mcp-name", name.encode())] if isinstance(name, str) else []
    routed = [(b"mcp-protocol-version", MODERN.encode()), (b"mcp-method", method.encode()), *named]
    path = data.draw(st.sampled_from(["/mcp", "/mcp/acme"]))
    ask(target, "POST", path, [JSON, BOTH, *routed, *data.draw(headers | st.just([]))], dumped(message))


@bounded(100)
@given(
    st.sampled_from(sorted(MODELS)).flatmap(
        lambda path: st.tuples(
            st.just(path), almost(MODELS[path]) | almost({**MODELS[path], "stream": True}), headers | st.just([])
        )
    )
)
@example(("/v1/chat/completions", {**CHAT, "more": deep(300)}, []))
@example(("/v1/chat/completions", {**CHAT, "messages": [{"role": "system", "content": deep(300)}]}, []))
@example(("/v1/chat/completions", {**CHAT, "tools": 5}, []))
@example(("/v1/chat/completions", {**CHAT, "tools": [{"type": []}]}, []))
@example(("/v1/chat/completions", {**CHAT, "stream": True, "stream_options": [1]}, []))
@example(("/v1/chat/completions", {**CHAT, "messages": [{"role": [], "content": "a"}]}, []))
@example(("/v1/embeddings", {"model": "words", "stream": []}, []))
def test_an_almost_right_request_to_a_model_is_answered(target, asked):
    path, body, sent = asked
    ask(target, "POST", path, [JSON, *sent], dumped(body))


@bounded(40)
@given(almost(NARROWER))
def test_an_almost_right_request_for_a_narrower_token_is_answered(target, body):
    ask(target, "POST", "/agent/v1/tokens", [JSON], dumped(body))


def test_a_name_in_a_header_that_is_no_base64_is_a_mismatch(target):
    params = {
        "name": "acme__vendor",
        "_meta": {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}},
    }
    routed = [(b"mcp-protocol-version", MODERN.encode()), (b"mcp-method", b"tools/call")]
    sent = [JSON, BOTH, *routed, (b"mcp-name", b"=?base64?\xe9?=")]

    assert ask(target, "POST", "/mcp", sent, dumped(_message("tools/call", params))).status == 400
