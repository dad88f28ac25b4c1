"""A source at an address, from its file to its answer."""

import logging

import pytest
from tests.adapters.mcp.http_server import TOKEN, an_app
from tests.adapters.openapi.service import a_service
from tests.adapters.served import served
from tests.control_plane.builders import make_home, me, run

from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.errors import InvalidResource
from remit.tools import Tier

SOURCE = """\
apiVersion: remit/v1
kind: ToolSource
name: crm
mcp: {{url: "{url}/mcp"}}
credential: {{ref: "env:CRM_TOKEN"}}
{network}
tools: {{echo: {{tier: read-only}}}}
"""


@pytest.fixture(scope="module")
def server():
    with served(an_app(token=TOKEN)) as running:
        yield running


def test_a_source_at_an_address_is_applied_examined_and_called_and_its_credential_stays_nowhere(
    tmp_path, server, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    home = tmp_path / "home"
    text = SOURCE.format(url=server.url, network="network: {allow: [127.0.0.1]}")

    async def story():
        await make_home(home)
        async with closing(await open_home(Settings(home))) as plane:
            await plane.resources.apply([("crm.yaml", text)], me(plane))
            tool = plane.core.door.controls.registry.tool("crm__echo")
            told = await plane.core.transports["crm"].call(tool, {"text": TOKEN}, idempotency_key="k")
            (check,) = [c for c in (await plane.doctor.examine())["checks"] if c["check"] == "source crm"]
            return told.content, check

    content, check = run(story())

    assert content == {"text": "[credential]"}
    assert check["ok"], check
    assert TOKEN not in caplog.text
    assert not [path for path in home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


RENEW = "Renew the secret that stands at env:CRM_TOKEN"


@pytest.mark.parametrize(
    ("network", "token", "told", "advice"),
    [
        ("", TOKEN, "127.0.0.1 is a loopback address", "network: {allow: [127.0.0.1/32]}"),
        ("network: {allow: [127.0.0.1]}", "marker-expired", "did not take the credential env:CRM_TOKEN", RENEW),
        ("network: {allow: [127.0.0.1]}", "", "CRM_TOKEN of Remit's process is not set", "Put the secret where"),
    ],
    ids=["address", "expired", "missing"],
)
def test_a_source_that_cannot_be_reached_is_not_applied_and_says_what_would_help(
    tmp_path, server, monkeypatch, network, token, told, advice
):
    monkeypatch.setenv("CRM_TOKEN", token)

    async def story():
        await make_home(tmp_path / "home")
        async with closing(await open_home(Settings(tmp_path / "home"))) as plane:
            with pytest.raises(InvalidResource) as refused:
                await plane.resources.apply([("crm.yaml", SOURCE.format(url=server.url, network=network))], me(plane))
            return refused.value

    error = run(story())

    assert told in error.detail
    assert advice in error.advice
    assert "marker" not in f"{error} {error.to_json()}"


def test_a_service_is_applied_by_its_description_and_called(tmp_path):
    text = """\
apiVersion: remit/v1
kind: ToolSource
name: shop
openapi: {{document: "{url}/openapi.json"}}
network: {{allow: [127.0.0.1]}}
tools: {{createOrder: {{tier: restricted-write, roles: {{id: $.customer}}}}}}
"""

    async def story(url):
        await make_home(tmp_path / "home")
        async with closing(await open_home(Settings(tmp_path / "home"))) as plane:
            await plane.resources.apply([("shop.yaml", text.format(url=url))], me(plane))
            registry = plane.core.door.controls.registry
            order = {"customer": "Ott", "lines": []}
            told = await plane.core.transports["shop"].call(
                registry.tool("shop__createOrder"), order, idempotency_key="k"
            )
            (check,) = [c for c in (await plane.doctor.examine())["checks"] if c["check"] == "source shop"]
            return told.content, check["ok"], registry.tool("shop__getCustomer").tier

    with served(a_service()) as shop:
        content, ok, tier = run(story(shop.url))

    assert (content["order"]["customer"], content["key"], ok) == ("Ott", "k", True)
    # That it is a GET makes nobody believe that it only reads.
    assert tier is Tier.CRITICAL
