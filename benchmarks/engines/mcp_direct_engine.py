"""The same tool on the protocol's own library over HTTP, called directly: no gateway at all.

mcp_direct_engine.py PORT
"""

import sys

import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("direct")


@server.tool(structured_output=False)
async def find(text: str) -> str:
    """Find a text."""
    return text


uvicorn.run(
    server.streamable_http_app(json_response=True), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning"
)
