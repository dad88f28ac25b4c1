import asyncio

import pytest

from remit.adapters.secrets import MARK, Scrubber, SecretStores
from remit.errors import CredentialMissing

SECRET = 's3cr3t/with+signs&"quotes"'


def resolve(stores, ref):
    return asyncio.run(stores.resolve(ref))


def stores(tmp_path, **environment):
    return SecretStores(environment, folder=tmp_path, mounted=tmp_path / "mounted")


def test_a_secret_is_read_at_each_call(tmp_path):
    environment = {"CRM_KEY": "first"}
    asked = SecretStores(environment, folder=tmp_path, mounted=tmp_path)

    before = resolve(asked, "env:CRM_KEY")
    environment["CRM_KEY"] = "second"

    assert [before, resolve(asked, "env:CRM_KEY")] == ["first", "second"]


def test_a_file_is_read_from_the_home_without_its_line_end(tmp_path):
    (tmp_path / "crm.key").write_text("from a file\r\n")

    assert resolve(stores(tmp_path), "file:crm.key") == "from a file"
    assert resolve(stores(tmp_path / "elsewhere"), f"file:{tmp_path / 'crm.key'}") == "from a file"


def test_a_mounted_secret_is_read_by_its_name_and_key(tmp_path):
    (tmp_path / "mounted" / "crm").mkdir(parents=True)
    (tmp_path / "mounted" / "crm" / "token").write_text("mounted")

    assert resolve(stores(tmp_path), "kubernetes:crm/token") == "mounted"


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("env:NOT_SET", "NOT_SET of Remit's process is not set"),
        ("env:EMPTY", "not set"),
        ("file:none", "No such file"),
        ("file:empty", "empty"),
        ("file:long", "longer than a secret"),
        ("file:binary", "not text"),
        ("kubernetes:crm/none", "No such file"),
        ("keychain:x", "No store of secrets"),
        ("vault:kv/crm#token", "no Vault is configured"),
    ],
)
def test_a_secret_that_is_not_there_is_missed_by_its_reference(tmp_path, ref, told):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(CredentialMissing, match=told):
        resolve(stores(tmp_path, EMPTY=""), ref)


# --- Scrubbing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        's3cr3t/with+signs&\\"quotes\\"',
        "s3cr3t%2Fwith%2Bsigns%26%22quotes%22",
        "s3cr3t/with%2Bsigns%26%22quotes%22",
        "czNjcjN0L3dpdGgrc2lnbnMmInF1b3RlcyI=",
    ],
    ids=["as it is", "JSON", "address", "path", "base64"],
)
def test_a_secret_is_taken_out_in_every_form_in_which_it_comes_back(form):
    assert Scrubber([SECRET]).text(f"key {form} refused") == f"key {MARK} refused"


def test_a_secret_is_taken_out_of_a_stream_wherever_it_is_cut():
    told = b"before " + SECRET.encode() + b" after"
    for cut in range(len(told)):
        scrubber = Scrubber([SECRET])
        parts = [scrubber.feed(told[:cut]), scrubber.feed(told[cut:]), scrubber.end()]

        assert b"".join(parts) == f"before {MARK} after".encode()


def test_byte_by_byte_nothing_is_lost_and_nothing_told():
    scrubber = Scrubber(["aabaabaaa", "abcdef"])
    told = b"aabaabaabaaa abcde abcdef aabaab"

    out = b"".join([*(scrubber.feed(bytes([byte])) for byte in told), scrubber.end()])

    assert out == b"aab" + MARK.encode() + b" abcde " + MARK.encode() + b" aabaab"


def test_a_stream_is_not_held_back_without_need():
    assert Scrubber([SECRET]).feed(b"data: {}\n\n") == b"data: {}\n\n"


def test_words_too_short_to_be_secrets_stay():
    assert Scrubber(["test"]).text("a test") == "a test"
    assert not Scrubber([])
