"""A real service, called by the description that it gives of itself."""

import asyncio

import orjson
import pytest
from tests.adapters.openapi.service import TOKEN, a_service
from tests.adapters.served import served

from remit.adapters.egress import EgressTransport, Injector
from remit.adapters.openapi import OpenApiTransport
from remit.adapters.secrets import SecretStores
from remit.errors import CredentialRefused, EgressRefused, InvalidResource, ToolUnavailable, ToolUnreachable
from remit.gateway.arguments import check_arguments
from remit.registry import Credential
from remit.registry.reach import NetworkDocument, network
from remit.tools import Tool


@pytest.fixture(scope="module")
def service():
    app = a_service()
    with served(app) as server:
        server.app = app
        yield server


def an_egress(*, allow=("127.0.0.1",), token=None, **fields):
    injector = None
    if token:
        injector = Injector(Credential("env:KEY"), SecretStores({"KEY": token}, folder=None, mounted=None))
    return EgressTransport(network(NetworkDocument(allow=allow, **fields)), injector=injector)


def a_transport(url, document=None, *, token=None, **options):
    fields = {name: options.pop(name) for name in ("allow", "answer_bytes_max") if name in options}
    egress, documents = an_egress(token=token, **fields), an_egress(**fields)
    return OpenApiTransport(document or f"{url}/openapi.json", egress, documents=documents, **options)


def ask(transport, name, *, seconds=10.0, **arguments):
    """Call as the door does: with arguments that fit the accepted schema."""

    async def main():
        try:
            offered = {one["name"]: one for one in await transport.definitions()}
            tool = Tool(f"shop__{name}", "shop", "", offered[name]["inputSchema"], timeout_seconds=seconds)
            check_arguments(tool, arguments)
            return await transport.call(tool, arguments, idempotency_key="key-1")
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 30))


def call(service, name, **arguments):
    return ask(a_transport(service.url), name, **arguments)


def test_each_operation_is_a_tool_by_its_id_or_else_by_method_and_path(service):
    async def offered():
        transport = a_transport(service.url)
        return {one["name"]: one for one in await transport.definitions()}

    found = asyncio.run(offered())

    assert {"getCustomer", "createOrder", "login", "cancelOrder", "customers_customers_get"} <= found.keys()
    assert found["getCustomer"]["description"] == "One customer."
    assert found["createOrder"]["inputSchema"]["required"] == ["customer", "lines"]
    assert found["createOrder"]["inputSchema"]["$comment"] == "POST /orders"


def test_path_and_query_are_written_as_the_service_reads_them(service):
    told = call(service, "getCustomer", customer_id="b c?d#é%2", fields=["x&y", "z"])

    assert told.content == {"id": "b c?d#é%2", "fields": ["x&y", "z"]}


def test_a_list_is_a_result_and_numbers_and_flags_are_written_plainly(service):
    told = call(service, "customers_customers_get", limit=2, active=False)

    assert told.content == {"result": [{"id": "0", "active": False}, {"id": "1", "active": False}]}


def test_a_body_is_given_by_its_fields_and_the_calls_key_goes_along(service):
    told = call(service, "createOrder", customer="Ott", lines=[{"sku": "A1", "count": 2}], **{"x-region": "eu"})

    assert told.content == {
        "order": {"customer": "Ott", "lines": [{"sku": "A1", "count": 2}], "note": None},
        "key": "key-1",
        "region": "eu",
    }


def test_a_read_carries_no_key(service):
    call(service, "getCustomer", customer_id="7")

    assert "idempotency-key" not in service.app.state.seen[-1]


def test_a_form_is_sent_as_one(service):
    assert call(service, "login", user="anna & co", tags=["a", "b"]).content == {
        "user": "anna & co",
        "tags": ["a", "b"],
    }


def test_an_answer_without_a_body_says_its_status(service):
    assert call(service, "cancelOrder", number=7).content == {"status": 204}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", {"text": "plain words"}),
        ("binary", {"media_type": "application/octet-stream", "base64": "//4A"}),
    ],
)
def test_an_answer_that_is_no_json_is_text_or_base64(service, kind, content):
    assert call(service, "answers", kind=kind).content == content


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("problem", "The service answered 422: The limit is 10."),
        ("refused", "The service answered 403: not yours"),
    ],
)
def test_the_services_own_no_is_told_in_its_words(service, kind, told):
    assert call(service, "answers", kind=kind).error == told


