"""The document reader's own server over standard input and output: message by message, and with another client."""

import asyncio
import io
import json
import shutil
import sys
from pathlib import Path

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from remit.packs.payables import sample_folder
from remit.packs.payables.stdio_server import VERSIONS, Offered, StdioServer, ToolFailed

_ECHO = {"name": "echo", "inputSchema": {"type": "object", "required": ["text"], "properties": {"text": {}}}}


def _echo(text: str) -> dict[str, str]:
    if text == "refuse":
        raise ToolFailed("not_found: refused.")
    if text == "break":
        raise RuntimeError("with a secret in it")
    return {"text": text}


def said(*messages: object) -> list[dict]:
    """What the server answers to these lines, in their order of writing."""
    lines = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
    source, sink = io.BytesIO(b"\n".join(lines) + b"\n"), io.BytesIO()
    server = StdioServer("echo", {"echo": Offered(_ECHO, _echo)}, source=source, sink=sink)
    server.run(drop=False)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def request(method: str, number: object = 1, **params: object) -> dict:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def call(text: object, number: object = 1, name: str = "echo") -> dict:
    return request("tools/call", number, name=name, arguments={"text": text})


def test_it_shakes_hands_in_the_version_that_the_client_asks_for():
    for version in VERSIONS:
        (answer,) = said(request("initialize", protocolVersion=version))
        assert answer["result"]["protocolVersion"] == version


def test_to_a_version_that_it_does_not_know_it_offers_its_newest():
    (answer,) = said(request("initialize", protocolVersion="2031-01-01"))

    assert answer["result"]["protocolVersion"] == VERSIONS[0]


def test_a_call_is_answered_as_structure_and_as_text():
    (answer,) = said(call("gr\u00fc\u00df"))

    assert answer["id"] == 1
    assert answer["result"]["structuredContent"] == {"text": "gr\u00fc\u00df"}
    assert json.loads(answer["result"]["content"][0]["text"]) == {"text": "gr\u00fc\u00df"}
    assert answer["result"]["isError"] is False


def test_a_refusal_is_told_in_the_tools_words_and_a_failure_without_its_own():
    refused, broken = said(call("refuse", 1), call("break", 2))

    assert refused["result"]["isError"] is True
    assert refused["result"]["content"][0]["text"] == "not_found: refused."
    assert broken["result"]["isError"] is True
    assert broken["result"]["content"][0]["text"] == "The tool failed: RuntimeError."


def test_arguments_that_are_missing_or_no_text_are_refused():
    for arguments in ({}, {"text": 3}, {"text": None}, [], None):
        (answer,) = said(request("tools/call", name="echo", arguments=arguments))
        assert answer["result"]["content"][0]["text"] == "invalid_arguments: text must be a text."


def test_what_is_no_request_is_answered_as_the_protocol_says():
    assert [answer["error"]["code"] for answer in said(b"no json", b"[]", b'{"id": 1}')] == [-32700, -32600, -32600]
    assert said({"jsonrpc": "2.0", "method": "notifications/initialized"}, b"", {"id": 4, "result": {}}) == []
    assert [answer["error"]["code"] for answer in said(request("server/discover"), call("x", name="other"))] == [
        -32601,
        -32602,
    ]
    (odd,) = said(call("x", number=[1]))
    assert odd["error"]["code"] == -32600


def test_the_protocols_own_client_lists_and_calls_the_document_reader(tmp_path: Path):
    folder = tmp_path / "march"
    folder.mkdir()
    shutil.copy(sample_folder() / "sop-orders.md", folder)
    command = ["-m", "remit.packs.payables.document_server", "--root", str(tmp_path)]

    async def asked():
        async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=command))) as client:
            listed = await client.list_tools()
            found = await client.call_tool("list_documents", {"folder": "march"})
            refused = await client.call_tool("read_document", {"folder": "march", "file": "other.md"})
            return [tool.name for tool in listed.tools], found.structured_content, refused

    names, found, refused = asyncio.run(asyncio.wait_for(asked(), 60))

    assert names == ["list_documents", "read_document"]
    assert [document["file"] for document in found["documents"]] == ["sop-orders.md"]
    assert refused.is_error
    assert "not_found" in refused.content[0].text
