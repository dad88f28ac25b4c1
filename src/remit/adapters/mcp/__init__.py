"""Tools of Model Context Protocol servers that Remit starts itself and speaks to over standard input and output.

One server process for each source, started at the first call and shared by all. Importing this folder does not import
the `mcp` package (0.4 s idle, 0.75 s on a busy machine): that happens beside the start of the first server.
"""

from remit.adapters.mcp.transport import McpStdioTransport

__all__ = ["McpStdioTransport"]
