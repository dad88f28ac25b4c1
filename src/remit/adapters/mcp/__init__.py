"""Tools of Model Context Protocol servers: those that Remit starts itself, and those at an address.

Over standard input and output there is one server process for each source, started at the first call and shared by all
who have no questions answered on a line of their own; over HTTP one pooled client, imported where a source needs it.
"""

from typing import TYPE_CHECKING, Any

from remit.adapters.mcp.transport import McpStdioTransport

if TYPE_CHECKING:
    from remit.adapters.mcp.http_transport import McpHttpTransport

__all__ = ["McpHttpTransport", "McpStdioTransport"]


def __getattr__(name: str) -> Any:
    if name == "McpHttpTransport":
        from remit.adapters.mcp.http_transport import McpHttpTransport  # noqa: PLC0415 -- imports httpx: 0.1 s

        return McpHttpTransport
    raise AttributeError(name)
