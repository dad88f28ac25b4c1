"""The tools of one source, as they are shown."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from remit.adapters.sql.values import schema_of
from remit.registry import SqlSource
from remit.registry.sql import DESCRIBE, FREE_QUERY, LIST_TABLES

_NONE: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
_SPOKEN = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL"}


def definitions_of(source: SqlSource) -> list[Mapping[str, Any]]:
    """Discovery and the free query where tables are declared, then queries and statements by name."""
    shown = [*_discovery(source)] if source.tables else []
    for name, query in source.queries.items():
        shown.append(_definition(name, query.description, schema_of(query.fields), query.sql))
    for name, statement in source.statements.items():
        told = f"{statement.description} It changes at most {statement.max_rows} rows.".strip()
        shown.append(_definition(name, told, schema_of(statement.fields), statement.sql))
    return shown


def _discovery(source: SqlSource) -> list[Mapping[str, Any]]:
    limits = source.limits
    return [
        _definition(LIST_TABLES, "The tables that may be read, with their columns.", _NONE),
        _definition(
            DESCRIBE,
            "The columns of one table that may be read, with their types.",
            _only("table", {"type": "string", "enum": sorted(source.tables)}),
        ),
        _definition(
            FREE_QUERY,
            f"One SELECT in {_SPOKEN[source.dialect]}'s dialect over {', '.join(sorted(source.tables))}; other tables, "
            f"columns and functions are refused. At most {limits.rows} rows; `truncated` says that there are more.",
            _only("sql", {"type": "string", "minLength": 1, "maxLength": 10_000}),
            repr(sorted(source.tables.items())),
        ),
    ]


def _only(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _definition(name: str, description: str, schema: dict[str, Any], behind: str = "") -> Mapping[str, Any]:
    """A tool; what stands behind it is part of its pin, and is shown to nobody: leave that was given for one
    statement is void once it is another.
    """
    shown: dict[str, Any] = {"name": name, "description": description, "inputSchema": schema}
    return shown | ({"_meta": {"remit/behind": sha256(behind.encode()).hexdigest()}} if behind else {})
