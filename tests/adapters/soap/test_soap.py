"""Calls to a real SOAP service, and descriptions that are not to be trusted."""

import asyncio

import jsonschema_rs
import pytest
from tests.adapters.egress.wire import answer

from remit.adapters.egress import Injector
from remit.errors import CredentialRefused, EgressRefused, InvalidResource, RemitError, ToolUnavailable, ToolUnreachable
from remit.registry import Credential
from remit.tools import Tier, Tool

from .orders import NS, ORDER, SCHEMA, Orders, a_transport, enveloped, serving, wsdl

PLACE = Tool("orders__PlaceOrder", "orders", "", {"type": "object"}, tier=Tier.CRITICAL, timeout_seconds=10)


def done(transport, work):
    async def use():
        try:
            return await work(transport)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(use(), 60))


def placed(transport, arguments=ORDER):
    return done(transport, lambda t: t.call(PLACE, arguments, idempotency_key="the-key"))


def offered(transport):
    return {one["name"]: one for one in done(transport, lambda t: t.definitions())}


@pytest.fixture
def service():
    return Orders()


@pytest.fixture
def url(service):
    with serving(service) as address:
        yield f"{address}/orders?wsdl"


# --- Calls


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
def test_an_operation_is_called_and_its_answer_is_json(soap):
    service = Orders(soap=soap)
    with serving(service) as address:
        result = placed(a_transport(f"{address}/orders?wsdl"))

    assert result.error is None
    assert result.content["number"] == 4711
    assert (result.content["total"], result.content["due"]) == ("2.50", "2026-03-01")
    assert result.content["line"][0] == {"article": "bolt", "count": 2, "price": "1.25", "unit": "kg", "part": []}


def test_the_action_and_the_idempotency_key_go_along(service, url):
    placed(a_transport(url))

    assert service.asked[-1].headers["soapaction"] == f'"{NS}:place"'
    assert service.asked[-1].headers["idempotency-key"] == "the-key"


def test_text_is_text_whatever_stands_in_it(service, url):
    evil = '</o:article><o:price>0</o:price><!-- ]]> &amp; <?x ?> "'

    result = placed(a_transport(url), ORDER | {"line": [ORDER["line"][0] | {"article": evil}]})

    assert result.content["line"][0]["article"] == evil
    assert b"<o:price>0" not in service.asked[-1].body


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
def test_a_fault_is_the_tools_own_error(soap):
    with serving(Orders(soap=soap)) as address:
        result = placed(a_transport(f"{address}/orders?wsdl"), ORDER | {"vendor": "unknown"})

    assert result.error in {"Client: no such vendor", "Sender: no such vendor"}


@pytest.mark.parametrize("arguments", [{}, ORDER | {"_soapheaders": []}, ORDER | {"due": {}}, ORDER | {"line": 3}])
def test_arguments_that_cannot_be_written_are_refused_and_nothing_is_sent(service, url, arguments):
    result = placed(a_transport(url), arguments)

    assert result.error.startswith("invalid_arguments: ")
    assert not [asked for asked in service.asked if asked.method == "POST"]


@pytest.mark.parametrize(
    ("instead", "error"),
    [
        (answer(401), CredentialRefused),
        (answer(503), ToolUnavailable),
        (answer(200, b"<html>", content_type="text/html"), ToolUnreachable),
        (answer(200, b"<half", content_type="text/xml"), ToolUnreachable),
        (answer(502, b"", content_type="text/xml"), ToolUnreachable),
        (enveloped("<o:Other/>"), ToolUnreachable),
    ],
    ids=["credential", "busy", "html", "half", "empty", "other"],
)
def test_an_answer_that_is_none_is_no_success(service, url, instead, error):
    service.instead = instead

    with pytest.raises(error):
        placed(a_transport(url))


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
    ],
    ids=["file", "remote", "many"],
)
def test_entities_in_an_answer_are_not_read(service, url, head):
    good = enveloped("<o:PlaceOrderResponse><o:number>1</o:number><o:total>1</o:total><o:due>2026-01-01</o:due>"
                     "</o:PlaceOrderResponse>").partition(b"\r\n\r\n")[2]  # fmt: skip
    service.instead = answer(200, head.encode() + good, content_type="text/xml")

    with pytest.raises(ToolUnreachable, match="not in the form"):
        placed(a_transport(url))


# --- The description


def test_types_of_the_wsdl_become_a_json_schema(url):
    tool = offered(a_transport(url))["PlaceOrder"]
    schema = tool["inputSchema"]
    check = jsonschema_rs.validator_for(schema)

    assert tool["description"] == "Place an order with a vendor."
    assert schema["required"] == ["vendor", "due", "currency", "line"]
    assert check.is_valid(ORDER)
    for wrong in (
        {"currency": "USD"},
        {"due": "tomorrow"},
        {"line": []},
        {"line": ORDER["line"] * 4},
        {"line": [ORDER["line"][0] | {"count": 256}]},
        {"line": [ORDER["line"][0] | {"price": "a lot"}]},
        {"extra": 1},
    ):
        assert not check.is_valid(ORDER | wrong), wrong


