"""Reading the rules that an operating procedure states in prose."""

import re

from remit.packs.payables.amounts import amount_text, printed_amounts
from remit.packs.payables.facts import Procedure, one_line

_TITLE = re.compile(
    r"\b(?:standard operating procedure|operating procedure|SOP[- ]?\d*|"
    r"work instruction|verfahrensanweisung|arbeitsanweisung)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\b(SOP[- ]?[A-Z]*[- ]?\d{1,4})\b", re.IGNORECASE)
_ORDER = re.compile(r"\b(?:purchase order|bestellung|order number)\b", re.IGNORECASE)
_ABOVE = re.compile(r"\b(?:above|over|exceed(?:s|ing)?|more than|[üu]ber)\b", re.IGNORECASE)
_SECOND = re.compile(r"\b(?:second person|four[- ]eyes|two people|second approver|vier[- ]augen)\b", re.IGNORECASE)
_ACCOUNT = re.compile(r"\baccounts?\b[^.]*\bon file\b|\bon file\b[^.]*\baccounts?\b", re.IGNORECASE)
_CONTRACT = re.compile(r"\bunless\b[^.]*\bcontract\b|\bcontract\b[^.]*\b(?:replaces|instead|covers)\b", re.IGNORECASE)
_CURRENCY = re.compile(r"\b(EUR|USD|GBP|CHF)\b")
_RULE_WORDS = re.compile(r"\b(?:must|only|never|requires?|need(?:s|ed)?|shall|may not|muss|nur|nie)\b", re.IGNORECASE)
_RULES_MAX = 40


def is_procedure(text: str) -> bool:
    """True for text that names itself an operating procedure near its top."""
    return bool(_TITLE.search(text[:600]))


def read_procedure(text: str) -> Procedure:
    """The rules that the text states and that matching can hold invoices against."""
    sentences = [" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+|\n\s*\n|\n[-*]\s+", text)]
    order = next((s for s in sentences if _ORDER.search(s) and _ABOVE.search(s) and _amount(s)), None)
    second = next((s for s in sentences if _SECOND.search(s) and _amount(s)), None)
    number = _NUMBER.search(text)
    currency = _CURRENCY.search(order or second or text)
    contract = any(_CONTRACT.search(s) and _ORDER.search(s) for s in sentences)
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    return Procedure(
        number=number[1].upper() if number else None,
        title=(one_line(first_line.strip("# ")) or "")[:160] or None,
        currency=currency[1] if currency else None,
        order_above=_amount(order) if order else None,
        contract_replaces_order=contract,
        second_person_above=_amount(second) if second else None,
        accounts_on_file_only=any(
            _ACCOUNT.search(s) and re.search(r"\bonly\b|\bnever\b", s, re.IGNORECASE) for s in sentences
        ),
        rules=tuple(s for s in sentences if _RULE_WORDS.search(s) and len(s) > 20)[:_RULES_MAX],
    )


def _amount(sentence: str) -> str | None:
    match = _CURRENCY.search(sentence)
    if match is None:
        return None
    values = [value for _, value in printed_amounts(sentence[match.end() : match.end() + 20])]
    values = values or [value for _, value in printed_amounts(sentence[max(0, match.start() - 16) : match.start()])]
    return amount_text(values[0]) if values else None
