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
    #: What one call costs at most; None where calls are free.
    cost: Money | None = None
    timeout_seconds: float = 60.0
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
        """True where a call writes or leaves the trust zone."""
        return self.tier is not Tier.READ

    def _hash(self) -> str:
        declared = {
            "name": self.name,
            "description": self.description,
            "input": self.input_schema,
            "tier": self.tier,
            "idempotent": self.idempotent,
            "directory": self.directory,
            "extracts": self.extracts,
            "roles": [[r.name, r.argument, sorted(r.origins), r.strict] for r in self.roles],
        }
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
