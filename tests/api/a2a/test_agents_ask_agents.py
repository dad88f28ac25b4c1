"""Agent to agent through the door: an A2A source whose agent is one of a home's own."""

from contextlib import asynccontextmanager

from tests.api.a2a.asking import artifacts_of, asked, client_of, state_of
from tests.api.a2a.house import a_house, run

AGENTS = """\
apiVersion: remit/v1
kind: Agent
name: outside
version: 1.0.0
run: {connected: true}
tools: ["*"]
---
apiVersion: remit/v1
kind: Agent
name: relay
version: 1.0.0
run: {connected: true}
tools: ["*"]
---
apiVersion: remit/v1
kind: Agent
name: pinger
version: 1.0.0
skills: [{name: ping, description: asks the other}]
run: {python: "tests.api.a2a.fleet:ping"}
tools: ["*"]
---
apiVersion: remit/v1
kind: Agent
name: ponger
version: 1.0.0
skills: [{name: pong, description: asks back}]
run: {python: "tests.api.a2a.fleet:pong"}
tools: ["*"]
---
apiVersion: remit/v1
kind: Policy
name: asks
agents: [pinger, ponger]
tools: ["*"]
"""
SOURCE = """\
apiVersion: remit/v1
kind: ToolSource
name: {agent}
a2a: {{card: "{url}/a2a/{agent}/.well-known/agent-card.json"}}
credential: {{ref: "file:{agent}.token"}}
network: {{allow: [127.0.0.1]}}
tools: {{{skill}: {{tier: read-only, clearance: confidential}}}}
"""


async def connect(home, other, agent, skill):
    """Let the home's agents ask an agent of the other home, with a token of that home."""
    token = home.plane.core.home / f"{agent}.token"
    token.write_text(await other.token("relay", skills=(skill,)))
    token.chmod(0o600)
    source = SOURCE.format(agent=agent, skill=skill, url=other.url)
    await home.plane.resources.apply([(f"{agent}.yaml", source)], home.me)


@asynccontextmanager
async def two_homes(tmp_path):
    async with a_house(tmp_path / "one", AGENTS) as one, a_house(tmp_path / "two", AGENTS) as two:
        await connect(one, two, "ponger", "pong")
        await connect(two, one, "pinger", "ping")
        yield one, two


async def ping(house, given):
    token = await house.token(skills=("ping",))
    async with client_of(house, "pinger", token) as client:
        return await asked(client, given, skill="ping")


async def asked_missions(house):
    return [one for one in await house.plane.missions.all(house.me) if one["workflow"] == "asked"]


async def refusals(house):
    entries = await house.plane.core.store.read("tenant/default", after=0, limit=500)
    return [(entry.payload["skill"], entry.payload["rule"]) for entry in entries if entry.kind == "skill.refused"]


def test_an_agent_asks_an_agent_of_another_home_through_the_door(tmp_path):
    async def story():
        async with two_homes(tmp_path) as (one, two):
            task = await ping(one, {"n": 3, "last": True})
            (there,) = await asked_missions(two)
            (entry, *_) = await two.plane.core.store.read(f"mission/{there['id']}", after=0, limit=1)
            return task, entry.payload

    task, submitted = run(story())

    assert state_of(task) == "completed"
    assert artifacts_of(task)["output"]["data"] == [{"heard": 3}]
    assert [link.partition("@")[0] for link in submitted["ancestry"]] == ["ping"]
    assert submitted["chain"][-2:] == ["agent:relay@1.0.0", "agent:ponger@1.0.0"]


def test_a_circle_over_two_homes_is_stopped_where_it_closes(tmp_path):
    async def story():
        async with two_homes(tmp_path) as (one, two):
            task = await ping(one, {"n": 1})
            return task, len(await asked_missions(one)), len(await asked_missions(two)), await refusals(one)

    task, here, there, refused = run(story())

    assert state_of(task) in {"failed", "rejected"}
    assert (here, there) == (1, 1)
    assert refused == [("ping", "R4")]


def test_a_circle_within_one_home_is_stopped_where_it_closes(tmp_path):
    async def story():
        async with a_house(tmp_path, AGENTS) as house:
            await connect(house, house, "ponger", "pong")
            await connect(house, house, "pinger", "ping")
            task = await ping(house, {"n": 1})
            return task, len(await asked_missions(house)), await refusals(house)

    task, missions, refused = run(story())

    assert state_of(task) in {"failed", "rejected"}
    assert (missions, refused) == (2, [("ping", "R4")])
