"""A control plane that serves on this machine, and sidecars of it in homes of their own."""

import json
from contextlib import asynccontextmanager

from tests.control_plane.builders import me, opened

from remit.api.doors import AgentDoors
from remit.api.serve import listening
from remit.bootstrap import create_home, open_sidecar
from remit.config import Settings
from remit.control_plane import closing

AGENT = """\
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
run: {connected: true}
tools: ["acme__*"]
budget: {amount: "50.00", currency: USD}
"""
SOURCE = """\
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools:
  vendor: {tier: read-only, cost: {amount: "0.30", currency: USD}}
  pay: {tier: critical, idempotent: true, roles: {amount: $.amount, payee: $.payee}}
"""
BUDGET = 'apiVersion: remit/v1\nkind: Budget\nname: tenant\nlimit: {amount: "%s", currency: USD}\n'
OPEN = "apiVersion: remit/v1\nkind: Policy\nname: clerks\nagents: [clerk]\n"
CLOSED = f'{OPEN}tools: ["acme__pay"]\n'
FILES = [("agent.yaml", AGENT), ("source.yaml", SOURCE), ("policy.yaml", OPEN)]


@asynccontextmanager
async def a_control_plane(folder, *, budget="10.00"):
    """A control plane with the agent `clerk`, and the address under which its sidecars find it."""
    await create_home(Settings(folder))
    async with opened(folder) as plane:
        await plane.resources.apply([*FILES, ("budget.yaml", BUDGET % budget)], me(plane))
        async with served(plane) as address:
            yield plane, address


@asynccontextmanager
async def served(plane):
    async with listening(AgentDoors(plane, nobody)) as address:
        yield address.url


async def nobody(_scope, _receive, _send):
    raise AssertionError("no request of these tests is a person's")


async def enrolled(plane, **bounds):
    """What the token file of a new sidecar holds."""
    return json.dumps(await plane.sidecars.enrol("pod", "clerk", me(plane).id, me(plane), **bounds))


@asynccontextmanager
async def a_sidecar(folder, address, token, *, age=300.0, record_max=10_000):
    """A sidecar that hears, tells and sends only when it is told to."""
    settings = Settings(folder)
    plane, companion = await open_sidecar(settings, address, token, policy_age_seconds=age, record_max=record_max)
    try:
        async with closing(plane):
            await plane.core.keep_lease()
            yield plane, companion
    finally:
        await companion.beside.link.close()


async def a_session(plane):
    registry = plane.core.door.controls.registry
    return await plane.sessions.open("clerk", next(iter(registry.principals.values())))


async def send_all(companion):
    while await companion.sending.send():
        pass
