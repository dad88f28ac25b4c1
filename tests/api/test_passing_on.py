"""Agents that ask for narrower tokens by themselves, over a real connection."""

import pytest
from tests.api.a2a.house import a_house, run

from remit.api.passing_on import PATH


def asked(tmp_path, body, *, token=None, method="POST", path=PATH, **wish):
    async def story():
        async with a_house(tmp_path) as house, house.http(token or await house.token(**wish)) as client:
            return await client.request(method, path, json=body)

    return run(story())


def test_an_agent_passes_a_part_of_its_leave_on_and_the_part_is_taken(tmp_path):
    async def story():
        async with a_house(tmp_path) as house, house.http() as client:
            told = (await client.post(PATH, json={"agent": "helper", "tools": ["acme__vendor"]})).json()
            async with house.http(told["token"]) as helper:
                return told, await helper.post(PATH, json={"agent": "helper", "tools": ["acme__pay"]})

    told, widened = run(story())

    assert told["chain"][-2:] == ["agent:outside@1.0.0", "agent:helper@1.0.0"]
    assert told["tools"] == ["acme__vendor"]
    assert (widened.status_code, widened.json()["rule"]) == (403, "delegation_tools")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"agent": "helper", "tools": ["*"]}, "delegation_tools"),
        ({"agent": "helper", "budget_usd_micros": 2_000_000}, "delegation_budget"),
        ({"agent": "helper", "seconds": 900}, "delegation_life"),
    ],
)
def test_what_is_wider_is_refused_with_its_rule(tmp_path, body, rule):
    refused = asked(tmp_path, body, budget_usd_micros=1_000_000, seconds=300)

    assert (refused.status_code, refused.json()["rule"]) == (403, rule)


def test_what_is_not_asked_in_form_is_refused_without_its_values(tmp_path):
    refused = asked(tmp_path, {"agent": "helper", "for": "hunter2"})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert "hunter2" not in refused.text


def test_nobody_without_a_token_is_told_anything(tmp_path):
    refused = asked(tmp_path, {"agent": "helper"}, token="nobody")

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_nothing_else_stands_below_the_agents_path(tmp_path):
    assert asked(tmp_path, None, method="GET").status_code == 404
