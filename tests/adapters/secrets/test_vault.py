"""Vault's own API, spoken by a small real server."""

import asyncio

import orjson
import pytest
from tests.adapters.egress.wire import answer, wire

from remit.config import Settings
from remit.connections import secrets_of
from remit.errors import CredentialMissing

REF = "vault:kv/teams/crm#token"


def held(fields):
    return answer(200, orjson.dumps({"data": {"data": fields, "metadata": {"version": 3}}}))


def resolved(tmp_path, handler, *refs, token="root-token", refused=False):
    """What each reference gives, one after the other, and what Vault was asked."""
    if token:
        (tmp_path / "vault.token").write_text(f"{token}\n")

    async def main():
        async with wire(handler) as server:
            stores = secrets_of(Settings(tmp_path, vault_address=server.url))
            found = []
            for ref in refs:
                found.append(await stores.resolve(ref))
                if refused:
                    stores.refused(ref)
            return found, server.asked

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_a_secret_is_read_from_the_key_value_engine_with_the_token_of_the_file(tmp_path):
    found, (asked,) = resolved(tmp_path, lambda _: held({"token": "s3cret", "user": "anna"}), REF)

    assert found == ["s3cret"]
    assert (asked.target, asked.headers["x-vault-token"]) == ("/v1/kv/data/teams/crm", "root-token")


def test_a_secret_is_asked_for_once_a_minute_and_anew_after_it_was_refused(tmp_path):
    def handler(_):
        versions.append(f"version-{len(versions)}")
        return held({"token": versions[-1]})

    versions = []
    kept, _ = resolved(tmp_path, handler, REF, REF, REF)
    anew, _ = resolved(tmp_path, handler, REF, REF, refused=True)

    assert kept == ["version-0"] * 3
    assert anew == ["version-1", "version-2"]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (answer(403, b'{"errors": ["permission denied"]}'), "its token may not read it"),
        (answer(404), "there is nothing"),
        (answer(500, b"root-token"), "it answered 500"),
        (answer(200, b"<html>"), "no field 'token'"),
        (held({"other": "x"}), "no field 'token'"),
        (held({"token": 7}), "no text"),
        (answer(307, location="http://evil.example/"), "Vault cannot be asked"),
        (None, "Vault cannot be asked"),
    ],
)
def test_a_secret_that_vault_does_not_give_is_missed_with_the_reason(tmp_path, told, why):
    with pytest.raises(CredentialMissing, match=why) as missed:
        resolved(tmp_path, lambda _: told, REF)

    assert "root-token" not in str(missed.value)


def test_without_its_token_vault_is_not_asked(tmp_path):
    with pytest.raises(CredentialMissing, match="REMIT_VAULT_TOKEN_FILE"):
        resolved(tmp_path, lambda _: pytest.fail("asked"), REF, token="")
