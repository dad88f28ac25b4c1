"""An agent of the Microsoft Agent Framework; it asks its model by the Responses API."""

import asyncio
import os

from agent_framework import Agent, MCPStreamableHTTPTool
from agent_framework.openai import OpenAIChatClient


async def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    async with MCPStreamableHTTPTool("office", os.environ["MCP_URL"], static_headers=headers) as office:
        # Without this the model is told of any tool's error only that there was one.
        told = {"include_detailed_errors": True}
        client = OpenAIChatClient(model="gpt-4.1-mini", function_invocation_configuration=told)
        agent = Agent(client=client, instructions="You look after invoices.", tools=office)
        result = await agent.run("Please pay invoice R-17.")
    print(result.text)


asyncio.run(main())
