import asyncio

import pytest
from tests.adapters.egress.wire import answer, wire
from tests.adapters.pydantic_ai.stub import stub_server

from remit.adapters.pydantic_ai import ModelTransport
from remit.bootstrap import create_home
from remit.config import Settings, read_settings
from remit.errors import EgressRefused, InvalidSetting, ToolUnreachable
from remit.registry import Network, network_allowing
from remit.tools import Tool

TOOL = Tool("model__chat", "model", "", {}, timeout_seconds=10.0)
SCRIPT = {"conversations": [{"match": {}, "turns": [{"content": "hello"}]}]}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


async def asked(spec, network=None):
    model = ModelTransport(spec, price="1/1", network=network)
    try:
        return await model.call(TOOL, {"prompt": "hello"}, idempotency_key="key-1")
    finally:
        await model.close()


def ask(spec, network=None):
    return asyncio.run(asyncio.wait_for(asked(spec, network), 30))


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("10.1.2.3", "egress_private"),
        ("169.254.169.254", "egress_metadata"),
        ("[fd00:ec2::254]", "egress_metadata"),
        ("[::ffff:169.254.1.1]", "egress_link_local"),
        ("0.0.0.0", "egress_unspecified"),
    ],
)
def test_a_model_at_an_address_that_is_not_public_is_not_reached(host, rule):
    with pytest.raises(EgressRefused) as refused:
        ask(f"http://{host}/v1#small")

    assert refused.value.rule == rule
    assert "REMIT_MODEL_NETWORK" in refused.value.advice
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_it_is_reached_where_that_is_declared():
    with stub_server(SCRIPT) as stub:
        # Another way to write this machine, and none that counts as putting the model here.
        spec = stub.base_url.replace("127.0.0.1", "0.0.0.0") + "#small"
        with pytest.raises(EgressRefused):
            ask(spec, network_allowing(["10.0.0.0/8"]))
        assert stub.log == []

        assert ask(spec, network_allowing(["0.0.0.0"])).content["text"] == "hello"


def test_a_providers_own_address_is_held_to_the_same(monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "any")
    with stub_server(SCRIPT) as stub:
        monkeypatch.setenv("VLLM_BASE_URL", stub.base_url)
        with pytest.raises(EgressRefused):
            ask("vllm:small")
        assert stub.log == []

        assert ask("vllm:small", network_allowing(["127.0.0.1"])).content["text"] == "hello"


def test_a_provider_that_cannot_be_held_to_it_is_not_used():
    result = ask("bedrock:amazon.nova-lite-v1:0")

    assert result.error is not None
    assert result.error.startswith("invalid_setting")
    assert "past Remit's way out" in result.error


def test_a_redirect_to_another_place_is_not_followed():
    async def main():
        async with wire(lambda _: answer(200, b"{}")) as elsewhere:
            moved = f"{elsewhere.url}/v1/chat/completions"
            async with wire(lambda _: answer(307, location=moved)) as first:
                with pytest.raises(EgressRefused) as refused:
                    await asked(f"{first.url}/v1#small")
                return refused.value, len(first.asked), elsewhere.connections

    error, first, elsewhere = asyncio.run(asyncio.wait_for(main(), 30))

    assert (error.rule, first, elsewhere) == ("egress_redirect", 1, 0)
    assert "REMIT_MODEL" in error.advice


def test_the_environments_proxy_is_not_heard(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with stub_server(SCRIPT) as stub:
        assert ask(f"{stub.base_url}#small").content["text"] == "hello"


def test_an_answer_without_end_is_cut_off():
    async def main():
        body = b'{"x": "' + b"a" * 20_000 + b'"}'
        async with wire(lambda _: answer(200, body, content_type="application/json")) as served:
            with pytest.raises(ToolUnreachable) as failure:
                await asked(f"{served.url}/v1#small", Network(answer_bytes_max=10_000))
            return failure.value.code

    assert asyncio.run(asyncio.wait_for(main(), 30)) == "answer_too_long"


def test_the_setting_names_addresses_networks_and_hosts(tmp_path):
    settings = read_settings({"REMIT_MODEL_NETWORK": "10.1.2.3, models.internal,"}, home=tmp_path)
    assert settings.model_network == ("10.1.2.3", "models.internal")

    wide = Settings(tmp_path / "home", model="http://10.1.2.3/v1", model_network=("0.0.0.0/0",))
    with pytest.raises(InvalidSetting, match="REMIT_MODEL_NETWORK"):
        asyncio.run(create_home(wide))
