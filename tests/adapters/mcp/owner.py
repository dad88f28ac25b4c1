"""A process that owns a server, says which, and then waits to be killed while the server is busy."""

import asyncio
import sys
from pathlib import Path

from remit.adapters.mcp import McpStdioTransport
from remit.tools import Tool


async def main() -> None:
    server = Path(__file__).with_name("server.py")
    transport = McpStdioTransport([sys.executable, str(server)], bundled=True, readable=[server.parent])
    answer = await transport.call(Tool("t__echo", "t", "", {}), {"text": ""}, idempotency_key="k")
    print(answer.content["pid"], flush=True)
    await transport.call(Tool("t__block", "t", "", {}), {"seconds": 600}, idempotency_key="k")


asyncio.run(main())
