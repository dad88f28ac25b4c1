import sys
from pathlib import Path

from tests.contracts.transport import Example, TransportContract, a_tool

from remit.adapters.mcp import McpStdioTransport

SERVER = Path(__file__).parents[1] / "adapters" / "mcp" / "server.py"


class TestMcpStdioTransport(TransportContract):
    def transport(self):
        return McpStdioTransport([sys.executable, str(SERVER)], bundled=True, readable=[SERVER.parent])

    def unreachable(self):
        return McpStdioTransport(["no-such-program"], bundled=True)

    def success(self):
        return Example(a_tool("test__echo"), {"text": "a"}, content={"text": "a"})

    def failure(self):
        return Example(a_tool("test__refuse"), {}, error="not today")

    def slow(self):
        return Example(a_tool("test__sleep", timeout_seconds=0.05), {"seconds": 20})
