"""Parts that several kinds of document share: JSON Schemas, amounts, references to code."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import jsonschema_rs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, StringConstraints

from remit.quantities import Money

_DRAFTS = "https://json-schema.org/draft/", "http://json-schema.org/draft-"
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
#: What nests deeper is no description of arguments.
_DEPTH_MAX = 100


class Document(BaseModel):
    """What all documents have in common: unknown fields are refused and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def worded(pattern: str, expected: str) -> AfterValidator:
    """A rule for text that says in words what it expects, where a bare pattern would be shown otherwise."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{text[:60]!r} cannot stand here: expected {expected}")
        return text

    return AfterValidator(check)


class AmountDocument(Document):
    """An amount of money in a file."""

    amount: Annotated[StrictStr, worded(r"[0-9]{1,12}(\.[0-9]{1,6})?", "decimal text in quotes, such as '250.00'")] = (
        Field(description="Decimal text in quotes, such as `'250.00'`.")
    )
    currency: Annotated[StrictStr, worded(r"[A-Z]{3}", "an ISO 4217 code, such as EUR")] = Field(
        description="ISO 4217 code, such as `EUR`."
    )

    @property
    def money(self) -> Money:
        """The amount in micro-units."""
        return Money.of(self.amount, self.currency)


def schema_fault(schema: Any) -> str | None:
    """What is wrong with a JSON Schema, in words; None where it can be used. Nothing is fetched."""
    if not isinstance(schema, dict):
        return "a JSON Schema is a mapping"
    try:
        for key, value in _keywords(schema):
            _check_keyword(key, str(value)[:60] if isinstance(value, str) else "")
        jsonschema_rs.validator_for(schema)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        told = getattr(error, "message", str(error)).splitlines()[0]
        return f"this is not a JSON Schema that can be used: {told}"
    return None


def _check_keyword(key: str, value: str) -> None:
    if key in _REFERENCES and not value.startswith("#"):
        raise ValueError(f"{key} {value!r} leads out of the schema; only references that begin with '#' are followed")
    if key == "$schema" and not value.startswith(_DRAFTS):
        raise ValueError(f"$schema {value!r} is no published draft of JSON Schema")


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, level by level; without recursion, as a server may nest as deep as it likes."""
    level, depth = [schema], 0
    while level:
        if depth > _DEPTH_MAX:
            raise ValueError(f"it nests more than {_DEPTH_MAX} levels deep")
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                yield from node.items()
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        level, depth = below, depth + 1


def _usable(schema: dict[str, Any]) -> dict[str, Any]:
    fault = schema_fault(schema)
    if fault is not None:
        raise ValueError(fault)
    return schema


def object_fault(schema: dict[str, Any]) -> str | None:
    """Why a schema cannot describe named arguments; None where it can."""
    kind = schema.get("type")
    if kind != "object":
        return f"named inputs need `type: object`, not {'no type' if kind is None else repr(kind)}"
    return None


def _of_object(schema: dict[str, Any]) -> dict[str, Any]:
    fault = object_fault(schema)
    if fault is not None:
        raise ValueError(fault)
    return schema


def by_form(text: Any) -> str:
    """Which of two forms a value has that may be text or a mapping, so that only that form's faults are told."""
    return "text" if isinstance(text, str) else "fields"


JsonSchema = Annotated[dict[str, Any], AfterValidator(_usable)]
#: A schema of named inputs: its type is `object`.
ObjectSchema = Annotated[dict[str, Any], AfterValidator(_usable), AfterValidator(_of_object)]
ResourceName = Annotated[
    str, worded(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "letters, digits, '-' and '_', at most 63, the first no sign")
]
CodeReference = Annotated[
    str, worded(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", "module:function, such as acme.agents:run")
]
ModuleName = Annotated[str, worded(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a module's name, such as acme.tools")]
SkillName = Annotated[
    str,
    worded(
        r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*", "small letters, digits, '-', '_' and dots, such as payables.match"
    ),
    StringConstraints(max_length=100),
]
