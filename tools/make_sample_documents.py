"""Makes the sample documents of the payables pack, its ERP seed and the page that says what should become of each.

    python tools/make_sample_documents.py

Needs reportlab (in requirements/dev.lock). The same bytes come out each time, so that a change shows in a review.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from unittest import mock

from facturx import generate_from_binary
from samples.cases import BROKEN, INVOICES, Invoice
from samples.cii_xml import xml_of
from samples.contracts import CONTRACTS, PROCEDURES
from samples.pages import contract_pages, invoice_page
from samples.parties import BUYER, NOT_ALLOWED, VENDORS, Party

TARGET = Path(__file__).parents[1] / "src" / "remit" / "packs" / "payables" / "sample"
_BROKEN_BYTES = 1400


def main() -> None:
    """Write every file anew."""
    made = dict(_files())
    shutil.rmtree(TARGET, ignore_errors=True)
    (TARGET / "documents").mkdir(parents=True)
    for name, data in made.items():
        (TARGET / name).write_bytes(data)
    print(f"{len(made)} files, {sum(map(len, made.values()))} bytes in {TARGET}")
    allowed = ", ".join(vendor.vendor for vendor in VENDORS if vendor not in NOT_ALLOWED)
    print(f"allowed_vendors: [{allowed}]")


def _files() -> Iterator[tuple[str, bytes]]:
    for invoice in INVOICES:
        yield f"documents/{invoice.file}", _invoice(invoice)
    yield f"documents/{BROKEN[0]}", invoice_page(INVOICES[0])[:_BROKEN_BYTES]
    for contract in CONTRACTS:
        yield f"documents/{contract.file}", contract_pages(contract)
    for name, text in PROCEDURES:
        yield f"documents/{name}", text.encode()
    yield "erp_seed.json", (json.dumps(_seed(), indent=1, ensure_ascii=False) + "\n").encode()
    yield "SAMPLE.md", _page().encode()


def _invoice(invoice: Invoice) -> bytes:
    page = invoice_page(invoice)
    if not invoice.structured:
        return page
    metadata = {
        "author": invoice.seller.name,
        "title": f"Invoice {invoice.number}",
        "subject": f"Invoice {invoice.number} of {invoice.on.isoformat()}",
        "keywords": "Factur-X, Invoice",
    }
    # The library stamps the hour of the making; a sample has that of its invoice.
    stamp = _stamp(invoice.on)
    with (
        mock.patch("facturx.facturx._get_pdf_timestamp", return_value=f"{stamp:D:%Y%m%d%H%M%S+00'00'}"),
        mock.patch("facturx.facturx._get_metadata_timestamp", return_value=stamp.isoformat()),
    ):
        made = generate_from_binary(
            page, xml_of(invoice), flavor="factur-x", level="en16931", pdf_metadata=metadata, lang="en"
        )
    assert isinstance(made, bytes)
    return made


def _stamp(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, 9, 0, tzinfo=UTC)


def _seed() -> dict[str, object]:
    """The ERP's vendors with their accounts on file, and its purchase orders."""
    return {
        "vendors": [_vendor(vendor) for vendor in VENDORS],
        "orders": [
            {
                "number": invoice.order,
                "vendor": invoice.seller.vendor,
                "amount": invoice.order_amount,
                "currency": "EUR",
                "contract": None,
            }
            for invoice in INVOICES
            if invoice.order
        ],
    }


def _vendor(vendor: Party) -> dict[str, object]:
    accounts = [{"iban": number, "currency": "EUR", "primary": place == 0} for place, number in enumerate(vendor.ibans)]
    return {
        "id": vendor.vendor,
        "name": vendor.name,
        "vat_id": vendor.vat_id,
        "status": "active",
        "accounts": accounts,
    }


def _page() -> str:
    """The table of the documents; a test holds the mission against it."""
    rows = [(one.file, one.expected, one.rules, one.told) for one in INVOICES]
    rows += [BROKEN]
    rows += [(one.file, "read", (), f"Contract {one.number} with {one.supplier.name}.") for one in CONTRACTS]
    rows += [(name, "read", (), "Operating procedure.") for name, _ in PROCEDURES]
    lines = [f"| `{file}` | {status} | {', '.join(rules) or '-'} | {told} |" for file, status, rules, told in rows]
    return f"""# The sample documents

Invoices, contracts and procedures of {BUYER.name}. The company and its vendors are invented; no VAT id and no
account number belongs to anybody. `tools/make_sample_documents.py` makes these files and this page.

What becomes of each document before anybody has answered a question:

| document | status | rules | why |
| --- | --- | --- | --- |
{chr(10).join(lines)}

The vendors, their accounts on file and the purchase orders are in `erp_seed.json`.
"""


if __name__ == "__main__":
    main()
