"""Work that goes on to an agent of another company, from the file to the answer."""

import pytest
from tests.adapters.a2a.agent import Clerk, serving
from tests.control_plane.builders import a_home, me, run

from remit.errors import InvalidResource

COMPANY = """\
apiVersion: remit/v1
kind: ToolSource
name: clerk
a2a: {{card: "{card}"}}
network: {{allow: [127.0.0.1]}}
tools:
  orders.find: {{tier: read-only}}
---
apiVersion: remit/v1
kind: Agent
name: front
version: 1.0.0
skills: [{{name: front, description: hands on}}]
run: {{python: "tests.control_plane.acme:front"}}
tools: ["clerk__*"]
---
apiVersion: remit/v1
kind: Agent
name: asker
version: 1.0.0
skills: [{{name: ask, description: asks}}]
run: {{python: "tests.control_plane.acme:ask"}}
tools: ["clerk__*"]
---
apiVersion: remit/v1
kind: Policy
name: asks
agents: [front, asker]
tools: ["clerk__*"]
---
apiVersion: remit/v1
kind: Workflow
name: question
start: front
tools: ["clerk__*"]
budget: {{amount: "1.00", currency: USD}}
"""


def test_an_agent_elsewhere_is_asked_through_the_door_and_told_the_skills_above_it(tmp_path):
    clerk = Clerk()

    async def story(card):
        async with a_home(tmp_path) as plane:
            await plane.resources.apply([("company.yaml", COMPANY.format(card=card))], me(plane))
            tier = plane.core.door.controls.registry.tool("clerk__orders.write").tier
            mission = await plane.missions.submit("question", {"text": "find orders"}, me(plane))
            await plane.missions.drive(mission, me(plane))
            return tier, await plane.missions.show(mission, me(plane))

    with serving(clerk) as card:
        tier, mission = run(story(card))

    assert tier == "critical"
    assert mission["status"] == "completed"
    (heard,) = clerk.heard
    skills = [link.partition("@") for link in heard["metadata"]["remit/ancestry"]]
    assert [skill for skill, _, _ in skills] == ["front", "ask"]
    # Where each stands is told by keyed names: a step's own name may say what the work is about.
    assert all(place.startswith("msn-") and len(place.partition("/")[2]) == 16 for _, _, place in skills)
    assert heard["metadata"]["remit/depth"] == 2


def test_a_card_that_cannot_be_read_applies_nothing(tmp_path):
    async def story(card):
        async with a_home(tmp_path) as plane:
            with pytest.raises(InvalidResource, match="cannot be asked for its tools"):
                await plane.resources.apply([("company.yaml", COMPANY.format(card=card))], me(plane))
            return plane.core.door.controls.registry.sources.keys()

    with serving() as card:
        sources = run(story(card.replace("agent-card", "no-card")))

    assert "clerk" not in sources
