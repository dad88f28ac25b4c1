"""Text that addresses whoever reads by machine, or orders what no document may order.

Finding it changes nothing by itself: a document's text reaches no argument of a payment. It is found so that a person
sees the attempt and the record holds it.
"""

import re
from collections.abc import Iterator

from remit.packs.payables.facts import Evidence, Finding

_WHAT = r"(?:instruction|rule|polic|guideline|prompt|check|control|limit|order|procedure|command|restriction)"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # English
        rf"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{{0,40}}\b{_WHAT}",
        (
            r"\b(?:ai|a\.i\.|llm|language model|chatgpt|gpt|claude|automated|payment|accounts?.payable)\s*"
            r"(?:agent|assistant|system|bot|model)s?\b[^.\n]{0,60}"
            r"\b(?:must|should|shall|have to|please|pay|approve|transfer|ignore|send)"
        ),
        (
            r"\b(?:note|message|instructions?|attention|dear)\s+(?:to|for)?\s*(?:the\s+|any\s+|all\s+)?"
            r"(?:ai|llm|agents?|bot|(?:language )?models?|automated)\b"
        ),
        (
            r"\b(?:pay|transfer|wire|remit|send)\b[^.\n]{0,60}\b(?:to|into)\b[^.\n]{0,20}"
            r"\b(?:different|another|other|new|following new|changed)\s+(?:bank\s+)?(?:account|iban)"
        ),
        (
            r"\b(?:pay|transfer|wire)\b[^.\n]{0,30}\b(?:at once|immediately|now)\b[^.\n]{0,40}"
            r"\bwithout\b[^.\n]{0,20}\b(?:approval|asking|review|confirm)"
        ),
        (
            r"\b(?:approve|pay|release|process)\b[^.\n]{0,60}\bwithout\b[^.\n]{0,30}"
            r"\b(?:approval|asking|review|human|confirm|verif|check)"
        ),
        (
            r"\bdo not\b[^.\n]{0,20}\b(?:ask|tell|inform|notify|alert|mention|escalate|report)\b[^.\n]{0,40}"
            r"\b(?:anyone|human|person|user|operator|approver|approval|supervisor|this)"
        ),
        r"\b(?:you are now|from now on you|act as|new instructions?:|system prompt|</?system>|\[/?inst\]|<\|im_)",
        # German
        (
            r"\b(?:ignorier\w*|missacht\w*|vergiss|vergessen sie|umgeh\w*)\b[^.\n]{0,60}"
            r"(?:regel|anweisung|vorgabe|richtlinie|instruktion|prüfung|vorschrift)"
        ),
        r"\b(?:KI|sprachmodell|assistent)\b[^.\n]{0,60}\b(?:müssen|sollen|soll|muss|bitte|überweis\w*|zahl\w*|freigeb\w*)",
        r"\b(?:an|für)\s+(?:die|alle|jede)\s+KI\b",
        r"(?:zahl|überweis)\w*[^.\n]{0,60}\b(?:anderes|neue|neues|abweichendes|folgendes neues)\s+(?:bank)?konto",
        (
            r"\bohne\s+(?:rückfrage|freigabe|genehmigung|prüfung|nachfrage)\b[^.\n]{0,60}"
            r"(?:freigeb|freizugeb|bezahl|zu zahlen|überweis|auszahl|anweis)"
        ),
        r"(?:freigeb|bezahl|überweis|auszahl)\w*[^.\n]{0,40}\bohne\s+(?:rückfrage|freigabe|genehmigung|prüfung|nachfrage)",
        # French
        r"\b(?:ignor\w+|oubli\w+|contourn\w+)\b[^.\n]{0,60}(?:règle|instruction|consigne|directive|contrôle|procédure)",
        r"\b(?:agent ia|assistant ia|modèle de langage)\b",
        r"\b(?:pay|vir|vers|transf[ée]r)\w*[^.\n]{0,60}\b(?:autre|nouveau)\s+compte",
        r"\b(?:approuv|valid|pay)\w*[^.\n]{0,60}\bsans\b[^.\n]{0,30}(?:demander|validation|approbation|vérif|accord)",
    )
)
_AROUND = 60
_SHOWN_MAX = 3


def check_text(texts: Iterator[tuple[str, str, str]]) -> Iterator[Finding]:
    """One finding for a document whose texts (source, where, text) hold such words, with short excerpts."""
    excerpts = []
    for source, where, text in texts:
        flat = " ".join(text.split())
        for pattern in _PATTERNS:
            match = pattern.search(flat)
            if match:
                start = max(0, match.start() - _AROUND)
                shown = flat[start : match.end() + _AROUND]
                excerpts.append(Evidence.of("xml" if source == "xml" else "page", where, shown))
                break
    if excerpts:
        message = "The document holds text that reads like an instruction to whoever processes it. It was not followed."
        yield Finding("injected_instruction", message, "ask", tuple(excerpts[:_SHOWN_MAX]))
