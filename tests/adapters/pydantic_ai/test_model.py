import asyncio
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.adapters.pydantic_ai.stub import stub_server

from remit.adapters.pydantic_ai import ModelTransport
from remit.errors import InvalidSetting, PriceUnknown, ToolUnreachable
from remit.gateway.transport import Usage
from remit.quantities import Money
from remit.tools import Tool

SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "string"}},
    "required": ["total"],
    "additionalProperties": False,
}
SECRET = "s3cret-words-of-the-prompt"
TURNS = {
    "text": {"content": {"total": "5.00"}},
    "fence": {"content": 'Here you are:\n```json\n{"total": "5.00"}\n```\nAnything else?'},
    "tool": {"tool_calls": [{"name": "invoice", "arguments": {"total": "5.00"}}]},
    "prose": {"content": "I cannot read it."},
    "malformed arguments": {"tool_calls": [{"name": "invoice", "raw_arguments": '{"total": '}]},
    "429": {"status": 429},
    "500": {"status": 500},
    "503": {"status": 503, "error": {"detail": SECRET}},
    "400": {"status": 400, "error": {"detail": SECRET}},
    "403": {"status": 403, "error": {"code": "no_access"}},
    "hang": {"hang": 20},
    "cut": {"content": "x" * 200, "cut_after": 1},
    "json": {"malformed": "json"},
    "html": {"malformed": "html"},
    "empty": {"malformed": "empty"},
    "reset": {"reset": True},
    "tokens": {"content": "hello", "usage": {"prompt_tokens": 1001, "completion_tokens": 33}},
    "untold": {"content": "hello", "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
}
SCRIPT = {"conversations": [{"match": {"last_user": f"<{key}>"}, "turns": [turn]} for key, turn in TURNS.items()]}


def arguments(turn, **more):
    return {"instructions": "Read it.", "prompt": f"{SECRET} <{turn}>", **more}


async def call(transport, given, *, timeout_seconds=10.0):
    tool = Tool("model__chat", "model", "", {}, timeout_seconds=timeout_seconds)
    return await transport.call(tool, given, idempotency_key="key-1")


def ask(transport, given, **options):
    async def main():
        try:
            return await call(transport, given, **options)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 60))


@contextmanager
def a_model(spec="{url}#small", price=None, **options):
    with stub_server(SCRIPT, **options) as stub:
        yield ModelTransport(spec.format(url=stub.base_url), price=price), stub


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("turn", ["text", "fence", "tool"])
def test_the_object_is_found_wherever_the_model_put_it(turn):
    with a_model() as (model, _):
        result = ask(model, arguments(turn, output_schema=SCHEMA, output_name="invoice"))

    assert result.content["output"] == {"total": "5.00"}
    assert result.content["model"] == "small"


@pytest.mark.parametrize("turn", ["prose", "malformed arguments"])
def test_an_answer_without_an_object_says_so_and_its_tokens_count(turn):
    with a_model() as (model, _):
        result = ask(model, arguments(turn, output_schema=SCHEMA, output_name="invoice"))

    assert result.content["output"] is None
    assert result.content["problem"]
    assert result.usage.tokens_in > 0


@pytest.mark.parametrize("turn", ["429", "500", "503", "hang", "cut", "json", "html", "empty", "reset"])
def test_a_failure_is_unreachable_after_exactly_one_request_and_tells_no_secret(turn):
    with a_model() as (model, stub):
        with pytest.raises(ToolUnreachable) as failure:
            ask(model, arguments(turn), timeout_seconds=0.5)

        assert len(stub.log) == 1
    assert SECRET not in str(failure.value)
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None


def test_a_refusal_of_the_provider_is_an_error_that_costs_nothing():
    with a_model() as (model, stub):
        refused = ask(model, arguments("400"))
    with a_model() as (model, stub):
        forbidden = ask(model, arguments("403"))
        assert len(stub.log) == 1

    assert refused.error == "http_400: the model's provider refused the request"
    assert forbidden.error == "http_403: the model's provider refused the request (no_access)"
    assert refused.usage.cost == Money(0, "USD")


def test_a_wrong_key_is_an_error_without_the_key():
    with stub_server(SCRIPT, api_key="right") as stub:
        wrong = ask(ModelTransport(f"{stub.base_url}#small", api_key="wr0ng"), arguments("text"))
        right = ask(ModelTransport(f"{stub.base_url}#small", api_key="right"), arguments("text"))

    assert wrong.error is not None
    assert wrong.error.startswith("http_401")
    assert "wr0ng" not in wrong.error
    assert right.error is None


def test_an_endpoint_without_a_named_model_is_asked_for_its_first():
    script = {"conversations": [{"match": {"model": "acme-1"}, "turns": [{"content": "hello"}]}]}
    with stub_server(script) as stub:
        result = ask(ModelTransport(stub.base_url), {"prompt": "hello"})

    assert result.content["model"] == "acme-1"


