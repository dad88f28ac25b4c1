"""What a tool is: its definition, its tier, and the meaning of its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson

from remit.quantities import Money


class Tier(StrEnum):
    """How much harm a call can do; undeclared means critical."""

    READ = "read-only"
    RESTRICTED_WRITE = "restricted-write"
    CRITICAL = "critical"


class Origin(StrEnum):
    """Where a value that reaches a sink may come from (data flow, rules 3 and 5)."""

    #: The mission's inputs or a person's steer.
    PERSON = "person"
    #: An exact field of a tool that is declared a directory.
    DIRECTORY = "directory"
    #: A typed field (number, date, id, enum) that a declared extractor read.
    EXTRACTED = "extracted"
    #: Written in the policy or the tool's declaration.
    ALLOW_LIST = "allow-list"


class Confidentiality(StrEnum):
    """How widely something may be told, from the widest to the narrowest."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"

    def covers(self, other: "Confidentiality") -> bool:
        """True where whoever is cleared for this may be told the other."""
        return _RANK[other] <= _RANK[self]


_RANK = {level: rank for rank, level in enumerate(Confidentiality)}


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of something that was read or written."""

    #: False where any of it came from neither a person nor a directory.
    trusted: bool = True
    confidentiality: Confidentiality = Confidentiality.PUBLIC

    def join(self, other: "Label") -> "Label":
        """The label of what was made of both: trusted where both are, told as narrowly as the narrower."""
        wide = self.confidentiality.covers(other.confidentiality)
        return Label(self.trusted and other.trusted, self.confidentiality if wide else other.confidentiality)


#: Of work that has read nothing: what a person gave to it is the person's own to tell.
NOTHING_READ = Label()


@dataclass(frozen=True, slots=True)
class Role:
    """What one argument means to policy and data flow."""

    #: amount, currency, payee, account, recipient, url or id.
    name: str
    #: The argument's name at the top level of the tool's input.
    argument: str
    #: Origins that need no question; a value from elsewhere waits for a person.
    origins: frozenset[Origin]
    #: True: a value from elsewhere is refused outright; not even a person's answer lets it through.
    strict: bool = False
    #: The allow-list: values that need no question; for a URL, one that ends in `/` allows what begins with it.
    allow: tuple[str, ...] = ()

    def allows(self, text: str) -> bool:
        """True where the value stands in the allow-list."""
        if text in self.allow:
            return True
        # A beginning that ends in `/` holds scheme and host whole: nothing after it leads to another host.
        return self.name == "url" and any(text.startswith(start) for start in self.allow if start.endswith("/"))


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it was accepted: definition, tier and argument roles."""

    #: `SOURCE__NAME`, unique in the tenant.
    name: str
    source: str
    description: str
    input_schema: Mapping[str, Any]
    tier: Tier = Tier.CRITICAL
    #: A repeated call with the same idempotency key has no further effect.
    idempotent: bool = False
    #: Its answers are reference data that the company vouches for.
    directory: bool = False
    #: Fields of its answer, read from untrusted content, that are typed: dotted path to number, date, id or enum.
    extracts: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()
    #: A call is a turn of a language model.
    model: bool = False
    #: Remit's own: what it changes stands in the record, durable together with the call's outcome or not at all.
    own: bool = False
    #: What one call costs at most; None where calls are free.
    cost: Money | None = None
    timeout_seconds: float = 60.0
    #: How widely its answers may be told.
    confidentiality: Confidentiality = Confidentiality.INTERNAL
    #: What may be told to it; None where nobody declared it.
    clearance: Confidentiality | None = None
    #: What the source says of it besides: title, output schema, annotations, icons, as it said it. Shown to callers;
    #: no decision rests on it.
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: The hash of the definition that a person accepted: description, schema and all that was declared.
    pin: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pin", self._hash())

    @property
    def local_name(self) -> str:
        """The name that the source itself uses."""
        return self.name.split("__", 1)[-1]

    @property
    def sink(self) -> bool:
        """True where a call writes or leaves the trust zone; what only the record holds, never left it."""
        return self.tier is not Tier.READ and not self.own

    @property
    def tells(self) -> bool:
        """True where what a call says reaches others: it writes, or asks an address that an argument names."""
        return self.sink or (self.role("url") is not None and not self.model)

    @property
    def cleared_for(self) -> Confidentiality | None:
        """What may be told to it unasked; None where a call tells nobody anything."""
        if self.clearance is not None:
            return self.clearance
        return Confidentiality.INTERNAL if self.tells else None

    def _hash(self) -> str:
        declared = {
            "name": self.name,
            "description": self.description,
            "input": self.input_schema,
            "tier": self.tier,
            "idempotent": self.idempotent,
            "directory": self.directory,
            "extracts": self.extracts,
            "roles": [
                [r.name, r.argument, sorted(r.origins), r.strict, *([r.allow] if r.allow else [])] for r in self.roles
            ],
        }
        # What is not declared is not hashed: a pin from before the words existed stays what it was.
        if self.confidentiality is not Confidentiality.INTERNAL:
            declared["confidentiality"] = self.confidentiality
        if self.clearance is not None:
            declared["clearance"] = self.clearance
        if self.extra:
            declared["extra"] = self.extra
        return sha256(orjson.dumps(declared, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def role(self, name: str) -> Role | None:
        """The role `name`, or None where this tool declares no such argument."""
        return next((role for role in self.roles if role.name == name), None)

    def value_of(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """The text that a call gives for the role `name`; None where none is declared or given."""
        role = self.role(name)
        value = arguments.get(role.argument) if role else None
        return None if value is None else str(value)

    def amount_of(self, arguments: Mapping[str, Any]) -> Money | None:
        """The money that a call would move, in US dollars where the tool declares no currency; None without an amount.

        Raises:
            ValueError: it is no amount of money.
        """
        text = self.value_of("amount", arguments)
        return None if text is None else Money.of(text, self.value_of("currency", arguments) or "USD")
