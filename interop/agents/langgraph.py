"""A graph of LangGraph with LangChain's MCP adapters; it asks its model by chat completions."""

import asyncio
import os

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition


async def main() -> None:
    """Answer one question."""
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    office = {"transport": "streamable_http", "url": os.environ["MCP_URL"], "headers": headers}
    tools = await MultiServerMCPClient({"office": office}).get_tools()
    model = ChatOpenAI(model="gpt-4.1-mini").bind_tools(tools)

    async def clerk(state: MessagesState) -> dict:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("clerk", clerk)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "clerk")
    graph.add_conditional_edges("clerk", tools_condition)
    graph.add_edge("tools", "clerk")
    told = [("system", "You look after invoices."), ("user", "Please pay invoice R-17.")]
    result = await graph.compile().ainvoke({"messages": told})
    print(result["messages"][-1].content)


asyncio.run(main())
