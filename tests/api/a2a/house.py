"""A home that is served here, with agents that offer skills, and one outside that asks for them."""

import asyncio
from contextlib import asynccontextmanager, suppress

import httpx

from remit.api.serve import serve
from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.identity import Wish

BOUND_SECONDS = 60.0

COMPANY = """\
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools:
  vendor: {tier: read-only, directory: true}
  pay: {tier: critical, idempotent: true, roles: {amount: $.amount, payee: $.payee}}
---
apiVersion: remit/v1
kind: Agent
name: outside
version: 1.0.0
run: {connected: true}
tools: ["acme__*"]
budget: {amount: "1.00", currency: USD}
---
apiVersion: remit/v1
kind: Agent
name: helper
version: 1.0.0
run: {connected: true}
tools: ["acme__*"]
---
apiVersion: remit/v1
kind: Agent
name: planner
version: 1.0.0
description: Plans payments.
skills:
- name: plan
  description: plans a payment
  input: {type: object, required: [vendor, amount]}
  output: {type: object}
run: {python: "tests.control_plane.acme:plan"}
tools: ["acme__*"]
---
apiVersion: remit/v1
kind: Policy
name: pays
agents: [planner, outside]
tools: ["acme__*"]
require_approval_if_over: 100
"""


def run(coroutine):
    """Run to the end on a loop of its own, and never wait for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, BOUND_SECONDS))


class House:
    """The served home as a test sees it."""

    def __init__(self, plane, url):
        self.plane, self.url = plane, url

    @property
    def me(self):
        return current_principal(self.plane)

    async def token(self, agent="outside", **wish):
        """A bearer token on behalf of whoever runs the tests."""
        wish = {"skills": ("plan",), **wish}
        return (await self.plane.tokens.issue(agent, self.me.id, self.me, Wish(**wish)))["token"]

    @asynccontextmanager
    async def http(self, token=None):
        headers = {"authorization": f"Bearer {token or await self.token()}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as client:
            yield client


@asynccontextmanager
async def a_house(folder, company=COMPANY):
    """Serve a new home until the block ends."""
    settings = Settings(folder / "home")
    await create_home(settings)
    async with closing(await open_home(settings)) as plane:
        await plane.resources.apply([("company.yaml", company)], current_principal(plane))
        told = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(plane, lambda: current_principal(plane), port=0, ready=told.set_result))
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield House(plane, told.result().url)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