def test_a_no_of_the_framework_is_told_too(service):
    assert call(service, "getCustomer", customer_id="nobody").error == "The service answered 404: no such customer"


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        ("expired", CredentialRefused, "401"),
        ("busy", ToolUnavailable, "wait 9 seconds"),
        ("failed", ToolUnreachable, "500"),
        ("broken", ToolUnreachable, "not the JSON"),
    ],
)
def test_what_failed_says_whether_something_may_have_been_done(service, kind, error, told):
    with pytest.raises(error, match=told) as refused:
        call(service, "answers", kind=kind)

    assert type(refused.value) is error
    assert "secret" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_an_answer_that_is_too_long_is_an_error_that_the_agent_can_read(service):
    document = service.app.openapi()
    transport = a_transport(service.url, document, base_url=service.url, answer_bytes_max=10_000)

    assert "more than 10000 bytes" in ask(transport, "answers", kind="long").error


def test_a_path_argument_leads_to_no_other_path(service):
    for value in ("..", ".", ""):
        told = call(service, "getCustomer", customer_id=value)

        assert told.error
    assert service.app.state.seen[-1]["path"] == "/openapi.json"


def test_the_credential_goes_to_the_service_and_not_to_where_its_description_stands(service):
    ask(a_transport(service.url, token=TOKEN), "getCustomer", customer_id="7")

    described, called = service.app.state.seen[-2:]
    assert (described["path"], described.get("authorization")) == ("/openapi.json", None)
    assert called["authorization"] == f"Bearer {TOKEN}"


# --- Where the description stands -----------------------------------------------------------------------------------


def test_a_description_may_stand_in_a_file_or_in_the_source_itself(service, tmp_path):
    document = service.app.openapi()
    (tmp_path / "shop.json").write_bytes(orjson.dumps({**document, "servers": [{"url": service.url}]}))

    by_file = a_transport(service.url, "shop.json", folder=tmp_path)
    inline = a_transport(service.url, document, base_url=f"{service.url}/")

    assert ask(by_file, "getCustomer", customer_id="7").content["id"] == "7"
    assert ask(inline, "getCustomer", customer_id="8").content["id"] == "8"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("none.json", "No such file"),
        ({"openapi": "3.1.0", "paths": {}}, "does not say where the service stands"),
        ({"openapi": "4.0.0"}, "3.0 and 3.1 are known"),
        ({"swagger": "2.0"}, "3.0 and 3.1 are known"),
    ],
)
def test_a_description_that_cannot_be_used_says_why(tmp_path, document, told):
    async def offered():
        with pytest.raises(InvalidResource, match=told):
            await a_transport("", document, folder=tmp_path).definitions()

    asyncio.run(offered())


def test_a_fetched_description_does_not_decide_that_the_service_stands_elsewhere():
    app = a_service()
    app.servers = [{"url": "https://evil.example/"}]

    async def offered():
        with pytest.raises(InvalidResource, match="at another place than its own") as refused:
            await a_transport(server.url).definitions()
        return refused.value.advice

    with served(app) as server:
        assert "base_url" in asyncio.run(offered())


def test_an_address_that_is_not_declared_is_refused(service):
    async def offered():
        with pytest.raises(EgressRefused):
            await a_transport(service.url, allow=()).definitions()

    asyncio.run(offered())


def test_an_operation_that_changed_since_it_was_accepted_is_not_called(service):
    async def main():
        transport = a_transport(service.url)
        offered = {one["name"]: one for one in await transport.definitions()}
        schema = offered["getCustomer"]["inputSchema"]
        accepted = Tool("shop__getCustomer", "shop", "", {**schema, "$comment": "GET /elsewhere"})
        gone = Tool("shop__gone", "shop", "", schema)
        for tool in (accepted, gone):
            with pytest.raises(ToolUnavailable, match="otherwise than when it was accepted"):
                await transport.call(tool, {"customer_id": "7"}, idempotency_key="k")

    before = len(service.app.state.seen)
    asyncio.run(main())

    assert [one["path"] for one in service.app.state.seen[before:]] == ["/openapi.json"]
