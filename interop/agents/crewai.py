"""A crew of CrewAI with one agent; it asks its model by chat completions."""

import os

from crewai import Agent, Crew, Task
from crewai_tools import MCPServerAdapter


def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    office = {"url": os.environ["MCP_URL"], "transport": "streamable-http", "headers": headers}
    with MCPServerAdapter(office) as tools:
        clerk = Agent(
            role="Clerk",
            goal="Look after invoices.",
            backstory="You have looked after invoices for years.",
            llm="openai/gpt-4.1-mini",
            tools=tools,
        )
        task = Task(description="Please pay invoice R-17.", expected_output="What became of it.", agent=clerk)
        print(Crew(agents=[clerk], tasks=[task]).kickoff().raw)


main()
