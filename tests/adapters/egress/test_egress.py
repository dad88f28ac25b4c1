import asyncio
import gzip
import ssl
from datetime import datetime, timedelta

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.adapters.egress.wire import answer, wire

from remit.adapters.egress import EgressClient, EgressTransport, httpx_client
from remit.adapters.egress.stream import WholeRequests
from remit.errors import AnswerTooLong, EgressRefused, ToolUnavailable, ToolUnreachable
from remit.registry.reach import NetworkDocument, network

LOOPBACK = ["127.0.0.1"]


def names(**known):
    """A resolver that gives these addresses, one list after the other, the last again and again."""
    answers = {name.replace("_", "."): list(lists) for name, lists in known.items()}

    async def resolve(host, _port):
        lists = answers[host]
        return lists.pop(0) if len(lists) > 1 else lists[0]

    return resolve


def a_client(*allow, resolve=None, **network_fields):
    declared = network(NetworkDocument(allow=allow, **network_fields))
    options = {} if resolve is None else {"resolve": resolve}
    return EgressClient(EgressTransport(declared, **options))


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


async def get(client, url, method="GET", seconds=5.0):
    return await client.send(method, url, headers={}, seconds=seconds)


def refusal(url, *allow, resolve=None):
    async def ask():
        client = a_client(*allow, resolve=resolve)
        with pytest.raises(EgressRefused) as refused:
            await get(client, url)
        return refused.value

    return run(ask())


# --- Addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://127.0.0.1:1/", "egress_loopback"),
        ("http://localhost:1/", "egress_loopback"),
        ("http://[::1]:1/", "egress_loopback"),
        ("http://[::ffff:127.0.0.1]:1/", "egress_loopback"),
        ("http://[64:ff9b::7f00:1]:1/", "egress_loopback"),
        ("http://169.254.169.254/latest/meta-data/", "egress_metadata"),
        ("http://10.0.0.1/", "egress_private"),
        ("http://0.0.0.0:1/", "egress_unspecified"),
        # Other spellings of 127.0.0.1, which systems understand.
        ("http://2130706433:1/", "egress_loopback"),
        ("http://0x7f000001:1/", "egress_loopback"),
        ("http://127.1:1/", "egress_loopback"),
        ("http://127.0.1:1/", "egress_loopback"),
        ("http://anna:secret@127.0.0.1:1/", "egress_loopback"),
    ],
)
def test_an_undeclared_address_is_refused_however_it_is_written(url, rule):
    refused = refusal(url)

    assert refused.rule == rule
    assert "network: {allow: [" in refused.advice
    assert "secret" not in str(refused)


@pytest.mark.parametrize(
    "url", ["http://0177.0.0.1:1/", "http://\uff11\uff12\uff17.0.0.1:1/", "http://[127.0.0.1]:1/", "http://::1/"]
)
def test_what_cannot_be_read_as_an_address_is_refused(url):
    assert refusal(url).rule == "egress_address"


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("127.0.0.1", "egress_loopback"),
        ("169.254.169.254", "egress_metadata"),
        ("192.168.0.10", "egress_private"),
        ("fe80::1", "egress_link_local"),
        ("224.0.0.1", "egress_multicast"),
    ],
)
def test_a_name_is_judged_by_the_address_to_which_it_leads(address, rule):
    refused = refusal("http://harmless.example/", resolve=names(harmless_example=[[address]]))

    assert refused.rule == rule
    assert f"harmless.example leads to {address}" in refused.detail


def test_what_the_refusal_says_to_write_permits_it():
    async def ask():
        async with wire(lambda _: answer(body=b"ok")) as server:
            with pytest.raises(EgressRefused) as refused:
                await get(a_client(), server.url)
            entry = refused.value.advice.split("allow: [")[1].split("]")[0]
            return await get(a_client(entry), server.url)

    assert run(ask()).body == b"ok"


def test_a_declared_name_may_lead_to_a_private_address_but_to_no_metadata_service():
    async def ask():
        async with wire(lambda _: answer(body=b"ok")) as server:
            client = a_client("db.internal", resolve=names(db_internal=[LOOPBACK]))
            return await get(client, f"http://db.internal:{server.port}/")

    assert run(ask()).body == b"ok"
    for address in ("169.254.169.254", "169.254.1.1", "fe80::1"):
        refusal("http://db.internal/", "db.internal", resolve=names(db_internal=[[address]]))


def test_of_several_addresses_only_those_that_may_be_reached_are_tried():
    async def ask():
        async with wire(lambda _: answer(body=b"ok")) as server:
            client = a_client("127.0.0.1", resolve=names(mixed_example=[["10.0.0.1", "::1", "127.0.0.1"]]))
            return await get(client, f"http://mixed.example:{server.port}/")

    assert run(ask()).body == b"ok"


