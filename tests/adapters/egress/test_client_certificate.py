"""Sources that want to know who connects: a client certificate over TLS, for every kind of source at an address."""

import asyncio
import json
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.adapters.system import SystemClock
from remit.config import Settings
from remit.connections import connect
from remit.errors import CredentialExposed, CredentialMissing, CredentialRefused, EgressRefused, RemitError
from remit.registry import Registry, StoredResource

NAME = x509.NameOID.COMMON_NAME


class Authority:
    """Vouches for names, in files of a folder."""

    def __init__(self, folder, name):
        folder.mkdir()
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NAME, name)])
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._signed(self.name, self.key.public_key(), ca=True))

    def _signed(self, subject, public, *, ca=False, days=30):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def vouched(self, name, *, days=30, password=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NAME, name)])
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(self._signed(subject, key.public_key(), days=days))
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
        files[1].chmod(0o600)
        return files


@contextmanager
def a_server(authority, answer):
    """A server over TLS that talks to nobody without a certificate of this authority; gives who came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answered(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            (pairs,) = (dict(pair[0] for pair in self.connection.getpeercert()["subject"]),)
            came.append(pairs["commonName"])
            told = answer(self.path, json.loads(body) if body.startswith(b"{") else {})
            content = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "text/xml" if isinstance(told, bytes) else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answered  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.vouched("server"))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "company", "company")


def a_source(authority, fields, certificate=None, key=None, **more):
    shown = {"certificate": {"file": str(certificate), "key": str(key), **more}} if certificate else None
    given = {
        "name": "erp",
        "network": {"allow": ["127.0.0.1"], "ca": str(authority.ca)},
        **({"credential": shown} if shown else {}),
        **fields,
    }
    return Registry.build([StoredResource("ToolSource", "erp", given)]).sources["erp"]


async def offered(source, home):
    transport = connect(source, Settings(home), SystemClock())
    try:
        return [one["name"] for one in await transport.definitions()]
    finally:
        await transport.close()


def ask(source, home):
    return asyncio.run(asyncio.wait_for(offered(source, home), 30))


def refused(source, home, error):
    with pytest.raises(error) as no:
        ask(source, home)
    assert "BEGIN" not in f"{no.value} {no.value.to_json()}"
    return no.value


SHOP = {"openapi": "3.1.0", "info": {"title": "s", "version": "1"},
        "paths": {"/items": {"get": {"operationId": "listItems", "responses": {}}}}}  # fmt: skip
WSDL = b"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:t="urn:t" xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t">
<message name="In"><part name="a" type="x:string"/></message><message name="Out"/>
<portType name="P"><operation name="Ping"><input message="t:In"/><output message="t:Out"/></operation></portType>
<binding name="B" type="t:P"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
<operation name="Ping"><soap:operation soapAction=""/><input><soap:body use="literal" namespace="urn:t"/></input>
<output><soap:body use="literal" namespace="urn:t"/></output></operation></binding>
<service name="S"><port name="P" binding="t:B"><soap:address location="URL/soap"/></port></service></definitions>"""


def mcp(_path, body):
    result = {
        "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "s", "version": "1"}},
        "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
    }.get(body.get("method"))  # fmt: skip
    if result is None:
        return {"jsonrpc": "2.0", "id": body.get("id"), "error": {"code": -32601, "message": "no"}}
    return {"jsonrpc": "2.0", "id": body.get("id"), "result": result}


def card(url):
    return {
        "name": "clerk", "description": "d", "version": "1",
        "supportedInterfaces": [{"url": f"{url}/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "capabilities": {}, "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "find", "name": "find", "description": "d", "tags": []}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "answer", "names"),
    [
        (lambda url: {"mcp": {"url": f"{url}/mcp"}}, lambda _url: mcp, ["echo"]),
        (lambda url: {"openapi": {"document": f"{url}/openapi.json"}}, lambda _url: lambda *_: SHOP, ["listItems"]),
        (lambda url: {"soap": {"wsdl": f"{url}/o?wsdl"}},
         lambda url: lambda *_: WSDL.replace(b"URL", url.encode()), ["Ping"]),
        (lambda url: {"a2a": {"card": f"{url}/card.json"}}, lambda url: lambda *_: card(url), ["find"]),
    ],
    ids=["mcp", "openapi", "soap", "a2a"],
)  # fmt: skip
def test_a_source_is_shown_who_connects(authority, tmp_path, fields, answer, names):
    place = {}
    with a_server(authority, lambda *asked: place["answer"](*asked)) as (url, came):  # noqa: PLW0108 - made below
        place["answer"] = answer(url)
        source = a_source(authority, fields(url), *authority.vouched("remit"))

        assert ask(source, tmp_path) == names
        assert set(came) == {"remit"}
        without = refused(a_source(authority, fields(url)), tmp_path, RemitError)

    assert "wants a client certificate" in without.detail


