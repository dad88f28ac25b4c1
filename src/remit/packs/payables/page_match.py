"""Whether the pages that people read show what the embedded XML, which machines read, states."""

import re
from collections.abc import Sequence

from remit.packs.payables.amounts import decimal_of, shows_amount
from remit.packs.payables.facts import Evidence, Finding, Reading

_TELLING_CHARACTERS = 5


def check(reading: Reading, pages: Sequence[str]) -> list[Finding]:
    """`page_disagrees` where the number, a total or the seller of the XML is on no page, spaces and formats aside."""
    whole = "\n".join(pages)
    if not whole.strip():
        said = "The pages have no readable text, so nothing that a person can read confirms the embedded XML."
        return [Finding("page_disagrees", said, "ask", (Evidence.of("page", "page 1", ""),))]
    missing = [
        (label, value, field)
        for label, value, field in _expected(reading)
        if not (_shows_total(whole, value) if field.endswith("_total") else _shows_number(whole, value))
    ]
    seller = [value for value in (reading.seller_name, reading.seller_vat_id) if value]
    if seller and not any(shows_words(whole, value) for value in seller):
        missing.append(("the seller", seller[0], "seller_name"))
    if not missing:
        return []
    said = ", ".join(f"{label} {value}" for label, value, _ in missing)
    evidence = tuple(reading.evidence[field] for _, _, field in missing if field in reading.evidence)
    return [Finding("page_disagrees", f"The pages do not show what the embedded XML states: {said}.", "ask", evidence)]


def shows_words(page: str, words: str) -> bool:
    """Whether `words` stand on the page as a whole, white space aside; long ones also inside a run of text."""
    squeezed = re.sub(r"\s", "", words)
    loose = r"\s*".join(re.escape(character) for character in squeezed)
    if re.search(rf"(?<![^\W_]){loose}(?![^\W_])", page, re.IGNORECASE):
        return True
    return len(squeezed) >= 6 and squeezed.casefold() in re.sub(r"\s", "", page).casefold()


def _shows_number(page: str, number: str) -> bool:
    """A short number stands somewhere on any page, as a position or a quantity: only after a label it counts."""
    if len(number) >= _TELLING_CHARACTERS:
        return shows_words(page, number)
    label = rf"(?:invoice|rechnung|facture|beleg)[^\n]{{0,40}}(?<![^\W_]){re.escape(number)}(?![^\W_])"
    return re.search(label, page, re.IGNORECASE) is not None


def _expected(reading: Reading) -> list[tuple[str, str, str]]:
    expected = (
        ("number", reading.invoice_number, "invoice_number"),
        ("net total", reading.net_total, "net_total"),
        ("tax total", reading.tax_total, "tax_total"),
        ("total", reading.grand_total, "grand_total"),
    )
    return [(label, value, field) for label, value, field in expected if value is not None]


def _shows_total(page: str, text: str) -> bool:
    value = decimal_of(text)
    return value is None or value == 0 or shows_amount(page, value)
