"""A credential that a source does not take is named by the place where it stands, in every kind of source."""

import asyncio
import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from remit.adapters.system import SystemClock
from remit.config import Settings
from remit.connections import connect
from remit.errors import CredentialRefused, RemitError
from remit.registry import Registry, StoredResource, tools_of

SECRET = "marker-expired-secret"
SHOP = {
    "openapi": "3.1.0",
    "info": {"title": "shop", "version": "1"},
    "paths": {"/items": {"get": {"operationId": "listItems", "responses": {}}}},
}
#: The form of a source, and the tool that is called; None where asking what it offers is refused already.
FORMS = {
    "mcp": ({"url": "{url}/mcp"}, None),
    "openapi": ({"document": SHOP, "base_url": "{url}"}, "listItems"),
    "soap": ({"wsdl": "{url}/orders?wsdl"}, None),
    "a2a": ({"card": "{url}/card.json"}, None),
}


@contextlib.contextmanager
def refusing(status):
    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def filled(value, url):
    if isinstance(value, dict):
        return {key: filled(inner, url) for key, inner in value.items()}
    return value.replace("{url}", url) if isinstance(value, str) else value


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("CRM", SECRET)


async def asked(fields, home, tool=None, arguments=None):
    source = Registry.build([StoredResource("ToolSource", "crm", {"name": "crm", **fields})]).sources["crm"]
    transport = connect(source, Settings(home), SystemClock())
    try:
        definitions = await transport.definitions()
        if tool is not None:
            (called,) = [one for one in tools_of(source, definitions) if one.local_name == tool]
            return await transport.call(called, arguments or {}, idempotency_key="k")
    finally:
        await transport.close()
    return None


def error_of(work) -> RemitError:
    with pytest.raises(CredentialRefused) as refused:
        asyncio.run(asyncio.wait_for(work, 30))
    return refused.value


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("form", FORMS)
def test_it_says_which_one_and_how_it_is_renewed(tmp_path, form, status):
    body, tool = FORMS[form]
    with refusing(status) as url:
        fields = {form: filled(body, url), "network": {"allow": ["127.0.0.1"]}}
        named = {**fields, "credential": {"ref": "env:CRM"}}
        if form == "openapi" and status == 403:
            # A service may refuse one thing to a credential that it takes for others: that is its own no.
            answer = asyncio.run(asked(named, tmp_path, tool))
            assert answer.error.endswith("(asked with the credential env:CRM)")
            return
        error = error_of(asked(named, tmp_path, tool))
        without = error_of(asked(fields, tmp_path, tool))

    assert str(status) in error.detail
    assert "did not take the credential env:CRM" in error.detail
    assert error.advice == "Renew the secret that stands at env:CRM; the next call reads it again."
    assert SECRET not in f"{error} {error.to_json()}"
    assert "names no credential" in without.detail
    assert "--credential" in without.advice


def test_a_models_endpoint_says_it_too(tmp_path):
    with refusing(401) as url:
        fields = {
            "models": {"url": f"{url}/v1", "models": {"small": {"price": "1/1", "max_output_tokens": 10}}},
            "network": {"allow": ["127.0.0.1"]},
            "credential": {"ref": "env:CRM"},
        }
        request = {"messages": [{"role": "user", "content": "hello"}]}
        arguments = {"operation": "chat", "model": "small", "request": request}
        error = error_of(asked(fields, tmp_path, "small", arguments))

    assert "did not take the credential env:CRM" in error.detail


@pytest.mark.parametrize(
    "url", ["postgresql://nobody_here@127.0.0.1:5432/postgres", "mysql://nobody_here@127.0.0.1:3306/x"]
)
def test_a_database_says_it_too(tmp_path, url):
    fields = {"sql": {"url": url, "queries": {"look": {"sql": "SELECT 1"}}}, "credential": {"ref": "env:CRM"}}

    error = error_of(asked(fields, tmp_path))

    assert "did not take the account with the credential env:CRM" in error.detail
    assert "Renew the secret that stands at env:CRM" in error.advice
    assert SECRET not in f"{error} {error.to_json()}"


def test_the_file_is_the_one_that_the_source_names(tmp_path):
    (tmp_path / "keys").mkdir()
    Path(tmp_path / "keys" / "crm").write_text(SECRET)
    with refusing(401) as url:
        fields = {"mcp": {"url": url}, "network": {"allow": ["127.0.0.1"]}, "credential": {"ref": "file:keys/crm"}}

        assert "did not take the credential file:keys/crm" in error_of(asked(fields, tmp_path)).detail
