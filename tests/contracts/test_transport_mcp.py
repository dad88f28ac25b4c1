import sys
from pathlib import Path

import pytest
from tests.adapters.mcp.http_server import an_app
from tests.adapters.served import served
from tests.contracts.transport import Example, TransportContract, a_tool

from remit.adapters.egress import EgressTransport
from remit.adapters.mcp import McpHttpTransport, McpStdioTransport
from remit.registry.reach import NetworkDocument, network

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


class TestMcpHttpTransport(TransportContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def server(cls):
        with served(an_app()) as server:
            cls.url = f"{server.url}/mcp"
            yield

    def transport(self):
        return McpHttpTransport(self.url, EgressTransport(network(NetworkDocument(allow=("127.0.0.1",)))))

    def unreachable(self):
        return McpHttpTransport("http://127.0.0.1:1/", EgressTransport(network(NetworkDocument(allow=("127.0.0.1",)))))

    def success(self):
        return Example(a_tool("test__echo"), {"text": "a"}, content={"text": "a"})

    def failure(self):
        return Example(a_tool("test__refuse"), {}, error="not today")

    def slow(self):
        return Example(a_tool("test__sleep", timeout_seconds=0.05), {"seconds": 20})
