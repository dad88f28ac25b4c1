"""Reading a supply contract's terms from its text."""

import re
from decimal import Decimal

from remit.packs.payables.amounts import amount_text, find_dates, printed_amounts
from remit.packs.payables.facts import Contract, one_line

_TITLE = re.compile(
    r"\b(?:framework|service|supply|maintenance|rahmen|dienstleistungs)?[\s-]*(?:agreement|contract|vertrag)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\b(?:contract|agreement|vertrag)\s*"
    r"(?:no\.?|number|nr\.?|ref\.?|:)\s*:?\s*([A-Z0-9][A-Z0-9/-]{2,24})",
    re.IGNORECASE,
)
_SUPPLIER = re.compile(
    r"\b(?:supplier|contractor|provider|lieferant|auftragnehmer)\s*:\s*([^\n,;(]{3,80})", re.IGNORECASE
)
_CUSTOMER = re.compile(r"\b(?:customer|client|buyer|kunde|auftraggeber)\s*:\s*([^\n,;(]{3,80})", re.IGNORECASE)
_VAT = re.compile(r"\b([A-Z]{2}\d[0-9A-Z]{6,11})\b")
_CEILING = re.compile(
    r"\b(?:ceiling|not exceed|shall not exceed|maximum (?:total )?(?:value|amount)|"
    r"cap of|h[öo]chstbetrag|obergrenze)\b",
    re.IGNORECASE,
)
_RATE = re.compile(r"\b(?:rate|stundensatz|tagessatz|price per)\b", re.IGNORECASE)
_UNIT = re.compile(r"\bper\s+(hour|day|month|piece|unit|km)\b|/\s*(hour|day|month|piece|unit|km)\b", re.IGNORECASE)
_DAYS = re.compile(
    r"\b(?:within|net|innerhalb von|payable in)\s+(\d{1,3})\s+(?:calendar\s+)?(?:days|tagen)\b", re.IGNORECASE
)
_CURRENCY = re.compile(r"\b(EUR|USD|GBP|CHF)\b|(€)|(\$)|(£)")
_CODES = {"€": "EUR", "$": "USD", "£": "GBP"}


def is_contract(text: str) -> bool:
    """True for text that names itself a contract near its top and has parties and terms."""
    return bool(_TITLE.search(text[:600]) and _SUPPLIER.search(text) and (_CEILING.search(text) or _RATE.search(text)))


def read_contract(text: str) -> Contract:
    """The terms that the text states; what it does not state is None."""
    sentences = [" ".join(part.split()) for part in re.split(r"(?<=[.;])\s+(?=[A-Z0-9§])|\n\s*\n|\n(?=\d+\.)", text)]
    ceiling = next((s for s in sentences if _CEILING.search(s) and list(printed_amounts(s))), None)
    rate = next((s for s in sentences if _RATE.search(s) and _money(s) is not None and s is not ceiling), None)
    supplier = _SUPPLIER.search(text)
    customer = _CUSTOMER.search(text)
    vat = _VAT.search(text[supplier.start() : supplier.start() + 400]) if supplier else None
    days = _DAYS.search(text)
    unit = _UNIT.search(rate) if rate else None
    number = _NUMBER.search(text)
    dates = _term(sentences)
    return Contract(
        number=number[1] if number else None,
        supplier_name=one_line(supplier[1]) if supplier else None,
        supplier_vat_id=vat[1] if vat else None,
        customer_name=one_line(customer[1]) if customer else None,
        currency=_currency(ceiling or rate or text),
        ceiling=amount_text(_money(ceiling)) if ceiling else None,
        ceiling_basis="net"
        if ceiling and re.search(r"\bnet\b|excluding|exclusive|netto", ceiling, re.IGNORECASE)
        else "gross",
        rate=amount_text(_money(rate)) if rate else None,
        rate_unit=(unit[1] or unit[2]).lower() if unit else None,
        valid_from=dates[0],
        valid_until=dates[1],
        payment_days=int(days[1]) if days else None,
    )


def _money(sentence: str) -> Decimal | None:
    """The amount that stands beside a currency in a sentence."""
    for match in _CURRENCY.finditer(sentence):
        after = [value for _, value in printed_amounts(sentence[match.end() : match.end() + 20])]
        if after:
            return after[0]
        before = [value for _, value in printed_amounts(sentence[max(0, match.start() - 16) : match.start()])]
        if before:
            return before[-1]
    return None


def _currency(text: str) -> str | None:
    match = _CURRENCY.search(text)
    return None if match is None else _CODES.get(match[0], match[0])


def _term(sentences: list[str]) -> tuple[str | None, str | None]:
    for sentence in sentences:
        if re.search(r"\b(?:term|valid|runs|in force|laufzeit|g[üu]ltig)\b", sentence, re.IGNORECASE):
            dates = [value.isoformat() for _, value, _ in find_dates(sentence)]
            if len(dates) > 1:
                return min(dates), max(dates)
    return None, None