def test_a_models_endpoint_is_shown_it_too(authority, tmp_path):
    reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
             "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
             "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip

    async def talk(source):
        transport = connect(source, Settings(tmp_path), SystemClock())
        try:
            (definition,) = await transport.definitions()
            from remit.registry import tools_of

            (tool,) = tools_of(source, [definition])
            request = {"messages": [{"role": "user", "content": "hello"}]}
            arguments = {"operation": "chat", "model": "small", "request": request}
            return await transport.call(tool, arguments, idempotency_key="k")
        finally:
            await transport.close()

    with a_server(authority, lambda *_: reply) as (url, came):
        models = {"url": f"{url}/v1", "models": {"small": {"price": "1/1", "max_output_tokens": 10}}}
        source = a_source(authority, {"models": models}, *authority.vouched("remit"))
        answer = asyncio.run(asyncio.wait_for(talk(source), 30))

    assert answer.error is None
    assert came == ["remit"]


def openapi(url):
    return {"openapi": {"document": f"{url}/openapi.json"}}


def test_a_certificate_that_is_not_taken_is_named_with_how_it_is_renewed(authority, tmp_path):
    stranger = Authority(tmp_path / "other", "other")
    with a_server(authority, lambda *_: SHOP) as (url, came):
        untrusted, key = stranger.vouched("remit")
        not_trusted = refused(a_source(authority, openapi(url), untrusted, key), tmp_path, RemitError)
        old, old_key = authority.vouched("old", days=-1)
        expired = refused(a_source(authority, openapi(url), old, old_key), tmp_path, RemitError)
        # A description is fetched when it is asked for; what it means there is that it is not there.
        direct = refused(a_source(authority, {"mcp": {"url": url}}, old, old_key), tmp_path, CredentialRefused)

    assert not came
    assert str(untrusted) in not_trusted.detail
    assert "it has expired" in expired.detail
    assert direct.rule == "client_certificate"
    assert f"Renew {old}" in direct.advice


def test_a_renewed_certificate_is_shown_from_the_next_call_on(authority, tmp_path):
    certificate, key = authority.vouched("first")

    async def story(source):
        transport = connect(source, Settings(tmp_path), SystemClock())
        try:
            await transport.definitions()
            for old, new in zip((certificate, key), authority.vouched("second"), strict=True):
                new.replace(old)
            await transport.definitions()
        finally:
            await transport.close()

    with a_server(authority, lambda *_: SHOP) as (url, came):
        asyncio.run(asyncio.wait_for(story(a_source(authority, openapi(url), certificate, key)), 30))

    assert came == ["first", "second"]


def test_a_key_that_others_may_read_is_not_used(authority, tmp_path):
    certificate, key = authority.vouched("remit")
    with a_server(authority, lambda *_: SHOP) as (url, came):
        for mode in (0o644, 0o660, 0o602):
            key.chmod(mode)
            error = refused(a_source(authority, openapi(url), certificate, key), tmp_path, CredentialExposed)
            assert error.advice == f"chmod 600 {key}"
        key.chmod(0o640)  # as a mounted secret is, for the group
        assert ask(a_source(authority, openapi(url), certificate, key), tmp_path) == ["listItems"]

    assert came == ["remit"]


def test_files_that_are_not_there_or_no_certificates_say_so(authority, tmp_path):
    certificate, key = authority.vouched("remit")
    _, other = authority.vouched("other")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    with a_server(authority, lambda *_: SHOP) as (url, came):
        missing = refused(a_source(authority, openapi(url), certificate, "no.key"), tmp_path, CredentialMissing)
        for wrong in ((certificate, other), (garbage, key)):
            error = refused(a_source(authority, openapi(url), *wrong), tmp_path, CredentialMissing)
            assert "cannot be used together" in error.detail

    assert f"{tmp_path / 'no.key'} cannot be read: No such file" in missing.detail
    assert not came


def test_a_locked_key_is_opened_by_a_password_from_a_store(authority, tmp_path, monkeypatch):
    certificate, key = authority.vouched("remit", password=b"geheim-geheim")
    monkeypatch.setenv("KEY_PASSWORD", "geheim-geheim")
    with a_server(authority, lambda *_: SHOP) as (url, _):
        opened = a_source(authority, openapi(url), certificate, key, password="env:KEY_PASSWORD")
        assert ask(opened, tmp_path) == ["listItems"]
        refused(a_source(authority, openapi(url), certificate, key), tmp_path, CredentialMissing)


def test_a_certificate_is_shown_to_nobody_in_the_clear(authority, tmp_path):
    source = a_source(authority, {"mcp": {"url": "http://127.0.0.1:9/mcp"}}, *authority.vouched("remit"))

    assert "nobody sees over http" in refused(source, tmp_path, EgressRefused).detail