def test_the_variable_for_the_address_is_honoured(monkeypatch):
    with stub_server(SCRIPT) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        result = ask(ModelTransport("openai:gpt-4o-mini"), arguments("tokens"))

        assert stub.log[0]["path"] == "/v1/chat/completions"
    assert result.content["text"] == "hello"
    assert result.usage.cost == Money(170, "USD")  # 1001 * 0.15 + 33 * 0.60 = 169.95 micro-dollars


def test_the_request_bounds_the_answer():
    with a_model() as (model, stub):
        ask(model, arguments("text", max_output_tokens=77))
        ask(ModelTransport(f"{stub.base_url}#small", output_tokens_max=50), arguments("text", max_output_tokens=77))

        assert [entry["request"]["max_tokens"] for entry in stub.log] == [77, 50]


def test_a_configured_price_goes_first_and_is_rounded_up():
    with a_model(price="1/2.5") as (model, _):
        result = ask(model, arguments("tokens"))

    assert result.usage == Usage(Money(1084, "USD"), 1001, 33)  # 1001 + 82.5
    assert model.price_of(Usage(None, 1, 1)) == Money(4, "USD")
    assert "price_note" not in result.content


def test_a_provider_that_tells_no_usage_is_taken_at_its_worst():
    with a_model(price="1/2") as (model, _):
        result = ask(model, arguments("untold", max_output_tokens=10))

    assert result.usage.cost == model.worst_case(arguments("untold", max_output_tokens=10))


def test_the_worst_case_covers_what_was_used():
    with a_model(price="1/2") as (model, _):
        given = arguments("text", output_schema=SCHEMA, max_output_tokens=100)
        result = ask(model, given)

    assert result.usage.cost is not None
    assert model.worst_case(given).micros >= result.usage.cost.micros
    assert model.worst_case(given).micros >= 200


def test_an_endpoint_on_this_machine_is_free_and_says_so():
    with a_model() as (model, _):
        result = ask(model, arguments("text"))

    assert result.usage.cost == Money(0, "USD")
    assert "priced at zero" in result.content["price_note"]
    assert model.worst_case(arguments("text")) == Money(0, "USD")


def test_a_model_without_a_price_is_never_asked():
    model = ModelTransport("https://models.example.com/v1#acme-1")

    with pytest.raises(PriceUnknown):
        model.worst_case({"prompt": "hello"})
    result = ask(model, {"prompt": "hello"})

    assert result.error is not None
    assert result.error.startswith("price_unknown")


@pytest.mark.parametrize("spec", ["", "gpt-4o", "http://", "openai: x y"])
def test_a_specification_that_means_nothing_is_an_invalid_setting(spec):
    with pytest.raises(InvalidSetting):
        ModelTransport(spec)


@pytest.mark.parametrize("price", ["1", "a/b", "1/2/3", "-1/2", "NaN/1", "1e9/1"])
def test_a_price_that_is_none_is_an_invalid_setting(price):
    with pytest.raises(InvalidSetting):
        ModelTransport("openai:gpt-4o-mini", price=price)


@pytest.mark.parametrize("spec", ["nobody:nothing", "openai:gpt-4o-mini"])
def test_a_model_that_cannot_be_used_says_what_to_do(spec):
    with pytest.raises(InvalidSetting):
        asyncio.run(ModelTransport(spec, price="1/1").prepare())
    result = ask(ModelTransport(spec, price="1/1"), {"prompt": "hello"})

    assert result.error is not None
    assert result.error.startswith("invalid_setting")


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "x", "settings": {"extra_headers": {"Authorization": "other"}}},
        {"messages": [{"kind": "nonsense"}]},
        {"messages": [], "parameters": {"native_tools": [{"kind": "web_search"}]}},
        {
            "messages": [
                {
                    "kind": "request",
                    "parts": [
                        {
                            "part_kind": "user-prompt",
                            "content": ["look", {"kind": "image-url", "url": "http://10.0.0.1/x.png"}],
                        }
                    ],
                }
            ]
        },
    ],
)
def test_what_would_go_past_the_door_is_refused_before_it_is_sent(given):
    with a_model() as (model, stub):
        result = ask(model, given)

        assert result.error is not None
        assert result.error.startswith("invalid_arguments")
        assert stub.log == []


def test_a_transport_may_be_used_on_one_loop_after_another():
    with a_model() as (model, _):
        for _ in range(2):
            assert asyncio.run(call(model, arguments("text"))).error is None


def test_importing_the_adapter_does_not_import_the_clients():
    code = "import sys, remit.adapters.pydantic_ai.transport; sys.exit('pydantic_ai' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_the_adapter_says_how_to_install_it():
    code = (
        "import importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pydantic_ai' else real(name, *rest)\n"
        "from remit.errors import InvalidSetting\n"
        "try:\n"
        "    import remit.adapters.pydantic_ai\n"
        "except InvalidSetting as error:\n"
        "    print(error.advice)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "pip install 'remit[models]'" in done.stdout
