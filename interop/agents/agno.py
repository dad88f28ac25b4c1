"""An agent of Agno; it asks its model by chat completions."""

import asyncio
import os

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.tools.mcp import MCPTools


async def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    async with MCPTools(url=os.environ["MCP_URL"], transport="streamable-http", headers=headers) as office:
        agent = Agent(model=OpenAIChat(id="gpt-4.1-mini"), instructions="You look after invoices.", tools=[office])
        result = await agent.arun("Please pay invoice R-17.")
    print(result.content)


asyncio.run(main())
