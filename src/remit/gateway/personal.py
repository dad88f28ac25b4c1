"""Finding personal data in text: patterns in linear time, and check digits, so that an amount is no card. Pure.

Each finder gives the places of one kind. What is found is what the rules of its issuer say, not what looks like it.
"""

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import re2

Span = tuple[int, int]

_EMAIL = re2.compile(r"[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")
_IBAN = re2.compile(r"(?i)\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}\b")
_CARD = re2.compile(r"\b[3-6](?:[ -]?[0-9]){12,18}\b")
_IPV4 = re2.compile(r"\b[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\b")
_IPV6 = re2.compile(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?")
_PHONE = re2.compile(r"(?:\+|\b00|\b0|\()[0-9 ()./-]{5,20}[0-9]\b")
_SSN = re2.compile(r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b")
_NINO = re2.compile(r"(?i)\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b")
_DNI = re2.compile(r"(?i)\b[XYZ0-9][0-9]{7}-?[A-Z]\b")
_NIR = re2.compile(r"\b[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b")
_CODICE = re2.compile(r"(?i)\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b")
_STEUER = re2.compile(r"\b[1-9][0-9](?: ?[0-9]{3}){3}\b")

#: How long an IBAN of each country is (ISO 13616 registry).
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for country in countries.split()
}  # fmt: skip
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def emails(text: str) -> Iterator[Span]:
    """Addresses of electronic mail."""
    if "@" in text:
        yield from (found.span() for found in _EMAIL.finditer(text))


def ibans(text: str) -> Iterator[Span]:
    """International bank account numbers whose length and check digits hold, also in groups of four."""
    for found in _IBAN.finditer(text):
        wanted = _IBAN_LENGTHS.get(found.group()[:2].upper(), 0)
        taken = _prefix(found.group(), wanted) if wanted else ""
        plain = _bare(taken).upper()
        if len(plain) == wanted > 0 and _mod97(plain[4:] + plain[:4]) == 1:
            yield found.start(), found.start() + len(taken)


def cards(text: str) -> Iterator[Span]:
    """Numbers of payment cards, by Luhn's check."""
    yield from (found.span() for found in _CARD.finditer(text) if _luhn(_bare(found.group())))


def addresses(text: str) -> Iterator[Span]:
    """Addresses on the internet."""
    for pattern in (_IPV4, _IPV6):
        for found in pattern.finditer(text):
            try:
                ip_address(found.group())
            except ValueError:
                continue
            if found.group() != "::":
                yield found.span()


def phones(text: str) -> Iterator[Span]:
    """Telephone numbers as people write them: with +, 00 or a leading zero, or an area in brackets."""
    for found in _PHONE.finditer(text):
        written = found.group()
        digits = sum(character.isdigit() for character in written)
        grouped = any(character in " ()/-" for character in written)
        international = written.startswith(("+", "00"))
        if (8 if international else 7) <= digits <= 15 and (international or grouped) and "  " not in written:
            yield found.span()


def national_ids(text: str) -> Iterator[Span]:
    """Numbers by which states know people: US, GB, ES, FR, IT and DE; with check digits where there are any."""
    checks: tuple[tuple[Any, Callable[[str], bool]], ...] = (
        (_SSN, _is_ssn),
        (_NINO, _is_nino),
        (_DNI, _is_dni),
        (_NIR, _is_nir),
        (_CODICE, _is_codice),
        (_STEUER, _is_steuer),
    )
    for pattern, holds in checks:
        yield from (found.span() for found in pattern.finditer(text) if holds(_bare(found.group()).upper()))


#: Kind to its finder, in the order in which they are asked: the strictest first.
FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "email": emails,
    "iban": ibans,
    "card": cards,
    "national_id": national_ids,
    "ip_address": addresses,
    "phone": phones,
}


def _bare(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _prefix(text: str, wanted: int) -> str:
    """The beginning of `text` that holds so many letters and digits."""
    seen = 0
    for place, character in enumerate(text):
        seen += character.isalnum()
        if seen == wanted:
            return text[: place + 1]
    return text


def _mod97(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text)) % 97


def _luhn(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_ssn(digits: str) -> bool:
    return digits[:3] not in {"000", "666"} and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def _is_nino(text: str) -> bool:
    return text[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


def _is_dni(text: str) -> bool:
    number = text[:-1].replace("X", "0", 1).replace("Y", "1", 1).replace("Z", "2", 1)
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == text[-1]


def _is_nir(text: str) -> bool:
    # Corsica's departments count as numbers of their own.
    number = text[:13].replace("2A", "19", 1).replace("2B", "18", 1)
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:])


#: What a character counts at an odd place of a codice fiscale: digits as their letters A to J.
_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _is_codice(text: str) -> bool:
    total = 0
    for place, character in enumerate(text[:15]):
        value = int(character) if character.isdigit() else ord(character) - ord("A")
        total += _ODD[value] if place % 2 == 0 else value
    return chr(ord("A") + total % 26) == text[15]


def _is_steuer(digits: str) -> bool:
    if len(set(digits[:10])) < 8:  # one digit stands twice or three times, never more
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])
