"""The ERP: who is on file, and payments that are made once."""

import json
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from remit.packs.payables import erp

SEED = {
    "vendors": [
        {
            "id": "V-1",
            "name": "Kranich Bürobedarf GmbH",
            "vat_id": "DE913400252",
            "accounts": [
                {"iban": "DE26 2999 9100 0077 3100 01", "currency": "EUR", "primary": False},
                {"iban": "DE66299990000012045500", "currency": "EUR", "primary": True},
            ],
        },
        {"id": "V-2", "name": "Nordlicht GmbH", "vat_id": "DE914507318", "accounts": []},
        {"id": "V-3", "name": "Petersen GmbH", "status": "blocked", "accounts": []},
    ],
    "orders": [{"number": "PO-1", "vendor": "V-1", "amount": "100.00", "currency": "EUR"}],
}
ON_FILE = "DE66299990000012045500"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    erp.create(tmp_path / "erp.sqlite", tmp_path / "seed.json")
    return tmp_path / "erp.sqlite"


def pay(path: Path, **changes: str) -> erp.Receipt:
    given = {"invoice": "R-1", "vendor": "V-1", "account": ON_FILE, "amount": "119.00", "currency": "EUR"}
    given |= {"key": "k1", "note": "n", "paid_at": "2026-03-04T09:00:00+00:00"}
    return erp.pay(path, **(given | changes))


def refused(path: Path, **changes: str) -> str:
    with pytest.raises(erp.ErpError) as refusal:
        pay(path, **changes)
    return refusal.value.code


# --- who is on file


@pytest.mark.parametrize(
    ("vat_id", "name", "vendor", "matched_by"),
    [
        ("DE913400252", "Kranich Bürobedarf GmbH", "V-1", "vat_id"),
        ("de 913 400 252", None, "V-1", "vat_id"),
        (None, "  kranich   BÜROBEDARF gmbh ", "V-1", "name"),
        ("DE000000000", "Nobody GmbH", None, None),
        (None, None, None, None),
    ],
)
def test_a_vendor_is_found_by_vat_id_and_then_by_name(path, vat_id, name, vendor, matched_by):
    found = erp.find_vendor(path, vat_id=vat_id, name=name).to_json()

    assert (found["vendor"] or {}).get("id") == vendor
    assert found["matched_by"] == matched_by
    assert found["conflict"] is None


@pytest.mark.parametrize(
    ("vat_id", "name", "vendor"),
    [
        ("DE913400252", "Nordlicht GmbH", "V-1"),  # one vendor's VAT id with the other's name
        ("DE913400252", "Something Else Ltd", "V-1"),
        ("DE999999999", "Nordlicht GmbH", "V-2"),  # the name on file with another VAT id
    ],
)
def test_a_match_that_may_be_somebody_elses_says_so(path, vat_id, name, vendor):
    found = erp.find_vendor(path, vat_id=vat_id, name=name).to_json()

    assert found["vendor"]["id"] == vendor
    assert found["conflict"]


def test_accounts_on_file_come_with_the_primary_one_first(path):
    vendor = erp.find_vendor(path, vat_id="DE913400252", name=None).to_json()["vendor"]

    assert vendor == {
        "id": "V-1",
        "name": "Kranich Bürobedarf GmbH",
        "vat_id": "DE913400252",
        "status": "active",
        "accounts": [
            {"iban": ON_FILE, "currency": "EUR", "primary": True},
            {"iban": "DE26299991000077310001", "currency": "EUR", "primary": False},
        ],
    }


def test_an_order_is_found_by_its_number(path):
    order = erp.find_order(path, " PO-1 ")

    assert order is not None
    assert order.to_json() == {**SEED["orders"][0], "contract": None}
    assert erp.find_order(path, "PO-2") is None


def test_an_erp_that_is_not_there_is_not_made_by_asking_it(tmp_path):
    with pytest.raises(erp.ErpError) as refusal:
        erp.find_order(tmp_path / "erp.sqlite", "PO-1")

    assert refusal.value.code == "no_erp"
    assert list(tmp_path.iterdir()) == []


# --- payments


def test_a_payment_stands_in_the_table_that_outsiders_read(path):
    pay(path)

    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT invoice, vendor, account, amount, currency, key FROM payments").fetchall()
    assert rows == [("R-1", "V-1", ON_FILE, "119.00", "EUR", "k1")]
    found = erp.find_payment(path, "V-1", "R-1")
    assert found is not None
    assert found.key == "k1"


def test_the_same_key_pays_once_and_answers_with_the_first_receipt(path):
    first = pay(path)
    again = pay(path, amount="119.0", paid_at="2026-03-05T09:00:00+00:00", note="another")

    assert again == first
    assert len(erp.payments(path)) == 1


@pytest.mark.parametrize("change", [{"amount": "119.01"}, {"invoice": "R-2"}, {"account": "DE26299991000077310001"}])
def test_the_same_key_for_something_else_is_refused(path, change):
    pay(path)

    assert refused(path, **change) == "key_reused"
    assert len(erp.payments(path)) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"account": "LT469999000011101001"}, "account_not_on_file"),
        ({"vendor": "V-9"}, "vendor_unknown"),
        ({"vendor": "V-3"}, "vendor_blocked"),
        ({"amount": "0"}, "invalid_amount"),
        ({"amount": "-5.00"}, "invalid_amount"),
        ({"amount": "NaN"}, "invalid_amount"),
        ({"amount": "1e3"}, "invalid_amount"),
        ({"amount": "12,50"}, "invalid_amount"),
        ({"currency": "Euro"}, "invalid_amount"),
    ],
)
def test_what_may_not_be_paid_is_refused_and_nothing_is_written(path, change, code):
    assert refused(path, **change) == code
    assert erp.payments(path) == ()


def test_an_invoice_that_was_paid_is_not_paid_under_another_key(path):
    pay(path)

    assert refused(path, key="k2") == "already_paid"


def test_an_account_may_be_written_in_groups(path):
    assert pay(path, account="DE66 2999 9000 0012 0455 00").account == ON_FILE


def _pay_in_a_process(path: Path, invoice: str, key: str) -> Any:
    try:
        return pay(path, invoice=invoice, key=key).to_json()
    except erp.ErpError as refusal:
        return refusal.code


def test_processes_that_pay_with_one_key_at_once_make_one_payment(path):
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(_pay_in_a_process, [path] * 8, ["R-1"] * 8, ["k1"] * 8))

    assert len(erp.payments(path)) == 1
    assert all(answer == answers[0] for answer in answers)


def test_processes_that_pay_one_invoice_with_different_keys_make_one_payment(path):
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(_pay_in_a_process, [path] * 8, ["R-1"] * 8, [f"k{n}" for n in range(8)]))

    assert len(erp.payments(path)) == 1
    assert answers.count("already_paid") == 7


# --- making it


def test_a_seed_that_is_not_whole_leaves_no_erp(tmp_path):
    (tmp_path / "seed.json").write_text(json.dumps({"vendors": SEED["vendors"]}))

    with pytest.raises(KeyError):
        erp.create(tmp_path / "erp.sqlite", tmp_path / "seed.json")

    assert not (tmp_path / "erp.sqlite").exists()
