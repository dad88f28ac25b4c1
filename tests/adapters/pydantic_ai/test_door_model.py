import asyncio

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import UnexpectedModelBehavior
from tests.adapters.pydantic_ai.stub import stub_server

from remit.adapters.pydantic_ai import DoorModel, ModelTransport
from remit.errors import BudgetExhausted
from remit.tools import Tool

CHAT = Tool("model__chat", "model", "", {})
SCRIPT = {
    "conversations": [
        {
            "turns": [
                {"tool_calls": [{"name": "price", "arguments": {"item": "pen"}}]},
                {"tool_calls": [{"name": "final_result", "arguments": {"total": "{{last_tool}}"}}]},
            ]
        }
    ]
}


class Bill(BaseModel):
    total: str


def an_agent(call):
    agent = Agent(DoorModel(call), output_type=Bill, instructions="Add it up.")

    @agent.tool_plain
    def price(item: str) -> str:
        return f"{item}: 2.00"

    return agent


def test_an_agent_works_behind_the_door():
    asked = []

    async def main(base_url):
        transport = ModelTransport(f"{base_url}#small")

        async def call(arguments):
            asked.append(arguments)
            result = await transport.call(CHAT, arguments, idempotency_key="k")
            assert result.error is None
            return result.content

        try:
            return await an_agent(call).run("What is a pen?")
        finally:
            await transport.close()

    with stub_server(SCRIPT) as stub:
        result = asyncio.run(main(stub.base_url))
        offered = [tool["function"]["name"] for tool in stub.log[0]["request"]["tools"]]
        system = stub.log[0]["request"]["messages"][0]["content"]

    assert result.output == Bill(total="pen: 2.00")
    assert len(asked) == 2
    assert set(offered) == {"price", "final_result"}
    assert system == "Add it up."
    assert result.usage.input_tokens > 0


def test_a_resumed_agent_asks_in_the_same_words():
    recorded, asked_again = [], []

    async def main(base_url):
        transport = ModelTransport(f"{base_url}#small")

        async def ask(arguments):
            result = await transport.call(CHAT, arguments, idempotency_key="k")
            recorded.append((arguments, result.content))
            return result.content

        async def replay(arguments):
            asked_again.append(arguments)
            return recorded[len(asked_again) - 1][1]

        try:
            await an_agent(ask).run("What is a pen?")
            return await an_agent(replay).run("What is a pen?")
        finally:
            await transport.close()

    with stub_server(SCRIPT) as stub:
        result = asyncio.run(main(stub.base_url))

    assert asked_again == [arguments for arguments, _ in recorded]
    assert result.output == Bill(total="pen: 2.00")


def test_a_refusal_of_the_door_reaches_the_agents_caller():
    async def call(_):
        raise BudgetExhausted("The mission has 0.00 left.")

    with pytest.raises(BudgetExhausted):
        asyncio.run(an_agent(call).run("What is a pen?"))


def test_an_answer_without_a_response_is_not_taken_for_one():
    async def call(_):
        return {"text": "hello"}

    with pytest.raises(UnexpectedModelBehavior):
        asyncio.run(an_agent(call).run("What is a pen?"))


def test_settings_that_belong_to_remit_are_not_handed_on():
    seen = []

    async def call(arguments):
        seen.append(arguments)
        raise BudgetExhausted

    settings = {"temperature": 0.0, "extra_headers": {"x": "y"}, "timeout": 9}
    with pytest.raises(BudgetExhausted):
        asyncio.run(an_agent(call).run("What is a pen?", model_settings=settings))

    assert seen[0]["settings"] == {"temperature": 0.0}
