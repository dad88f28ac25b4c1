"""Real invoices by many hands: ZUGFeRD 1.0 to 2.2, Factur-X, XRechnung, valid and broken, and one without XML."""

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from remit.packs.payables.facts import INVOICE_FIELDS, Reading
from remit.packs.payables.reading import read_document

_INVOICES = Path(__file__).parents[4] / "shared" / "data" / "invoices"

pytestmark = pytest.mark.shared


@cache
def expected() -> dict[str, dict[str, Any]]:
    if not _INVOICES.is_dir():
        told = "the folder of real invoices does not stand beside the checkout"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return json.loads((_INVOICES / "expected.json").read_text("utf-8"))


@cache
def reading(file: str) -> Reading:
    return read_document((_INVOICES / file).read_bytes(), file)


def problems(file: str) -> str:
    return " | ".join(expected()[file]["problems"])


def test_every_field_of_every_well_formed_xml_is_right_and_the_share_is_told_by_kind() -> None:
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    wrong = []

    for file, truth in expected().items():
        kind = (
            "page" if truth["truth"] == "page" else "xml" if "not well-formed" not in problems(file) else "broken xml"
        )
        for name in INVOICE_FIELDS:
            asked[kind] += 1
            right[kind] += getattr(reading(file), name) == truth[name]
            if kind == "xml" and getattr(reading(file), name) != truth[name]:
                wrong.append((file, name, getattr(reading(file), name), truth[name]))

    print({kind: f"{right[kind]}/{asked[kind]}" for kind in asked})
    assert wrong == []
    assert asked["xml"] == 630
    assert right["page"] >= 7


def test_the_schema_is_broken_exactly_where_the_reference_says() -> None:
    for file in expected():
        assert ("schema_invalid" in reading(file).rules) == ("schema:" in problems(file)), file
        told = [finding.message for finding in reading(file).findings if finding.rule == "schema_invalid"]
        assert all(text.startswith("The XML breaks its schema: Element '{urn:") for text in told), told


def test_a_line_that_does_not_multiply_is_found_exactly_where_the_reference_says() -> None:
    for file in expected():
        assert ("line_arithmetic" in reading(file).rules) == (" x " in problems(file)), file


def test_a_profile_that_no_invoice_has_is_named() -> None:
    for file in expected():
        assert ("unknown_profile" in reading(file).rules) == ("unknown profile" in problems(file)), file


def test_a_page_that_does_not_show_the_xmls_number_or_total_is_asked_about() -> None:
    for file, truth in expected().items():
        seen = truth["on_page"]
        absent = not seen.get("invoice_number", True) or not seen.get("grand_total", True)
        assert ("page_disagrees" in reading(file).rules) == absent, file


def test_no_valid_invoice_is_called_contradictory() -> None:
    for file, truth in expected().items():
        assert truth["valid"] is False or "totals_arithmetic" not in reading(file).rules, file


def test_every_invoice_that_its_makers_call_invalid_has_a_finding() -> None:
    for file, truth in expected().items():
        assert truth["valid"] is not False or reading(file).findings, file


def test_every_credit_note_is_asked_about() -> None:
    for file, truth in expected().items():
        negative = (truth["grand_total"] or "0").startswith("-")
        assert ("negative_total" in reading(file).rules) == negative, file


def test_no_real_invoice_is_suspected_of_instructions() -> None:
    assert [file for file in expected() if "injected_instruction" in reading(file).rules] == []


def test_a_reading_crosses_a_connection_unchanged() -> None:
    for file in expected():
        assert Reading.from_json(json.loads(json.dumps(reading(file).to_json()))) == reading(file)
