"""The protocol's own client library against the door, in both forms of the protocol."""

import asyncio

import mcp_types as types
import pytest
from mcp import MCPError
from tests.api.mcp.house import MODERN, a_house, run

from remit.bootstrap import current_principal

MODES = ("legacy", MODERN)


@pytest.mark.parametrize("mode", MODES)
def test_tools_keep_names_schemas_and_results_on_their_sources_path(tmp_path, mode):
    async def story():
        async with a_house(tmp_path) as house, house.client(mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert "resources/read" not in tools
            assert tools["json_schema_2020_12_tool"].input_schema["$defs"]["address"]["type"] == "object"
            assert tools["test_structured"].output_schema["required"] == ["n"]
            assert tools["test_structured"].title == "Structured"
            mixed = await client.call_tool("test_multiple_content_types", {})
            assert [block.type for block in mixed.content] == ["text", "image", "resource"]
            failed = await client.call_tool("test_error_handling", {})
            assert failed.is_error
            assert failed.content[0].text == "This tool intentionally returns an error for testing"

    run(story())


def test_the_joint_path_names_tools_by_their_source(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.client("/mcp") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"acme__vendor", "full__test_simple_text"} <= names
            vendor = await client.call_tool("acme__vendor", {"name": "Acme Ltd"})
            assert vendor.structured_content["name"] == "Acme Ltd"

    run(story())


@pytest.mark.parametrize("mode", MODES)
def test_progress_reaches_the_caller_that_wants_it(tmp_path, mode):
    async def story():
        seen = []

        async def heard(progress, _total, _message):
            seen.append(progress)

        async with a_house(tmp_path) as house, house.client(mode=mode) as client:
            await client.call_tool("test_tool_with_progress", {}, progress_callback=heard)
            assert seen == [0, 50, 100]

    run(story())


@pytest.mark.parametrize("mode", MODES)
def test_a_sources_question_is_answered_by_the_caller(tmp_path, mode):
    async def answer(_context, params):
        assert params.message == "Who?"
        return types.ElicitResult(action="accept", content={"username": "ada", "email": "ada@example.com"})

    async def story():
        async with a_house(tmp_path) as house, house.client(mode=mode, elicitation_callback=answer) as client:
            asked = await client.call_tool("test_elicitation", {"message": "Who?"})
            assert "action=accept" in asked.content[0].text
            assert "ada" in asked.content[0].text

    run(story())


@pytest.mark.parametrize("mode", MODES)
def test_resources_and_prompts_pass_the_door_and_stand_on_record(tmp_path, mode):
    async def story():
        async with a_house(tmp_path) as house, house.client(mode=mode) as client:
            assert len((await client.list_resources()).resources) == 3
            read = await client.read_resource("test://static-binary")
            assert read.contents[0].mime_type == "image/png"
            prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
            assert "arg1='a'" in prompt.messages[0].content.text
            (mission,) = await house.plane.core.store.records("mission")
            entries = await house.plane.core.store.read_prefix(f"step/{mission[0]}/", after_idx=0, limit=50)
            called = [entry.payload["tool"] for entry in entries if entry.kind == "call.permitted"]
            assert called == ["full__resources/read", "full__prompts/get"]

    run(story())


def test_a_refusal_is_a_result_that_says_why_and_what_would_help(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.client() as client:
            refused = await client.call_tool("test_simple_text", {"unknown": 1})
            assert not refused.is_error  # the schema takes any field
            refused = await client.call_tool("json_schema_2020_12_tool", {"unknown": 1})
            assert refused.is_error
            assert refused.structured_content["code"] == "invalid_arguments"
            assert "Refused (invalid_arguments)" in refused.content[0].text
            with pytest.raises(MCPError, match="No such tool"):
                await client.call_tool("no_such_tool", {})

    run(story())


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_waits_for_a_person_is_answered_with_what_became_of_it(tmp_path, mode):
    async def story():
        async with a_house(tmp_path) as house, house.client(mode=mode) as client:
            pending = await client.call_tool("test_structured", {})
            assert pending.is_error
            told = pending.meta["remit/problem"]
            assert told["code"] == "approval_pending"
            assert told["approval"].startswith("apr")
            assert pending.structured_content is None  # the tool promised another form

            meta = {"remit/wait-seconds": 30}
            waiting = asyncio.create_task(client.call_tool("test_structured", {}, meta=meta))
            await house.answer("approve")
            answered = await waiting
            assert answered.structured_content == {"n": 1}
            assert answered.content[0].text == '{"n":  1}'
            assert answered.meta["test/kept"] == "as it came"

    run(story())


def test_what_an_agent_may_not_use_is_not_listed_and_not_called(tmp_path):
    async def story():
        async with a_house(tmp_path) as house:
            narrow = {"authorization": f"Bearer {await house.token(tools=('acme__vendor',))}"}
            async with house.http(**narrow) as http:
                answer = await ask(http, "/mcp", "tools/list")
                assert [tool["name"] for tool in answer["result"]["tools"]] == ["acme__vendor"]
                refused = await ask(http, "/mcp/full", "tools/call", name="test_simple_text", arguments={})
                assert refused["result"]["structuredContent"]["rule"] == "token_grant"
                offered = await ask(http, "/mcp/full", "server/discover")
                assert offered["result"]["capabilities"].keys() == {"tools", "logging"}

    run(story())


NO_VENDORS = """\
apiVersion: remit/v1
kind: Policy
name: no-vendors
agents: [tester]
deny_tools: [acme__vendor]
"""


def test_what_policy_refuses_whatever_the_arguments_is_not_listed_and_a_call_is_told_why(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.client("/mcp") as client:
            before = {tool.name for tool in (await client.list_tools()).tools}
            plane = house.plane
            await plane.resources.apply([("no-vendors.yaml", NO_VENDORS)], current_principal(plane))
            after = {tool.name for tool in (await client.list_tools()).tools}

            assert before - after == {"acme__vendor"}
            told = await client.call_tool("acme__vendor", {"name": "Acme Ltd"})
            assert told.meta["remit/problem"]["code"] == "policy_denied"

    run(story())


async def ask(http, path, method, **params):
    """One request in the form that needs no handshake."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
    if "name" in params:
        headers["mcp-name"] = params["name"]
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    return (await http.post(path, json=message, headers=headers)).json()
