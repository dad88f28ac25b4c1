"""Agent to agent through the door: an A2A source whose agent is one of a home's own."""

from contextlib import asynccontextmanager

import pytest
from a2a.utils.errors import A2AError
from tests.api.a2a.asking import artifacts_of, asked, client_of, state_of
from tests.api.a2a.house import a_house, run

from remit.adapters.system import KeyFolder
from remit.identity import HopKey

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
async def two_homes(tmp_path, agents=AGENTS):
    async with a_house(tmp_path / "one", agents) as one, a_house(tmp_path / "two", agents) as two:
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


async def handed(house):
    """The hops of each skill that was handed to this home: homes and agents."""
    entries = await house.plane.core.store.read("tenant/default", after=0, limit=500)
    return [
        [(hop["home"], hop["agent"], hop["links"]) for hop in entry.payload["hops"]]
        for entry in entries
        if entry.kind == "skill.handed"
    ]


def home_of(house):
    return HopKey.of(house.plane.core.token_keys).home


DOWN = AGENTS.replace("fleet:ping", "fleet:ping_down").replace("fleet:pong", "fleet:pong_down")


def test_each_home_signs_what_it_hands_on_and_verifies_what_came(tmp_path):
    async def story():
        async with two_homes(tmp_path, DOWN) as (one, two):
            task = await ping(one, {"n": 3})
            return task, await handed(one), await handed(two), home_of(one), home_of(two)

    task, at_one, at_two, one, two = run(story())

    assert state_of(task) == "completed"
    pinger, ponger = "pinger@1.0.0", "ponger@1.0.0"
    assert at_two == [
        [(one, pinger, 1)],
        [(one, pinger, 1), (two, ponger, 2), (one, pinger, 3)],
    ]
    assert at_one == [[(one, pinger, 1), (two, ponger, 2)]]


def test_work_that_goes_to_and_fro_with_other_words_each_time_ends_too(tmp_path):
    async def story():
        async with two_homes(tmp_path, DOWN) as (one, two):
            task = await ping(one, {"n": 100})
            return task, await refusals(one) + await refusals(two)

    task, refused = run(story())

    assert state_of(task) in {"failed", "rejected"}
    assert [rule for _, rule in refused] == ["R4"]


def test_what_was_changed_on_the_way_is_refused(tmp_path):
    async def story():
        async with two_homes(tmp_path) as (one, two):
            await ping(one, {"n": 3, "last": True})
            (there,) = await asked_missions(two)
            (entry, *_) = await two.plane.core.store.read(f"mission/{there['id']}", after=0, limit=1)
            (link,) = entry.payload["ancestry"]
            stranger = HopKey.of(KeyFolder(tmp_path / "stranger"))
            host, now_us = one.url.partition("//")[2], one.plane.core.now_us

            def signed(*above, message="m-9", audience=host):
                return stranger.sign(above, before=(), agent="x@1", message=message, audience=audience, now_us=now_us)

            tried = {
                "garbage": ((link,), ("garbage",)),
                "a place of ours that another signed": ((link,), (signed(link),)),
                "taken out": ((), (signed("far.skill"),)),
                "put in": (("far.skill", "more"), (signed("far.skill"),)),
                "for another message": (("far.skill",), (signed("far.skill", message="m-8"),)),
                "for another place": (("far.skill",), (signed("far.skill", audience="elsewhere"),)),
            }
            token = await one.token(skills=("ping",))
            found = {}
            async with client_of(one, "pinger", token) as client:
                for name, (ancestry, hops) in tried.items():
                    with pytest.raises(A2AError) as no:
                        await asked(client, {"n": 1}, name="m-9", skill="ping", ancestry=ancestry, hops=hops)
                    found[name] = str(no.value)
                own = await asked(
                    client, {"n": 1, "last": True}, name="m-9", skill="ping", ancestry=("far.skill",),
                    hops=(signed("far.skill"),),
                )  # fmt: skip
            return found, await refusals(one), own

    found, refused, own = run(story())

    assert all("ancestry_forged" in told for told in found.values()), found
    assert refused == [("ping", "ancestry_forged")] * len(found)
    assert state_of(own) == "completed"


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
