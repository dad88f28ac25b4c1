"""Working state and memory for agents outside, over a real connection, and what people see and do about it."""

from contextlib import asynccontextmanager

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.api.a2a.house import COMPANY, a_house, run
from tests.api.mcp.house import httpx2

from remit.cli.memory import memory as memory_commands
from remit.control_plane import Principal
from remit.errors import InvalidInput, LegalHold, NotFound, RightsExceeded
from remit.ids import PrincipalId

KEEPS = COMPANY.replace('tools: ["acme__*"]\nbudget', 'tools: ["acme__*", "remit__*"]\nbudget').replace(
    'tools: ["acme__*"]\nrequire', 'tools: ["acme__*", "remit__*"]\nrequire'
)
TOOLS = "/agent/v1/tools/"
STRANGER = Principal(PrincipalId("eve"), "Eve", frozenset({"operator"}))


async def called(client, tool, **arguments):
    return await client.post(f"{TOOLS}remit__{tool}", json=arguments)


@asynccontextmanager
async def over_mcp(house, path="/mcp/remit"):
    headers = {"authorization": f"Bearer {await house.token()}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{house.url}{path}", http_client=http), mode="legacy") as client,
    ):
        yield client


def test_an_agent_outside_keeps_and_reads_its_state_over_plain_http_and_people_see_it(tmp_path):
    async def story():
        async with a_house(tmp_path, KEEPS) as house, house.http() as client:
            saved = await called(client, "state_save", goal={"buy": "steel"}, tools={"crm": [1]}, reflect="begun")
            read = await called(client, "state_read")

            assert saved.json()["content"]["seq"] == 1
            assert read.json()["content"]["goal"] == {"buy": "steel"}
            (mission,) = [one["id"] for one in await house.plane.missions.all(house.me)]
            (shown,) = await house.plane.states.show(mission, house.me)
            assert (shown["step"], shown["goal"], shown["tools"]) == ("session", {"buy": "steel"}, {"crm": [1]})
            assert (shown["reflections"], shown["policy_changed"]) == (["begun"], False)

            await called(client, "state_save", goal="lost my way")
            back = await house.plane.states.rewind(mission, "session", 1, house.me)
            assert (back["seq"], back["epoch"]) == (3, 2)
            again = await called(client, "state_read", tiers=["goal"])
            assert again.json()["content"]["goal"] == {"buy": "steel"}
            with pytest.raises(NotFound):
                await house.plane.states.show(mission, house.me, step="plan")

    run(story())


def test_the_same_tools_stand_at_mcp_for_whom_they_were_granted(tmp_path):
    async def story():
        async with a_house(tmp_path, KEEPS) as house:
            async with over_mcp(house) as client:
                names = {tool.name for tool in (await client.list_tools()).tools}
                await client.call_tool("memory_write", {"scope": "person", "key": "tone", "value": "brief"})
                found = await client.call_tool("memory_search", {"scope": "person", "text": "TONE"})
            async with over_mcp(house, "/mcp") as client:
                joint = {tool.name for tool in (await client.list_tools()).tools}

            assert {"state_save", "state_read", "state_point", "memory_read", "memory_write"} <= names
            assert {"acme__vendor", "remit__memory_write"} <= joint
            assert found.structured_content["notes"][0]["value"] == "brief"

    run(story())


def test_what_is_refused_says_its_code_and_nothing_is_changed(tmp_path):
    async def story():
        async with a_house(tmp_path, KEEPS) as house, house.http() as client:
            for tool, given, status, code in (
                ("state_read", {"pointer": "rsp1.x.y"}, 403, "pointer_forged"),
                ("state_save", {"goal": "x" * 10_300}, 413, "state_too_large"),
                ("state_point", {"to": "planner", "tiers": ["goal"]}, 422, "invalid_input"),
                ("memory_write", {"scope": "galaxy", "key": "k", "value": 1}, 422, "invalid_arguments"),
                ("memory_forget", {"scope": "agent", "key": "k"}, 404, "not_found"),
                ("state_burn", {}, 404, "unknown_tool"),
            ):
                refused = await called(client, tool, **given)
                assert (refused.status_code, refused.json()["code"]) == (status, code), tool
            broken = await client.post(f"{TOOLS}remit__state_save", content=b"[1]")
            assert (broken.status_code, broken.json()["code"]) == (422, "invalid_input")
            assert not await house.plane.memories.all(house.me)

    run(story())


def test_an_agent_that_was_not_granted_them_has_none_of_them(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as client:
            refused = await called(client, "memory_read", scope="tenant", key="k")

            assert (refused.status_code, refused.json()["code"]) == (403, "not_granted")

    run(story())


def test_people_list_show_hold_and_erase_what_agents_remember(tmp_path):
    async def story():
        async with a_house(tmp_path, KEEPS) as house:
            async with house.http() as client:
                await called(client, "memory_write", scope="person", key="tone", value="brief")
                await called(client, "memory_write", scope="tenant", key="name", value="Acme")
            people, me = house.plane.memories, house.me
            mine = f"person/{me.id}"

            assert [one["scope"] for one in await people.all(me)] == [mine, "tenant/default"]
            assert [one["scope"] for one in await people.all(STRANGER)] == ["tenant/default"]
            (note,) = (await people.show(mine, me))["found"]
            assert (note["key"], note["value"], note["by"]) == ("tone", "brief", "outside@1.0.0")
            for no in (
                people.show(mine, STRANGER),
                people.erase(mine, "wish", STRANGER),
                people.hold(mine, "x", STRANGER),
            ):
                with pytest.raises(RightsExceeded):
                    await no
            with pytest.raises(InvalidInput):
                await people.erase(mine, " ", me)

            await people.hold(mine, "case 7", me)
            with pytest.raises(LegalHold):
                await people.erase(mine, "request", me)
            await people.release(mine, me)
            assert await people.erase(mine, "request", me) == {"scope": mine, "erased": 1, "keys_destroyed": 1}
            assert (await people.show(mine, me))["found"] == []
            async with house.http() as client:
                gone = await called(client, "memory_read", scope="person", key="tone")
                assert gone.json()["content"] == {"found": False, "value": None}

    run(story())


def test_a_person_has_their_own_memory_erased_without_any_role(tmp_path):
    async def story():
        async with a_house(tmp_path, KEEPS) as house:
            async with house.http() as client:
                await called(client, "memory_write", scope="person", key="tone", value="brief")
            alone = Principal(house.me.id, "Me", frozenset())

            assert (await house.plane.memories.erase(f"person/{alone.id}", "request", alone))["erased"] == 1

    run(story())


def test_every_command_of_memory_is_there():
    assert {command.name or command.callback.__name__ for command in memory_commands.registered_commands} == {
        "list",
        "show",
        "erase",
        "hold",
        "release",
    }
