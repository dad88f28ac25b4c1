"""A home that is served here, with one connected agent, and a server behind it that uses the whole protocol."""

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from remit.adapters.mcp import McpStdioTransport
from remit.api.serve import serve
from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.identity import Wish
from remit.missions import Given

SERVER = Path(__file__).parents[2] / "adapters" / "mcp" / "full_server.py"
BOUND_SECONDS = 60.0
MODERN = "2026-07-28"

RESOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: full
mcp: {command: ["python", "full_server.py"]}
tools:
  test_simple_text: {tier: read-only, poll: true}
  test_image_content: {tier: read-only}
  test_audio_content: {tier: read-only}
  test_embedded_resource: {tier: read-only}
  test_multiple_content_types: {tier: read-only}
  json_schema_2020_12_tool: {tier: read-only}
  test_tool_with_logging: {tier: read-only}
  test_tool_with_progress: {tier: read-only}
  test_error_handling: {tier: read-only}
  test_sampling: {tier: read-only}
  test_elicitation: {tier: read-only}
  test_elicitation_sep1034_defaults: {tier: read-only}
  test_elicitation_sep1330_enums: {tier: read-only}
  test_structured: {tier: critical}
  test_slow: {tier: read-only}
---
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools: {vendor: {tier: read-only, directory: true}}
---
apiVersion: remit/v1
kind: Agent
name: tester
version: 1.0.0
run: {connected: true}
skills: []
tools: ["full__*", "acme__vendor"]
---
apiVersion: remit/v1
kind: Policy
name: all
agents: [tester]
tools: ["*"]
"""


def run(coroutine):
    """Run to the end on a loop of its own, and never wait for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, BOUND_SECONDS))


class House:
    """The served home as a test sees it."""

    def __init__(self, plane, url):
        self.plane, self.url = plane, url

    async def token(self, **wish):
        """A bearer token for the agent, on behalf of whoever runs the tests."""
        me = current_principal(self.plane)
        return (await self.plane.tokens.issue("tester", me.id, me, Wish(**wish)))["token"]

    @asynccontextmanager
    async def http(self, **headers):
        bearer = {"authorization": f"Bearer {await self.token()}", "accept": "application/json, text/event-stream"}
        async with httpx2.AsyncClient(base_url=self.url, headers={**bearer, **headers}, timeout=30) as client:
            yield client

    @asynccontextmanager
    async def client(self, path="/mcp/full", mode="legacy", **callbacks):
        """A client of the protocol's own library."""
        async with (
            self.http() as http,
            Client(streamable_http_client(f"{self.url}{path}", http_client=http), mode=mode, **callbacks) as client,
        ):
            yield client

    async def halt(self, scope):
        await self.plane.halts.set(scope, "a test", current_principal(self.plane))

    async def answer(self, verdict):
        """Answer the one open question."""
        (asked,) = await self.plane.approvals.all(current_principal(self.plane))
        await self.plane.approvals.answer(Given(asked["id"], verdict), current_principal(self.plane))
        self.plane.core.driver.nudge(asked["mission"])


@asynccontextmanager
async def a_house(folder):
    """Serve a new home until the block ends."""
    settings = Settings(folder / "home")
    await create_home(settings)
    async with closing(await open_home(settings)) as plane:
        ordinary = plane.core.connect
        command = [sys.executable, str(SERVER)]
        # As a bundled one: the tests run with walls and without.
        plane.core.connect = lambda source: (
            McpStdioTransport(command, bundled=True, readable=[SERVER.parent])
            if source.name == "full"
            else ordinary(source)
        )
        await plane.resources.apply([("house.yaml", RESOURCES)], current_principal(plane))
        told = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(plane, lambda: current_principal(plane), port=0, ready=told.set_result))
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield House(plane, told.result().url)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