def test_a_name_that_changes_its_address_is_asked_once_and_the_connection_goes_where_was_checked():
    """A second look after the check would find the other address: there is none."""

    async def ask():
        asked = []

        async def rebinding(host, _port):
            asked.append(host)
            return ["127.0.0.2"] if len(asked) == 1 else ["169.254.169.254"]

        async with wire(lambda _: answer(body=b"ok", connection="close")) as server:
            client = a_client("127.0.0.0/8", resolve=rebinding)
            # The server listens on 127.0.0.1 only: the address that was checked takes no connection.
            with pytest.raises(ToolUnavailable, match="cannot be reached"):
                await get(client, f"http://evil.example:{server.port}/")
            assert asked == ["evil.example"]
            with pytest.raises(EgressRefused) as refused:
                await get(client, f"http://evil.example:{server.port}/")
            assert refused.value.rule == "egress_metadata"
            return server.asked

    assert run(ask()) == []


def test_a_pooled_connection_stays_where_it_was_checked():
    async def ask():
        async with wire(lambda _: answer(body=b"ok")) as server:
            resolve = names(crm_example=[LOOPBACK, ["169.254.169.254"]])
            client = a_client("127.0.0.1", resolve=resolve)
            replies = [await get(client, f"http://crm.example:{server.port}/") for _ in range(3)]
            return server.connections, [reply.body for reply in replies]

    assert run(ask()) == (1, [b"ok"] * 3)


def test_a_name_without_an_address_is_unavailable():
    async def ask():
        async def nowhere(host, _port):
            raise OSError(f"no such host {host}")

        with pytest.raises(ToolUnavailable) as refused:
            await get(a_client(resolve=nowhere), "http://nowhere.example/")
        return refused.value

    assert run(ask()).rule == "not_sent"


def test_other_schemes_are_refused():
    assert refusal("ftp://crm.example/").rule == "egress_scheme"


def test_proxies_of_the_environment_are_not_heard(monkeypatch):
    async def ask():
        async with wire(lambda _: answer(body=b"proxy")) as proxy, wire(lambda _: answer(body=b"source")) as server:
            for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(variable, proxy.url)
            return (await get(a_client("127.0.0.1"), server.url)).body

    assert run(ask()) == b"source"


# --- Redirects ------------------------------------------------------------------------------------------------------


def redirecting(status, to, method="GET"):
    async def ask():
        async with wire(lambda _: answer(body=b"secret of another")) as other:

            def handler(asked):
                if asked.path == "/":
                    return answer(status, location=to.format(other=other.url))
                return answer(body=f"{asked.method} {asked.path}".encode())

            async with wire(handler) as server:
                try:
                    return (await get(a_client("127.0.0.1"), server.url, method)).body, len(other.asked)
                except ToolUnreachable as error:
                    return error, len(other.asked)

    return run(ask())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["{other}/x", "https://127.0.0.1/", "http://169.254.169.254/", "//elsewhere.example/"])
def test_a_redirect_to_another_place_is_not_followed(status, to):
    error, asked = redirecting(status, to)

    assert isinstance(error, EgressRefused)
    assert error.rule == "egress_redirect"
    assert asked == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_read_is_redirected_within_its_place(status):
    assert redirecting(status, "/new?a=1") == (b"GET /new", 0)


@pytest.mark.parametrize(("status", "told"), [(303, b"GET /new"), (307, b"POST /new"), (308, b"POST /new")])
def test_a_write_is_redirected_as_the_status_says(status, told):
    assert redirecting(status, "/new", "POST") == (told, 0)


@pytest.mark.parametrize(("status", "to"), [(301, "/new"), (302, "/new"), (303, "{other}/x"), (302, "{other}/x")])
def test_a_write_that_may_have_happened_before_its_redirect_is_unknown_and_not_called_undone(status, to):
    error, asked = redirecting(status, to, "POST")

    assert isinstance(error, ToolUnreachable)
    assert not isinstance(error, ToolUnavailable)
    assert asked == 0


@pytest.mark.parametrize("status", [307, 308])
def test_a_write_that_is_sent_elsewhere_is_surely_undone(status):
    assert isinstance(redirecting(status, "{other}/x", "POST")[0], EgressRefused)


def test_a_circle_of_redirects_ends():
    async def ask():
        async with wire(lambda _: answer(307, location="/")) as server:
            with pytest.raises(ToolUnreachable, match="more than 5 times"):
                await get(a_client("127.0.0.1"), server.url)
            return len(server.asked)

    assert run(ask()) == 6


# --- Bounds ---------------------------------------------------------------------------------------------------------


def body_of(reply, *, seconds=5.0, **fields):
    async def ask():
        async with wire(lambda _: reply) as server:
            return (await get(a_client("127.0.0.1", **fields), server.url, seconds=seconds)).body

    return run(ask())


def test_an_answer_is_read_up_to_its_bound():
    assert len(body_of(answer(body=b"x" * 2048), answer_bytes_max=2048)) == 2048


