"""An agent of the OpenAI Agents SDK; it asks its model by the Responses API."""

import asyncio
import os

from agents import Agent, Runner
from agents.mcp import MCPServerStreamableHttp


async def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    async with MCPServerStreamableHttp({"url": os.environ["MCP_URL"], "headers": headers}) as office:
        agent = Agent(name="Clerk", instructions="You look after invoices.", model="gpt-4.1-mini", mcp_servers=[office])
        result = await Runner.run(agent, "Please pay invoice R-17.")
    print(result.final_output)


asyncio.run(main())
