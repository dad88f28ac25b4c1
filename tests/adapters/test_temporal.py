"""Reaching Temporal: in the clear, over TLS with certificates of both sides, and what is said where it cannot be."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.adapters.temporal_server import TemporalServer

from remit.adapters.temporal import TemporalAddress, TemporalTls
from remit.adapters.temporal.scheduler import connected
from remit.config import read_settings
from remit.errors import InvalidSetting, SchedulerUnreachable

_START = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
_BOUND_SECONDS = 60


class Authority:
    """Vouches for servers and clients of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        made = self._builder(self.name, self.key, 1).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.path = folder / "authority.pem"
        self.path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def vouched(self, name: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key, 2).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        paths[1].write_bytes(key.private_bytes(*form))
        return paths

    def _builder(self, subject, key, number):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(number)
            .not_valid_before(_START)
            .not_valid_after(_START + timedelta(days=365 * 100))
        )


@pytest.fixture(scope="module")
def temporal():
    server = TemporalServer()
    yield server
    server.kill()


@asynccontextmanager
async def behind_tls(temporal, authority):
    """A port at which Temporal is reached over TLS, by clients that the authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.vouched("localhost"))
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])

    async def relay(source, target):
        while block := await source.read(65536):
            target.write(block)
            await target.drain()
        target.close()

    async def serve(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", temporal.port)
        await asyncio.gather(relay(reader, inner_writer), relay(inner_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def run(story):
    asyncio.run(asyncio.wait_for(story(), _BOUND_SECONDS))


def test_temporal_is_reached_over_tls_by_who_is_vouched_for_and_trusts_the_right_authority(temporal, tmp_path):
    async def story():
        authority = Authority(tmp_path)
        certificate, key = authority.vouched("worker")
        tls = TemporalTls(authority.path, certificate, key)
        async with behind_tls(temporal, authority) as target:
            address = TemporalAddress(target, "default", "home", tls)
            client = await connected(address)
            assert client.namespace == "default"
            for wrong in (None, TemporalTls(None, certificate, key), TemporalTls(authority.path)):
                with pytest.raises(SchedulerUnreachable):
                    await connected(replace(address, tls=wrong))

    run(story)


def test_a_file_that_cannot_be_read_is_named(temporal, tmp_path):
    async def story():
        for tls in (TemporalTls(ca=tmp_path / "none"), TemporalTls(api_key=tmp_path / "none")):
            with pytest.raises(InvalidSetting, match="none"):
                await connected(TemporalAddress(temporal.address, "default", "home", tls))

    run(story)


def test_any_file_for_the_connection_means_tls_and_contradictions_are_told(tmp_path):
    def settings(**given):
        return read_settings({f"REMIT_TEMPORAL_{name}": value for name, value in given.items()}, home=tmp_path)

    assert not settings().temporal_tls
    assert settings(TLS="1").temporal_tls
    assert settings(API_KEY_FILE="key").temporal_tls
    for wrong in ({"TLS": "yes"}, {"TLS": "0", "CA_FILE": "ca"}, {"CERTIFICATE_FILE": "one"}, {"KEY_FILE": "one"}):
        with pytest.raises(InvalidSetting):
            settings(**wrong)
