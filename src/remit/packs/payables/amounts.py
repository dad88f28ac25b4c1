"""Amounts and dates as documents write them: 1.234,56 and 1,234.56 and 1 234,56; 05.03.2018 and March 5, 2018."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

CENT = Decimal("0.01")
#: No document amount is larger: beyond it is a mistake or an attack, not money.
_LARGEST = Decimal(10) ** 15
_SPACES = "\u0020\u00a0\u2009\u202f"
_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
#: A number as printed: groups of three with one kind of separator, or digits only; then one or more decimals.
_PRINTED = re.compile(
    rf"(?<![\w.,])[-\u2212]?\s?(?:\d{{1,3}}(?:([.,'{_SPACES}])\d{{3}})(?:\1\d{{3}})*|\d+)(?:[.,]\d{{1,4}})?(?![\w]|[.,]\d)-?"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier jan janv",
            "february februar février fevrier feb fév",
            "march märz maerz mars mar mär",
            "april avril apr avr",
            "may mai",
            "june juni juin jun",
            "july juli juillet jul juil",
            "august août aout aug",
            "september septembre sep sept",
            "october oktober octobre oct okt",
            "november novembre nov",
            "december dezember décembre decembre dec dez déc",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_NUMERIC = re.compile(r"\b(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})\b")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|er)?\.?\s+({_MONTH})\b\.?,?\s+(\d{{4}})\b", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", re.IGNORECASE)


def decimal_of(text: str | None) -> Decimal | None:
    """The number that XML states, or None where it is absent, not plain decimal text, or out of bounds."""
    if text is None or len(text) > 40 or not _PLAIN.fullmatch(text.strip()):
        return None
    value = Decimal(text.strip())
    return value if abs(value) < _LARGEST else None


def amount_text(value: Decimal | None) -> str | None:
    """Decimal text with at least two decimals and no trailing zeros after them: 19 is `19.00`, 0.0250 is `0.025`."""
    if value is None:
        return None
    text = format(value, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def printed_amount(text: str) -> Decimal | None:
    """One number as printed on a page, whichever separators it uses.

    With one kind of separator before exactly three digits the number is read as thousands (`1.234` is 1234), because
    money has two decimals; two kinds of separators tell their own meaning.
    """
    digits = re.sub(rf"[{_SPACES}']", "", text.strip().replace("\u2212", "-"))
    negative = digits.startswith("-") or digits.endswith("-")
    digits = digits.strip("-+")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        mark = "," if comma > point else "."
        digits = digits.replace("." if mark == "," else ",", "").replace(mark, ".")
    elif comma >= 0 or point >= 0:
        mark = "," if comma >= 0 else "."
        head, _, tail = digits.rpartition(mark)
        grouped = digits.count(mark) > 1 or (len(tail) == 3 and head not in {"", "0"})
        digits = digits.replace(mark, "") if grouped else f"{head}.{tail}"
    try:
        value = Decimal(digits)
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value) >= _LARGEST:
        return None
    return -value if negative else value


def printed_amounts(text: str) -> Iterator[tuple[str, Decimal]]:
    """Every number on a line, as written and as a value, from left to right."""
    for match in _PRINTED.finditer(text):
        value = printed_amount(match[0])
        if value is not None:
            yield match[0].strip(), value


def shows_amount(page: str, value: Decimal) -> bool:
    """Whether a page shows `value` in any usual format; the sign is ignored, whole amounts may lack decimals."""
    whole, _, decimals = format(abs(value).quantize(CENT), "f").partition(".")
    groups = [whole[max(0, end - 3) : end] for end in range(len(whole), 0, -3)][::-1]
    grouped = rf"[.,'{_SPACES}]?".join(groups)
    fraction = rf"(?:[.,]{decimals}0*|[.,][-\u2013])?" if decimals == "00" else rf"[.,]\s{{0,4}}{decimals}0*"
    pattern = rf"(?<!\d)(?<!\d[.,']){grouped}{fraction}(?!\d|[.,]\d)"
    return re.search(pattern, page) is not None


def find_dates(text: str, *, month_first: bool = False) -> tuple[tuple[str, date, bool], ...]:
    """Dates in `text`: as written, as a value, and whether day and month could be meant the other way round."""
    found: list[tuple[int, str, date, bool]] = []
    for match in _ISO.finditer(text):
        _add(found, match, int(match[1]), int(match[2]), int(match[3]), doubt=False)
    for match in _NUMERIC.finditer(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        year += 2000 if year < 100 else 0
        slashed = match[2] != "."
        swap = slashed and (second > 12 or (month_first and first <= 12))
        day, month = (second, first) if swap else (first, second)
        _add(found, match, year, month, day, doubt=slashed and first <= 12 and second <= 12 and first != second)
    for match in _DAY_FIRST.finditer(text):
        _add(found, match, int(match[3]), _MONTHS[match[2].lower()], int(match[1]), doubt=False)
    for match in _MONTH_FIRST.finditer(text):
        _add(found, match, int(match[3]), _MONTHS[match[1].lower()], int(match[2]), doubt=False)
    return tuple((written, value, doubt) for _, written, value, doubt in sorted(found, key=lambda one: one[0]))


def date_of_xml(text: str | None) -> str | None:
    """The day of a CII date: `20180605` (format 102), with a time after it (203), or already with dashes."""
    digits = re.fullmatch(r"\s*(\d{4})-?(\d{2})-?(\d{2})(?:[T\d:.+Z-]*)\s*", text or "")
    if digits is None:
        return None
    try:
        return date(int(digits[1]), int(digits[2]), int(digits[3])).isoformat()
    except ValueError:
        return None


def _add(
    found: list[tuple[int, str, date, bool]], match: re.Match[str], year: int, month: int, day: int, *, doubt: bool
) -> None:
    try:
        found.append((match.start(), match[0], date(year, month, day), doubt))
    except ValueError:
        return
