"""Values on their way to a database and back."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

import orjson

from remit.adapters.sql.refused import Refused
from remit.registry import SqlField, SqlLimits

_INTEGER_MAX = 2**63 - 1
_DECIMAL = r"^-?[0-9]{1,20}(\.[0-9]{1,10})?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?$"


def schema_of(fields: Mapping[str, SqlField]) -> dict[str, Any]:
    """The JSON Schema of what a query or statement takes."""
    return {
        "type": "object",
        "properties": {name: _property(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if not field.optional],
        "additionalProperties": False,
    }


def _property(field: SqlField) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": field.description} if field.description else {}
    match field.type:
        case "text":
            shown |= {"type": "string", "maxLength": field.max_length}
        case "integer":
            low = -_INTEGER_MAX if field.minimum is None else field.minimum
            shown |= {"type": "integer", "minimum": low,
                      "maximum": _INTEGER_MAX if field.maximum is None else field.maximum}  # fmt: skip
        case "number":
            bounds = {"minimum": field.minimum, "maximum": field.maximum}
            shown |= {"type": "number"} | {name: bound for name, bound in bounds.items() if bound is not None}
        case "decimal":
            shown |= {"type": "string", "pattern": _DECIMAL}
        case "boolean":
            shown |= {"type": "boolean"}
        case "date":
            shown |= {"type": "string", "format": "date", "pattern": _DATE}
        case "datetime":
            shown |= {"type": "string", "format": "date-time", "pattern": _DATETIME}
    if field.enum is not None:
        shown["enum"] = list(field.enum)
    return shown


def bound(fields: Mapping[str, SqlField], arguments: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The values as the driver takes them; what was left out is NULL.

    Raises:
        Refused: a value is no date or has another form than its field; names the field, never the value.
    """
    if unknown := sorted(arguments.keys() - fields.keys()):
        raise Refused("invalid_arguments", f"{', '.join(unknown)[:100]} cannot be given")
    taken = {}
    for name, field in fields.items():
        value = arguments.get(name)
        if value is None and not field.optional:
            raise Refused("invalid_arguments", f"{name} is missing")
        try:
            taken[name] = None if value is None else _native(field, value, dialect)
        except (ValueError, TypeError, ArithmeticError):
            raise Refused("invalid_arguments", f"{name} is no {field.type}") from None
    return taken


def _native(field: SqlField, value: Any, dialect: str) -> Any:
    native: Any
    match field.type:
        case "date":
            native = date.fromisoformat(value)
        case "datetime":
            native = datetime.fromisoformat(value)
        case "decimal":
            native = Decimal(value)
        case _:
            native = value
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("NUL in a text")
    # SQLite has no such types: it compares them as the text in which they are kept.
    return str(value) if dialect == "sqlite" and field.type in {"date", "datetime", "decimal"} else native


def collected(columns: Sequence[str], rows: Iterable[Sequence[Any]], limits: SqlLimits) -> dict[str, Any]:
    """The rows of an answer within its limits: `{rows, truncated}`."""
    names = list(_distinct(columns))
    taken: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if len(taken) == limits.rows:
            return {"rows": taken, "truncated": True}
        shown = {name: plain(value) for name, value in zip(names, row, strict=True)}
        size += len(orjson.dumps(shown)) + 1
        if size > limits.bytes:
            return {"rows": taken, "truncated": True}
        taken.append(shown)
    return {"rows": taken, "truncated": False}


def plain(value: Any) -> Any:
    """A value of a database as JSON: decimals, dates, times and identifiers as text, bytes as base64 text."""
    shown: Any
    match value:
        case None | bool() | str():
            shown = value
        case int():
            shown = value if -_INTEGER_MAX <= value <= _INTEGER_MAX else str(value)
        case float():
            shown = value if isfinite(value) else str(value)
        case Decimal():
            shown = format(value, "f")
        case datetime() | date() | time():
            shown = value.isoformat()
        case bytes() | bytearray() | memoryview():
            shown = base64.b64encode(bytes(value)).decode("ascii")
        case Mapping():
            shown = {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            shown = [plain(inner) for inner in value]
        case _:
            # Types that only one database knows, such as addresses and ranges, have a text of their own.
            shown = str(value)
    return shown


def _distinct(columns: Sequence[str]) -> Iterator[str]:
    """Two columns of one name keep both their values: the second is `NAME_2`."""
    seen: set[str] = set()
    for column in columns:
        name, number = column, 1
        while name in seen:
            number += 1
            name = f"{column}_{number}"
        seen.add(name)
        yield name
