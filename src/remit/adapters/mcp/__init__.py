"""Tools of Model Context Protocol servers: those that Remit starts itself, and those at an address.

Over standard input and output there is one server process for each source, started at the first call and shared by all
who have no questions answered on a line of their own; over HTTP one pooled client.
"""

from remit.adapters.mcp.http_transport import McpHttpTransport
from remit.adapters.mcp.transport import McpStdioTransport

__all__ = ["McpHttpTransport", "McpStdioTransport"]
