"""The credential is put in behind the door, and told to nobody: not in an answer, an error, or a log."""

import asyncio
import base64
import logging

import pytest
from tests.adapters.egress.wire import answer, wire

from remit.adapters.egress import EgressClient, EgressTransport, Injector, httpx_client
from remit.adapters.secrets import SecretStores
from remit.errors import CredentialMissing, ToolUnreachable
from remit.registry import Credential
from remit.registry.reach import NetworkDocument, network

SECRET = "marker-5f1e9d+key"
LOOPBACK = network(NetworkDocument(allow=("127.0.0.1",)))


def a_transport(form, name="", secret=SECRET, folder=None):
    secrets = SecretStores({"KEY": secret} if secret else {}, folder=folder, mounted=folder)
    return EgressTransport(LOOPBACK, injector=Injector(Credential("env:KEY", form, name), secrets))


def ask(transport, handler=lambda _: answer(), path="/", headers=()):
    async def main():
        async with wire(handler) as server:
            reply = await EgressClient(transport).send("GET", server.url + path, headers=dict(headers), seconds=5)
            return server.asked, reply

    return asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize(
    ("form", "name", "secret", "header", "value"),
    [
        ("bearer", "", SECRET, "authorization", f"Bearer {SECRET}"),
        ("basic", "", "anna:pass", "authorization", "Basic " + base64.b64encode(b"anna:pass").decode()),
        ("header", "X-Api-Key", SECRET, "x-api-key", SECRET),
    ],
)
def test_the_credential_goes_into_its_header_and_no_caller_can_set_another(form, name, secret, header, value):
    ((asked,), _) = ask(a_transport(form, name, secret), headers={header: "mine"})

    assert asked.headers[header] == value


def test_the_credential_goes_into_the_address_where_the_service_takes_it_nowhere_else():
    ((asked,), _) = ask(a_transport("query", "api_key"), path="/x?a=1&api_key=mine")

    assert asked.target == "/x?a=1&api_key=marker-5f1e9d%2Bkey"


@pytest.mark.parametrize(("form", "name"), [("bearer", ""), ("header", "X-Key"), ("query", "key")])
def test_what_the_upstream_echoes_is_taken_out(form, name):
    def echo(asked):
        head = f"{asked.target} {asked.headers}"
        return answer(401, f"no such key: {head}".encode(), www_authenticate=f'Bearer error="{head}"')

    _, reply = ask(a_transport(form, name), echo)
    told = f"{reply.body!r} {reply.headers!r}"

    assert "[credential]" in told
    assert "marker-5f1e9d" not in told


def test_the_password_alone_is_taken_out_too():
    _, reply = ask(a_transport("basic", secret=f"anna:{SECRET}"), lambda _: answer(body=f"bad {SECRET}".encode()))

    assert reply.body == b"bad [credential]"


def test_no_log_and_no_error_names_it(caplog):
    caplog.set_level(logging.DEBUG)

    async def main():
        async with wire(lambda _: answer(302, location=f"http://elsewhere.example/{SECRET}")) as server:
            async with httpx_client(a_transport("query", "key"), seconds=5) as client:
                with pytest.raises(ToolUnreachable) as refused:
                    await client.get(server.url)
            return refused.value

    error = asyncio.run(asyncio.wait_for(main(), 20))

    assert "marker-5f1e9d" not in f"{error} {error!r} {error.to_json()} {caplog.text}"


@pytest.mark.parametrize(
    ("form", "secret", "told"),
    [
        ("bearer", "", "KEY of Remit's process is not set"),
        ("bearer", "two\r\nlines: of", "cannot stand in a header"),
        ("basic", "no-colon-here", "must be USER:PASSWORD"),
    ],
)
def test_without_a_usable_secret_nothing_is_sent_and_its_text_is_not_told(form, secret, told):
    with pytest.raises(CredentialMissing, match=told) as refused:
        ask(a_transport(form, secret=secret), lambda _: pytest.fail("asked"))

    assert not secret or secret not in str(refused.value)


def test_the_secret_goes_along_within_its_place_only():
    def handler(asked):
        return answer(307, location="/new") if asked.path == "/" else answer(body=b"done")

    asked, reply = ask(a_transport("bearer"), handler)

    assert reply.body == b"done"
    assert [one.headers["authorization"] for one in asked] == [f"Bearer {SECRET}"] * 2
