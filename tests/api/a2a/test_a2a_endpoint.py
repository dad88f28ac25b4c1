"""Agents elsewhere that ask for skills of this home, with the public A2A library over a real connection."""

import pytest
from a2a.types import CancelTaskRequest, GetTaskRequest
from a2a.utils.errors import A2AError, InvalidParamsError, InvalidRequestError, TaskNotFoundError
from tests.api.a2a.asking import artifacts_of, asked, client_of, look, state_of
from tests.api.a2a.house import COMPANY, a_house, run

from remit.missions import Given

BELOW = {"vendor": "Acme Ltd", "amount": "50.00"}
OVER = {"vendor": "Acme Ltd", "amount": "250.00"}


def told(tmp_path, work):
    async def story():
        async with a_house(tmp_path) as house:
            return await work(house)

    return run(story())


async def submitted(house, mission):
    (entry, *_) = await house.plane.core.store.read(f"mission/{mission}", after=0, limit=1)
    return entry


def test_the_card_names_the_skills_their_schemas_and_the_way_in(tmp_path):
    async def work(house):
        async with house.http() as client:
            del client.headers["authorization"]
            card = (await client.get("/a2a/planner/.well-known/agent-card.json")).json()
            none = await client.get("/a2a/outside/.well-known/agent-card.json")
            return house.url, card, none.status_code

    url, card, none = told(tmp_path, work)

    assert none == 404
    assert [skill["id"] for skill in card["skills"]] == ["plan"]
    (interface,) = card["supportedInterfaces"]
    assert (interface["url"], interface["protocolVersion"]) == (f"{url}/a2a/planner", "1.0")
    (schemas,) = card["capabilities"]["extensions"]
    assert schemas["params"]["plan"]["input"]["required"] == ["vendor", "amount"]
    assert card["securitySchemes"]["bearer"]["httpAuthSecurityScheme"]["scheme"] == "Bearer"


def test_a_message_is_refused_without_a_token(tmp_path):
    async def work(house):
        async with house.http() as client:
            del client.headers["authorization"]
            return await client.post("/a2a/planner", json={"jsonrpc": "2.0", "id": 1, "method": "SendMessage"})

    refused = told(tmp_path, work)

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_a_skill_asked_for_by_an_agent_is_a_mission_on_that_agents_leave(tmp_path):
    async def work(house):
        async with client_of(house) as client:
            task = await asked(client, {**BELOW, "amount": "50.00"}, ancestry=("far.skill",))
        return house.me.id, task, await submitted(house, task.id)

    me, task, entry = told(tmp_path, work)

    # What an agent gave is nobody's word: the amount waits for a person though the policy would not ask.
    assert state_of(task) == "input_required"
    assert entry.payload["chain"] == [f"principal:{me}", "agent:outside@1.0.0", "agent:planner@1.0.0"]
    assert (entry.actor, entry.payload["principal"]) == ("agent:outside@1.0.0", me)
    assert entry.payload["parent"].startswith("msn-")
    assert entry.payload["ancestry"] == ["far.skill"]
    assert (entry.payload["known"], entry.payload["tools"]) == ([], ["acme__*"])
    assert entry.payload["budget_usd_micros"] <= 1_000_000


def test_a_task_that_waits_for_a_person_completes_once_they_have_answered(tmp_path):
    async def work(house):
        async with client_of(house) as client:
            waiting = await asked(client, OVER)
            (question,) = await house.plane.approvals.all(house.me)
            await house.plane.approvals.answer(Given(question["id"], "approve"), house.me)
            house.plane.core.driver.nudge(waiting.id)
            while state_of(ended := await look(client, waiting.id)) in {"working", "input_required"}:
                pass
            again = await asked(client, OVER)
        return waiting, ended, again

    waiting, ended, again = told(tmp_path, work)

    assert state_of(waiting) == "input_required"
    assert "A person is asked" in waiting.status.message.parts[0].text
    assert state_of(ended) == "completed"
    assert artifacts_of(ended)["output"] == {"vendor": "V-1"}
    assert artifacts_of(ended)["steps"]["pay"]["status"] == "succeeded"
    # The same message once more is the same task, and pays nothing again.
    assert (again.id, state_of(again)) == (ended.id, "completed")


def test_only_the_agent_that_began_a_task_may_read_or_cancel_it(tmp_path):
    async def work(house):
        async with client_of(house) as client:
            task = await asked(client, OVER)
            other = await house.token("helper")
            async with client_of(house, token=other) as stranger:
                for call in (
                    stranger.get_task(GetTaskRequest(id=task.id)),
                    stranger.cancel_task(CancelTaskRequest(id=task.id)),
                ):
                    with pytest.raises(TaskNotFoundError):
                        await call
            renewed = await house.token()
            async with client_of(house, token=renewed) as same:
                return await same.cancel_task(CancelTaskRequest(id=task.id))

    assert state_of(told(tmp_path, work)) == "canceled"


@pytest.mark.parametrize(
    ("wish", "message", "error", "rule"),
    [
        ({"skills": ()}, {}, InvalidRequestError, "token_skill"),
        ({}, {"skill": "pay"}, InvalidParamsError, "unknown_skill"),
        ({}, {"data": {"vendor": "hunter2"}}, InvalidParamsError, "invalid_input"),
        ({}, {"ancestry": ("a b",)}, InvalidParamsError, "invalid_input"),
        ({}, {"ancestry": tuple(f"s{n}" for n in range(9))}, InvalidRequestError, "R4"),
    ],
)
def test_what_may_not_be_asked_is_refused_with_its_rule(tmp_path, wish, message, error, rule):
    async def work(house):
        async with client_of(house, token=await house.token(**wish)) as client:
            with pytest.raises(A2AError) as refused:
                await asked(client, **{"data": BELOW, **message})
        kinds = await house.plane.core.store.read("tenant/default", after=0, limit=500)
        return refused.value, [entry.payload["rule"] for entry in kinds if entry.kind == "skill.refused"]

    refused, recorded = told(tmp_path, work)

    assert isinstance(refused, error)
    assert rule in str(refused)
    assert "hunter2" not in str(refused)
    assert recorded == ([rule] if error is InvalidRequestError else [])


def test_a_tool_that_the_token_does_not_name_is_refused_to_the_skill(tmp_path):
    async def work(house):
        token = await house.token(tools=("acme__pay",))
        async with client_of(house, token=token) as client:
            return await asked(client, BELOW)

    task = told(tmp_path, work)

    assert state_of(task) == "rejected"
    assert "mission_grant" in task.status.message.parts[0].text


PRICED = COMPANY.replace("directory: true}", 'directory: true, cost: {amount: "0.30", currency: USD}}')


@pytest.mark.parametrize("wish", [{"budget_usd_micros": 500_000}, {}], ids=["the token's", "the session's"])
def test_all_tasks_of_a_token_spend_from_one_budget(tmp_path, wish):
    async def work(house):
        token = await house.token(**wish)
        async with client_of(house, token=token) as client:
            return [state_of(await asked(client, BELOW, name=f"m-{n}")) for n in range(4)]

    async def story():
        async with a_house(tmp_path, PRICED) as house:
            return await work(house)

    taken = 1 if wish else 3

    states = run(story())

    assert states[:taken] == ["input_required"] * taken
    assert "input_required" not in states[taken:]
