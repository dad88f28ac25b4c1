"""An agent of pydantic-ai; it asks its model by chat completions."""

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset


async def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    office = MCPToolset(os.environ["MCP_URL"], headers=headers)
    agent = Agent("openai-chat:gpt-4.1-mini", instructions="You look after invoices.", toolsets=[office])
    async with agent:
        result = await agent.run("Please pay invoice R-17.")
    print(result.output)


asyncio.run(main())