@pytest.mark.parametrize(
    "reply",
    [
        answer(body=b"x" * 2049),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n" + b"401\r\n"
        b"" + b"x" * 1025 + b"\r\n0\r\n\r\n",
        answer(body=gzip.compress(b"\0" * 50_000_000), content_encoding="gzip"),
    ],
    ids=["length", "chunked", "packed a thousandfold"],
)
def test_a_longer_answer_is_refused_and_says_what_would_permit_it(reply):
    with pytest.raises(AnswerTooLong) as refused:
        body_of(reply, answer_bytes_max=2048)

    assert "answer_bytes_max" in refused.value.advice


def test_a_packed_answer_is_unpacked():
    assert body_of(answer(body=gzip.compress(b"hello" * 30_000), content_encoding="gzip")) == b"hello" * 30_000


@pytest.mark.parametrize(
    "reply",
    [
        answer(body=b"x", content_encoding="br"),
        answer(body=b"not gzip at all", content_encoding="gzip"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"no answer at all\r\n\r\n",
    ],
    ids=["unasked packing", "broken packing", "half", "garbage"],
)
def test_what_is_no_whole_answer_is_unreachable(reply):
    async def ask():
        async def once(asked):
            asked.writer.write(reply)
            await asked.writer.drain()

        async with wire(once) as server:
            with pytest.raises(ToolUnreachable) as refused:
                await get(a_client("127.0.0.1"), server.url)
            return refused.value

    assert not isinstance(run(ask()), ToolUnavailable)


def test_an_answer_that_does_not_come_is_unreachable_after_its_time():
    async def ask():
        async with wire(lambda _: asyncio.Event().wait()) as server:
            with pytest.raises(ToolUnreachable) as refused:
                await get(a_client("127.0.0.1"), server.url, seconds=0.05)
            return refused.value

    assert run(ask()).rule == "timeout"


def test_an_answer_that_drips_is_ended_by_its_time_as_a_whole():
    async def drip(asked):
        asked.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            asked.writer.write(b"x")
            await asked.writer.drain()
            await asyncio.sleep(0.01)

    async def ask():
        async with wire(drip) as server:
            with pytest.raises(ToolUnreachable):
                await get(a_client("127.0.0.1"), server.url, seconds=0.2)

    run(ask())


# --- TLS and libraries ----------------------------------------------------------------------------------------------


def a_certificate(folder, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * 100))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def over_tls(tmp_path, host, *, ca=True):
    cert, key = a_certificate(tmp_path, "erp.internal")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def ask():
        async with wire(lambda _: answer(body=b"ok"), tls=context) as server:
            resolve = names(**{host.replace(".", "_"): [LOOPBACK]})
            client = a_client(host, resolve=resolve, **({"ca": str(cert)} if ca else {}))
            return (await get(client, f"https://{host}:{server.port}/")).body

    return run(ask())


def test_the_certificate_is_that_of_the_name_though_the_address_is_connected(tmp_path):
    assert over_tls(tmp_path, "erp.internal") == b"ok"


def test_a_certificate_of_another_name_is_refused(tmp_path):
    with pytest.raises(ToolUnavailable, match="cannot be reached"):
        over_tls(tmp_path, "crm.internal")


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path):
    with pytest.raises(ToolUnavailable, match="cannot be reached"):
        over_tls(tmp_path, "erp.internal", ca=False)


def test_a_library_that_brings_its_own_habits_is_held_to_the_same():
    async def ask():
        def handler(asked):
            if asked.path == "/away":
                return answer(302, location="http://169.254.169.254/")
            return answer(body=asked.headers.get("cookie", "none").encode(), set_cookie="session=anna; Path=/")

        async with wire(handler) as server:
            declared = network(NetworkDocument(allow=("127.0.0.1",)))
            async with httpx_client(EgressTransport(declared), seconds=5) as client:
                first, second = [(await client.get(server.url)).text for _ in range(2)]
                with pytest.raises(EgressRefused):
                    await client.get(f"{server.url}/away", follow_redirects=True)
            async with httpx_client(EgressTransport(), seconds=5) as client:
                with pytest.raises(EgressRefused):
                    await client.get(server.url)
            return first, second

    # No cookie of one agent's call goes along with another's.
    assert run(ask()) == ("none", "none")


def test_httpx_timeouts_of_a_library_hold():
    async def ask():
        async with wire(lambda _: asyncio.Event().wait()) as server:
            declared = network(NetworkDocument(allow=("127.0.0.1",)))
            async with httpx_client(EgressTransport(declared), seconds=0.05) as client:
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(server.url)

    run(ask())


def test_a_request_is_sent_in_one_piece_and_a_long_one_in_several():
    class Pieces(httpcore.AsyncNetworkStream):
        def __init__(self):
            self.sent = []

        async def write(self, buffer, _timeout=None):
            self.sent.append(len(buffer))

        async def read(self, _max_bytes, _timeout=None):
            return b"answer"

    async def send(*parts):
        pieces = Pieces()
        stream = WholeRequests(pieces)
        for part in parts:
            await stream.write(b"x" * part)
        return await stream.read(100), pieces.sent

    assert run(send(300, 900)) == (b"answer", [1200])
    assert run(send(300, 70_000, 5)) == (b"answer", [70_300, 5])
