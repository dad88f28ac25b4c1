"""A real server for the tests: it echoes, fails, sleeps, dies, and tells what it sees."""

import asyncio
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("test")


@server.tool()
async def echo(text: str) -> dict[str, Any]:
    """Say it again."""
    return {"text": text, "pid": os.getpid()}


@server.tool(structured_output=False)
async def plain(text: str) -> str:
    return text


@server.tool()
async def fail(text: str) -> dict[str, Any]:
    raise ValueError(text)


@server.tool()
async def refuse() -> dict[str, Any]:
    """Say no on purpose."""
    raise ToolError("not today")


@server.tool()
async def sleep(seconds: float) -> dict[str, Any]:
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@server.tool()
async def block(seconds: float) -> dict[str, Any]:
    """Answers nobody meanwhile."""
    import time

    time.sleep(seconds)
    return {"blocked": seconds}


@server.tool()
async def die() -> dict[str, Any]:
    os._exit(3)


@server.tool()
async def meta(ctx: Context) -> dict[str, Any]:
    return {"meta": dict(ctx.request_context.meta or {})}


@server.tool()
async def spawn() -> dict[str, Any]:
    """Start a process of its own that does not end by itself."""
    child = subprocess.Popen(["sleep", "600"])
    return {"pid": child.pid}


@server.tool()
async def surroundings() -> dict[str, Any]:
    return {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
        "home": [str(path) for path in Path("/root").glob("*")] if os.access("/root", os.R_OK) else [],
    }


if __name__ == "__main__":
    server.run("stdio")
