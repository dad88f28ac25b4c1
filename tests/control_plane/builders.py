"""A real home in a folder, on the real store, with the company `acme` applied to it."""

import asyncio
from contextlib import asynccontextmanager

from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing

BOUND_SECONDS = 30.0

SOURCE = """\
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools:
  vendor: {tier: read-only, directory: true}
  wait: {tier: read-only}
  pay:
    tier: critical
    idempotent: true
    roles: {amount: $.amount, payee: $.payee}
"""
AGENT = """\
apiVersion: remit/v1
kind: Agent
name: planner
version: 1.0.0
skills: [{name: plan, description: plans}]
run: {python: "tests.control_plane.acme:plan"}
tools: ["acme__*"]
---
apiVersion: remit/v1
kind: Agent
name: waiter
version: 1.0.0
skills: [{name: wait, description: waits}]
run: {python: "tests.control_plane.acme:wait_for_file"}
tools: ["acme__*"]
"""
WORKFLOWS = """\
apiVersion: remit/v1
kind: Workflow
name: pay
start: plan
inputs: {type: object, required: [vendor, amount]}
tools: ["acme__*"]
budget: {amount: "5.00", currency: USD}
---
apiVersion: remit/v1
kind: Workflow
name: patient
start: wait
tools: ["acme__*"]
budget: {amount: "5.00", currency: USD}
"""
POLICY = """\
apiVersion: remit/v1
kind: Policy
name: pays
agents: [planner, waiter]
tools: ["acme__*"]
require_approval_if_over: 100
"""
FILES = [("source.yaml", SOURCE), ("agents.yaml", AGENT), ("workflows.yaml", WORKFLOWS), ("policy.yaml", POLICY)]
OVER = {"vendor": "Acme Ltd", "amount": "250.00"}
BELOW = {"vendor": "Acme Ltd", "amount": "50.00"}


def run(coroutine):
    """Run to the end on a loop of its own, and never wait for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, BOUND_SECONDS))


async def make_home(folder):
    """A new home with the company in it."""
    await create_home(Settings(folder))
    async with opened(folder) as plane:
        await plane.resources.apply(FILES, me(plane))


@asynccontextmanager
async def opened(folder):
    async with closing(await open_home(Settings(folder))) as plane:
        yield plane


@asynccontextmanager
async def a_home(tmp_path):
    folder = tmp_path / "home"
    await make_home(folder)
    async with opened(folder) as plane:
        yield plane


def me(plane):
    return current_principal(plane)


def payments(folder):
    """Amount and payee of each payment that was made."""
    book = folder / "payments.txt"
    return [line.split()[1:] for line in book.read_text().splitlines()] if book.exists() else []
