"""An agent of Google's Agent Development Kit; it asks its model by LiteLLM, in chat completions."""

import asyncio
import os

from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams
from google.genai import types


async def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    office = McpToolset(connection_params=StreamableHTTPConnectionParams(url=os.environ["MCP_URL"], headers=headers))
    model = LiteLlm(model="openai/gpt-4.1-mini")
    agent = LlmAgent(name="clerk", model=model, instruction="You look after invoices.", tools=[office])
    runner = InMemoryRunner(agent=agent, app_name="invoices")
    session = await runner.session_service.create_session(app_name="invoices", user_id="me")
    asked = types.Content(role="user", parts=[types.Part(text="Please pay invoice R-17.")])
    async for event in runner.run_async(user_id="me", session_id=session.id, new_message=asked):
        if event.is_final_response() and event.content and event.content.parts:
            print(event.content.parts[0].text)
    await office.close()


asyncio.run(main())