def test_an_operation_that_takes_just_anything_is_not_offered(url):
    assert offered(a_transport(url)).keys() == {"PlaceOrder"}


def test_a_wsdl_may_be_a_file_with_others_beside_it(service, tmp_path):
    (tmp_path / "orders.xsd").write_text(SCHEMA)
    with serving(service) as address:
        (tmp_path / "orders.wsdl").write_text(wsdl(f"{address}/orders"))

        assert placed(a_transport(str(tmp_path / "orders.wsdl"))).content["number"] == 4711


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("http://127.0.0.2:9/other.xsd", "stands elsewhere"),
        ("file:///etc/passwd", "stands elsewhere"),
        ("https://127.0.0.1/orders.xsd", "stands elsewhere"),
        ("//127.0.0.9/orders.xsd", "stands elsewhere"),
        ("missing.xsd", "404"),
        ("bomb.xsd", "has a document type"),
        ("orders?wsdl&amp;again", "cannot be read"),
    ],
)
def test_what_a_wsdl_imports_stands_beside_it_or_it_is_not_read(schema, told):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaa">]><x>&a;</x>'
    service = Orders(documents={"/evil": wsdl("http://x", schema=schema), "/bomb.xsd": bomb})
    with serving(service) as address, pytest.raises(RemitError) as refused:
        offered(a_transport(f"{address}/evil"))

    assert told in refused.value.detail


@pytest.mark.parametrize(
    "schema", ["../secret.xsd", "/etc/hostname", "http://127.0.0.1:9/x.xsd", "file:///etc/hostname"]
)
def test_a_wsdl_in_a_file_reaches_nothing_outside_of_its_folder(tmp_path, schema):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret.xsd").write_text(SCHEMA)
    (folder / "orders.wsdl").write_text(wsdl("http://127.0.0.1:9/", schema=schema))

    with pytest.raises(InvalidResource, match="stands elsewhere"):
        offered(a_transport(str(folder / "orders.wsdl")))


def test_a_link_in_the_folder_does_not_lead_out_of_it(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret.xsd").write_text(SCHEMA)
    (folder / "link.xsd").symlink_to(tmp_path / "secret.xsd")
    (folder / "orders.wsdl").write_text(wsdl("http://127.0.0.1:9/", schema="link.xsd"))

    with pytest.raises(InvalidResource, match="stands elsewhere"):
        offered(a_transport(str(folder / "orders.wsdl")))


def test_calls_do_not_follow_the_wsdl_to_another_host_unless_the_source_says_so(service):
    service.documents["/moved"] = wsdl("http://127.0.0.2:9/orders")
    with serving(service) as address:
        with pytest.raises(EgressRefused, match="another place"):
            placed(a_transport(f"{address}/moved"))
        declared = placed(a_transport(f"{address}/moved", endpoint=f"{address}/orders"))

    assert declared.content["number"] == 4711


def test_the_credential_goes_with_the_calls_and_to_no_other_place(service):
    class Known:
        async def resolve(self, ref):
            return f"secret of {ref}"

        def refused(self, ref):
            pass

    injector = Injector(Credential("env:ERP"), Known())
    other = Orders()
    with serving(service) as address, serving(other) as elsewhere:
        other.documents["/moved"] = wsdl(f"{elsewhere}/orders")
        placed(a_transport(f"{elsewhere}/moved", injector=injector, endpoint=f"{address}/orders"))
        placed(a_transport(f"{address}/orders?wsdl", injector=injector))

    assert not [asked for asked in other.asked if "authorization" in asked.headers]
    assert {asked.headers["authorization"] for asked in service.asked} == {"Bearer secret of env:ERP"}


@pytest.mark.parametrize("place", [{"service": "Nope"}, {"port": "Nope"}])
def test_a_service_that_is_not_there_is_named_with_those_that_are(url, place):
    with pytest.raises(InvalidResource, match="Orders"):
        offered(a_transport(url, **place))


@pytest.mark.parametrize("text", ["", "no xml", "<a/>", "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>"])
def test_what_is_no_wsdl_is_refused(text):
    with serving(Orders(documents={"/none": text})) as address, pytest.raises(InvalidResource):
        offered(a_transport(f"{address}/none"))


def test_a_changed_description_is_seen_the_next_time_it_is_asked_for(service, url):
    async def twice(transport):
        before = await transport.definitions()
        service.documents["/orders.xsd"] = SCHEMA.replace('name="vendor"', 'name="seller"')
        return before, await transport.definitions()

    before, after = done(a_transport(url), twice)

    assert "vendor" in before[0]["inputSchema"]["properties"]
    assert "seller" in after[0]["inputSchema"]["properties"]
