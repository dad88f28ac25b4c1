"""Sessions of tokens: found again after a restart, closed when the token has ended, and bounded by its authority."""

import asyncio
from dataclasses import replace

import pytest
from tests.control_plane.builders import me, opened, run

from remit.bootstrap import create_home
from remit.config import Settings
from remit.errors import BudgetExhausted, InvalidInput, MissionEnded, RightsExceeded
from remit.gateway import Bounds
from remit.identity import AgentIdentity

FILES = """\
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
run: {connected: true}
tools: ["acme__*"]
budget: {amount: "1.00", currency: USD}
---
apiVersion: remit/v1
kind: Agent
name: planner
version: 1.0.0
skills: [{name: plan, description: plans}]
run: {python: "tests.control_plane.acme:plan"}
---
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools:
  vendor: {tier: read-only, cost: {amount: "0.30", currency: USD}}
---
apiVersion: remit/v1
kind: Policy
name: open
agents: [clerk]
"""


def with_token(plane, *, token="tok-1", agent="clerk@1.0.0", seconds=600, **fields):
    now_us = plane.core.now_us
    identity = AgentIdentity(
        token=token,
        agent=agent,
        principal=me(plane).id,
        mission=None,
        chain=(),
        skills=(),
        tools=("acme__*",),
        budget_usd_micros=None,
        audience="",
        issued_at_us=now_us,
        expires_at_us=now_us + seconds * 1_000_000,
        key="",
        epoch=0,
    )
    return replace(identity, **fields)


async def home(folder):
    await create_home(Settings(folder))
    async with opened(folder) as plane:
        await plane.resources.apply([("all.yaml", FILES)], me(plane))


def test_a_token_has_one_session_also_after_a_restart(tmp_path):
    async def story():
        await home(tmp_path / "home")
        async with opened(tmp_path / "home") as plane:
            sessions = await asyncio.gather(*(plane.sessions.of_token(with_token(plane)) for _ in range(5)))
            (mission,) = {session.mission for session in sessions}
            other = await plane.sessions.of_token(with_token(plane, token="tok-2"))
            assert other.mission != mission
        async with opened(tmp_path / "home") as plane:
            assert (await plane.sessions.of_token(with_token(plane))).mission == mission

    run(story())


def test_a_session_ends_with_its_token_also_where_the_process_was_down(tmp_path):
    async def story():
        await home(tmp_path / "home")
        async with opened(tmp_path / "home") as plane:
            lapsed = await plane.sessions.of_token(with_token(plane, seconds=-60))
            lives = await plane.sessions.of_token(with_token(plane, token="tok-2"))
        async with opened(tmp_path / "home") as plane:
            assert await plane.sessions.close_lapsed() == [lapsed.mission]
            assert await plane.sessions.close_lapsed() == []
            with pytest.raises(MissionEnded):
                await plane.sessions.of(lapsed.mission)
            assert not (await plane.sessions.of(lives.mission)).ended

    run(story())


def test_a_session_is_its_agents_and_its_persons_alone(tmp_path):
    async def story():
        await home(tmp_path / "home")
        async with opened(tmp_path / "home") as plane:
            session = await plane.sessions.of_token(with_token(plane))
            stolen = with_token(plane, token="tok-2", mission=session.mission, principal="mallory")
            with pytest.raises(RightsExceeded):
                await plane.sessions.of_token(stolen)
            with pytest.raises(InvalidInput, match="run by Remit itself"):
                await plane.sessions.of_token(with_token(plane, token="tok-3", agent="planner@1.0.0"))

    run(story())


def test_a_token_spends_no_more_than_its_authority_whatever_the_mission_has(tmp_path):
    async def story():
        await home(tmp_path / "home")
        async with opened(tmp_path / "home") as plane:
            session = await plane.sessions.open("clerk", me(plane))
            few = Bounds(token="tok-9", budget_usd_micros=400_000)
            await session.call("acme__vendor", {"name": "a"}, bounds=few)
            with pytest.raises(BudgetExhausted):
                await session.call("acme__vendor", {"name": "b"}, bounds=few)
            await session.call("acme__vendor", {"name": "b"})
            shown = await plane.core.store.balance("token/tok-9")
            assert (shown.limit, shown.used, shown.held) == (400_000, 300_000, 0)

    run(story())
