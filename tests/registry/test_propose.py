"""What a definition suggests: harm is believed, harmlessness is not."""

import pytest

from remit.registry import propose


def tier(name, **annotations):
    return propose({"name": name, "annotations": annotations}).tier.value


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("get_customer", "read-only"),
        ("listInvoices", "read-only"),
        ("search", "read-only"),
        ("read_text_file", "read-only"),
        ("create_issue", "restricted-write"),
        ("updateCustomer", "restricted-write"),
        ("write_file", "restricted-write"),
        ("get_and_delete", "critical"),
        ("pay_invoice", "critical"),
        ("execute_sql", "critical"),
        ("send_email", "critical"),
        ("frobnicate", "critical"),
        ("customers_get", "critical"),
        ("", "critical"),
    ],
)
def test_a_tier_is_proposed_by_the_name(name, wanted):
    assert tier(name) == wanted


def test_a_source_that_says_it_is_harmless_is_not_heard_and_one_that_says_it_destroys_is():
    assert tier("pay", readOnlyHint=True, destructiveHint=False) == "critical"
    assert tier("get_customer", destructiveHint=True) == "critical"


def test_roles_are_proposed_by_the_names_of_arguments():
    arguments = ("totalAmount", "currency", "iban", "vendor_id", "to", "callbackUrl", "order_id", "note")
    schema = {"type": "object", "properties": {argument: {} for argument in arguments}}
    assert propose({"name": "pay", "inputSchema": schema}).roles == {
        "amount": "totalAmount",
        "currency": "currency",
        "account": "iban",
        "payee": "vendor_id",
        "recipient": "to",
        "url": "callbackUrl",
        "id": "order_id",
    }


@pytest.mark.parametrize("schema", [None, [], {}, {"properties": 3}, {"properties": {"a b": {}, 5: {}}}])
def test_a_schema_that_is_none_proposes_no_roles(schema):
    assert propose({"name": "x", "inputSchema": schema}).roles == {}
