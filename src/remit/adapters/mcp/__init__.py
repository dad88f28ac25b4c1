"""Tools of Model Context Protocol servers: those that Remit starts itself, and those at an address.

Over standard input and output there is one server process for each source, started at the first call and shared by all;
over HTTP one pooled client. Importing this folder does not import the `mcp` package (0.4 s idle, 0.75 s on a busy
machine): that happens beside the start of the first server.
"""

from remit.adapters.mcp.http_transport import McpHttpTransport
from remit.adapters.mcp.transport import McpStdioTransport

__all__ = ["McpHttpTransport", "McpStdioTransport"]
