"""MCP over streamable HTTP: the door as a server, for agents in any language and framework.

`/mcp` has all tools, named `SOURCE__TOOL`; `/mcp/SOURCE` has one source's, under their own names, and what else that
source offers: resources, prompts, completions, and questions to the agent. Both protocols are spoken: the one that
begins with a handshake (up to 2025-11-25) and the one in which each request stands for itself (2026-07-28).
"""

from remit.api.mcp.endpoint import McpEndpoint

__all__ = ["McpEndpoint"]
