"""Reading a plain invoice from the text of its pages: values beside their labels, each taken only where it is clear."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise, product

from remit.packs.payables.amounts import CENT, amount_text, find_dates, printed_amounts
from remit.packs.payables.facts import Evidence, one_line

_NUMBER = re.compile(
    r"\b(?:invoice|rechnung|facture|rechnungs)[\s-]*(?:no\.?|number|nr\.?|nummer|n[o°º]|#|num[ée]ro)\s*"
    r"[:.]?\s*([A-Z0-9][A-Z0-9/_.-]{1,30})",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?:purchase order|order|bestellung|bestell|po|commande)[\s-]*"
    r"(?:no\.?|number|nr\.?|nummer|ref(?:erence)?\.?|#)?\s*[:.]?\s*(PO[-/ ]?\d[\w/-]{2,20})",
    re.IGNORECASE,
)
_VAT = re.compile(r"\b(?:VAT|USt|TVA|UID)[^\n:]{0,25}[:\s]\s*([A-Z]{2}\s?[0-9A-Z][0-9A-Z ]{6,13}[0-9])\b")
_IBAN = re.compile(r"\b([A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,4})?)\b")
_TOTALS = {
    "grand_total": r"(?:grand\s+total|total\s+(?:amount\s+)?(?:due|payable)|invoice\s+total|amount\s+due|"
    r"total\s+incl\w*[^\n:\d]{0,15}|"
    r"gesamtbetrag|rechnungsbetrag|bruttobetrag|montant\s+ttc|total\s+ttc|total)",
    "net_total": r"(?:sub\s*-?\s*total|net\s+(?:total|amount)|total\s+(?:net|excl\w*)[^\n:\d]{0,15}|"
    r"summe\s+netto|nettobetrag|montant\s+ht|total\s+ht)",
    "tax_total": r"(?:vat|tax|sales\s+tax|umsatzsteuer|mwst\.?|ust\.?|tva)(?:\s+total|\s+amount)?",
}
_SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP", "CHF": "CHF"}
_CODES = re.compile(r"\b(EUR|USD|GBP|CHF)\b")
_DATE = r"(?:invoice\s+date|date\s+of\s+invoice|rechnungsdatum|date\s+de\s+facture|date\s+de\s+la\s+facture|date|datum)"
_SELLER = re.compile(
    r"^\s*(?:from|seller|supplier|vendor|verk[äa]ufer|lieferant)\s*:?\s*(.+)$", re.IGNORECASE | re.MULTILINE
)
_BUYER = re.compile(
    r"^\s*(?:bill(?:ed)?\s+to|buyer|customer|client|kunde|invoice\s+to|sold\s+to)\s*:?\s*(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_COMPANY = re.compile(
    r"\b(?:GmbH|AG|KG|OHG|UG|e\.K\.|Ltd\.?|Limited|LLC|Inc\.?|Corp\.?|S\.?A\.?S?|SARL|B\.?V\.?|N\.?V\.?|S\.?r\.?l\.?|plc|AB|Oy|ApS)(?!\w)"
)


_HEADING = re.compile(r"(?:tax\s+)?(?:invoice|rechnung|facture)", re.IGNORECASE)
#: Page, amount, and the line with its label.
Candidate = tuple[int, Decimal, str]


@dataclass(slots=True)
class PageReading:
    """What the pages state, and which fields could not be told for sure."""

    values: dict[str, str] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    ibans: tuple[str, ...] = ()
    order_number: str | None = None


def read_pages(pages: Sequence[str]) -> PageReading:
    """Read the usual fields of an invoice; a field with several different candidates is left out and doubtful."""
    reading = PageReading()
    lines = [(number, line) for number, page in enumerate(pages, 1) for line in page.splitlines() if line.strip()]
    text = "\n".join(line for _, line in lines)
    _take(reading, "invoice_number", _matches(_NUMBER, lines) or list(_numbers_below(lines)))
    _take(reading, "seller_vat_id", [(p, "".join(v.split()), s) for p, v, s in _matches(_VAT, lines)], first=True)
    _dates(reading, lines)
    _totals(reading, lines)
    _parties(reading, lines, text)
    codes = set(_CODES.findall(text)) or {code for symbol, code in _SYMBOLS.items() if symbol in text}
    if len(codes) == 1:
        reading.values["currency"] = codes.pop()
    else:
        reading.doubtful.append("currency")
    reading.ibans = tuple(dict.fromkeys("".join(m.split()) for m in _IBAN.findall(text) if iban_holds(m)))
    orders = {"".join(match.split()) for match in _ORDER.findall(text)}
    reading.order_number = orders.pop() if len(orders) == 1 else None
    return reading


def iban_holds(text: str) -> bool:
    """True where the check digits of an IBAN hold (ISO 13616)."""
    compact = "".join(text.split()).upper()
    if not 15 <= len(compact) <= 34:
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _matches(pattern: re.Pattern[str], lines: Sequence[tuple[int, str]]) -> list[tuple[int, str, str]]:
    return [(page, match[1], line) for page, line in lines for match in pattern.finditer(line)]


def _numbers_below(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """A number that stands alone on the line below a heading that says no more than "Invoice"."""
    for (page, line), (_, below) in pairwise(lines):
        token = below.strip()
        if _HEADING.fullmatch(line.strip()) and re.fullmatch(
            r"[A-Z0-9]*\d[A-Z0-9/_.-]{2,30}|[A-Z]+[/_-][A-Z0-9/_-]+", token
        ):
            yield page, token, f"{line.strip()} {token}"


def _take(reading: PageReading, name: str, found: list[tuple[int, str, str]], *, first: bool = False) -> None:
    values = list(dict.fromkeys(value for _, value, _ in found))
    if not values or (len(values) > 1 and not first):
        reading.doubtful.append(name)
        return
    page, value, line = found[0]
    reading.values[name] = value
    reading.evidence[name] = Evidence.of("page", f"page {page}", line)


def _dates(reading: PageReading, lines: Sequence[tuple[int, str]]) -> None:
    label = re.compile(_DATE, re.IGNORECASE)
    found: list[tuple[int, str, str]] = []
    for place, (page, line) in enumerate(lines):
        if not label.search(line) or re.search(r"due|f[äa]llig|delivery|liefer|order", line, re.IGNORECASE):
            continue
        following = lines[place + 1][1] if place + 1 < len(lines) else ""
        dates = find_dates(line) or find_dates(following)
        found += [(page, value.isoformat(), line) for _, value, doubt in dates[:1] if not doubt]
    _take(reading, "invoice_date", found, first=True)


def _candidates(name: str, lines: Sequence[tuple[int, str]]) -> Iterator[Candidate]:
    """Amounts on a labelled line, or on the lines below it where tables are printed column by column."""
    label = re.compile(rf"^\s*{_TOTALS[name]}\b(?!\s*(?:id|no|nr|number|reg))", re.IGNORECASE)
    for place, (page, line) in enumerate(lines):
        match = label.match(line)
        if not match:
            continue
        rest = re.sub(r"\d+(?:[.,]\d+)?\s*%", " ", line[match.end() :])
        values = [value for _, value in printed_amounts(rest)]
        if not values:
            below = [text for _, text in lines[place + 1 : place + 5]]
            values = [value for text in below for _, value in printed_amounts(text.replace("$", " "))]
        yield from ((page, value.quantize(CENT), line) for value in values if value.is_finite())


def _totals(reading: PageReading, lines: Sequence[tuple[int, str]]) -> None:
    """Net, tax and total: the one combination whose sum holds; without one, what is labelled once, and doubt."""
    found = {name: list(dict.fromkeys(_candidates(name, lines))) for name in ("net_total", "tax_total", "grand_total")}
    sums = {
        (net[1], tax[1], grand[1]): (net, tax, grand)
        for net, tax, grand in product(found["net_total"], found["tax_total"], found["grand_total"])
        if net[1] + tax[1] == grand[1] and grand[1] != net[1]
    }
    largest = max((key[2] for key in sums), default=None)
    whole = [combination for key, combination in sums.items() if key[2] == largest]
    if len(whole) == 1:
        for name, (page, value, line) in zip(found, whole[0], strict=True):
            _take(reading, name, [(page, amount_text(value) or "", line)])
        return
    for name, candidates in found.items():
        _take(reading, name, [(page, amount_text(value) or "", line) for page, value, line in candidates])
    reading.doubtful.append("totals")


def _parties(reading: PageReading, lines: Sequence[tuple[int, str]], text: str) -> None:
    seller, buyer = _SELLER.search(text), _BUYER.search(text)
    names = [(page, one_line(line)) for page, line in lines if _COMPANY.search(line) and len(line) < 80]
    if seller:
        reading.values["seller_name"] = one_line(seller[1]) or ""
    elif names:
        page, name = names[0]
        reading.values["seller_name"] = _until_company(name or "")
        reading.evidence["seller_name"] = Evidence.of("page", f"page {page}", name or "")
    else:
        reading.doubtful.append("seller_name")
    if buyer:
        after = text[buyer.end() :].strip().splitlines()
        name_or_none = one_line(buyer[1]) or (one_line(after[0]) if after else None)
        if name_or_none:
            reading.values["buyer_name"] = _until_company(name_or_none)
    if "buyer_name" not in reading.values:
        reading.doubtful.append("buyer_name")


def _until_company(name: str) -> str:
    """The name up to its legal form: what follows on the line is the address."""
    match = _COMPANY.search(name)
    return name[: match.end()].strip() if match else name
