"""What a tool's definition suggests about its tier and its arguments: a table for a person to look at. Pure.

A proposal grants nothing. What a source says about its own harmlessness is not heard; what it says about harm is.
"""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from remit.tools import Tier

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_VERBS = {
    Tier.READ: """check compare count describe exists explain fetch find get head health history info inspect is list
        look lookup measure peek ping preview query read resolve retrieve search select show stat status summarize
        summarise tail time validate verify version view watch""",
    Tier.RESTRICTED_WRITE: """add annotate append archive assign attach book close comment copy create draft edit insert
        label link log mark merge move note open patch post put register rename reopen reply reserve save schedule set
        star store subscribe tag unarchive update upload upsert write""",
    Tier.CRITICAL: """approve authorize authorise buy cancel charge commit delete deploy destroy disable drop eval exec
        execute forward grant install invoke kill order pay payout publish purchase purge push reboot refund release
        remove reset restart restore revoke rm run sell send shutdown sign stop submit terminate transfer truncate
        unlink wipe withdraw""",
}
_SAID = {tier: frozenset(verbs.split()) for tier, verbs in _VERBS.items()}
_ROLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("amount", re.compile(r"(.*_)?(amount|total|price|sum|value_usd)(_.*)?")),
    ("currency", re.compile(r"(.*_)?currency(_code)?")),
    ("account", re.compile(r"(.*_)?(iban|account|account_number|bank_account|card_number)")),
    ("payee", re.compile(r"(.*_)?(payee|vendor|vendor_id|supplier|supplier_id|beneficiary|creditor|merchant)")),
    ("recipient", re.compile(r"(to|cc|bcc|recipients?|(.*_)?(email|email_address|phone|channel|chat_id|to_address))")),
    ("url", re.compile(r"(.*_)?(url|uri|href|link|endpoint|webhook|callback)")),
    ("id", re.compile(r"(id|.*_id|key|ref|reference)")),
)


_HELD = "one SELECT, on a connection that cannot write"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One tool as it could be declared."""

    name: str
    tier: Tier
    #: Role to the argument's name.
    roles: Mapping[str, str]
    #: Why this tier.
    because: str

    def to_json(self) -> dict[str, Any]:
        """The declaration as it stands in a file, without what is the default."""
        declared: dict[str, Any] = {"tier": self.tier.value}
        if self.roles:
            declared["roles"] = {role: f"$.{argument}" for role, argument in self.roles.items()}
        return declared


def propose(definition: Mapping[str, Any]) -> Proposal:
    """How a tool could be declared, by its name, its arguments, and what it says of harm."""
    name = str(definition.get("name", ""))
    words = [word.lower() for word in _WORDS.findall(name)]
    annotations = definition.get("annotations")
    hints = annotations if isinstance(annotations, Mapping) else {}
    tier, because = _tier(words, hints)
    return Proposal(name, tier, _roles(definition.get("inputSchema")), because)


def proposals(definitions: Sequence[Mapping[str, Any]], *, reads: Container[str] = ()) -> list[Proposal]:
    """One for each definition, by name; `reads` are those that Remit itself holds to reading."""
    found = [propose(definition) for definition in definitions]
    shown = [replace(one, tier=Tier.READ, because=_HELD) if one.name in reads else one for one in found]
    return sorted(shown, key=lambda one: one.name)


def _tier(words: Sequence[str], hints: Mapping[str, Any]) -> tuple[Tier, str]:
    if hints.get("destructiveHint") is True:
        return Tier.CRITICAL, "it says that it destroys"
    for tier in (Tier.CRITICAL, Tier.RESTRICTED_WRITE):
        word = next((word for word in words if word in _SAID[tier]), None)
        if word is not None:
            return tier, f"its name has {word!r}"
    if words and words[0] in _SAID[Tier.READ]:
        return Tier.READ, f"its name begins with {words[0]!r}"
    return Tier.CRITICAL, "its name does not tell what it does"


def _roles(schema: Any) -> dict[str, str]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    found: dict[str, str] = {}
    for argument in properties if isinstance(properties, Mapping) else ():
        if not re.fullmatch(r"[A-Za-z_][\w-]*", str(argument)):
            continue
        plain = "_".join(word.lower() for word in _WORDS.findall(argument))
        role = next((role for role, pattern in _ROLES if pattern.fullmatch(plain)), None)
        if role is not None:
            found.setdefault(role, str(argument))
    return found
