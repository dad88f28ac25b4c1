"""What a source may reach, and its credential, as they stand in a file."""

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from remit.registry.reach import CredentialDocument, Network, NetworkDocument, credential, network


def test_a_source_that_declares_nothing_reaches_public_addresses_alone():
    assert network(None) == Network()


def test_addresses_networks_and_names_are_told_apart():
    declared = network(NetworkDocument(allow=("127.0.0.1", "10.1.0.0/16", "fd00::/8", "DB.internal.")))

    assert declared.networks == (ip_network("127.0.0.1/32"), ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert declared.hosts == {"db.internal"}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("0.0.0.0/0", "too wide"),
        ("::/0", "too wide"),
        ("10.0.0.0/7", "too wide"),
        ("10.1.2.3/8", "expected an address"),
        ("127.1", "expected an address"),
        ("2130706433", "expected an address"),
        ("http://db.internal", "expected an address"),
        ("*.internal", "expected an address"),
        ("", "expected an address"),
    ],
)
def test_an_entry_that_means_more_or_less_than_it_seems_is_refused(entry, told):
    with pytest.raises(ValidationError, match=told):
        NetworkDocument(allow=(entry,))


@pytest.mark.parametrize(
    ("written", "form", "name"),
    [
        ({}, "bearer", ""),
        ({"as": "basic"}, "basic", ""),
        ({"as": {"header": "X-Api-Key"}}, "header", "X-Api-Key"),
        ({"as": {"query": "api_key"}}, "query", "api_key"),
    ],
)
def test_a_credential_is_a_reference_and_a_form(written, form, name):
    found = credential(CredentialDocument.model_validate({"ref": "env:CRM_KEY", **written}))

    assert (found.ref, found.form, found.name) == ("env:CRM_KEY", form, name)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"ref": "sk-12345"}, "never the secret itself"),
        ({"ref": "env:"}, "the name of an environment variable"),
        ({"ref": "env:A B"}, "the name of an environment variable"),
        ({"ref": "kubernetes:crm"}, "SECRET/KEY"),
        ({"ref": "kubernetes:crm/../key"}, "SECRET/KEY"),
        ({"ref": "vault:crm#token"}, "MOUNT/PATH#FIELD"),
        ({"ref": "vault:kv/../sys#token"}, "MOUNT/PATH#FIELD"),
        ({"ref": "vault:kv/crm"}, "MOUNT/PATH#FIELD"),
        ({"ref": "keychain:crm"}, "no store of secrets begins so"),
        ({"ref": "env:A", "as": "cookie"}, "bearer"),
        ({"ref": "env:A", "as": {"header": "X: Y"}}, "a header's name"),
        ({"ref": "env:A", "as": {"header": "X", "query": "y"}}, "Extra inputs"),
    ],
)
def test_a_credential_that_cannot_be_read_is_refused(written, told):
    with pytest.raises(ValidationError, match=told):
        CredentialDocument.model_validate(written)
