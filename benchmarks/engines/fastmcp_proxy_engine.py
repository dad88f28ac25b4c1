"""A fastmcp proxy with one shared client before the same server: what a relay without a door costs here.

fastmcp_proxy_engine.py PORT
"""

import asyncio
import sys
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.server.providers.proxy import FastMCPProxy

UPSTREAM = Path(__file__).with_name("mcp_upstream.py")


async def main(port: int) -> None:
    """Serve until ended."""
    client = Client(StdioTransport(sys.executable, [str(UPSTREAM)]))
    async with client:
        proxy = FastMCPProxy(client_factory=lambda: client, name="bench")
        await proxy.run_async(
            transport="http", host="127.0.0.1", port=port, log_level="warning", show_banner=False, json_response=True
        )


asyncio.run(main(int(sys.argv[1])))
