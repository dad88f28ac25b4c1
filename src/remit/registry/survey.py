"""What could be declared of a database that was looked at: tables, and typed queries for each. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remit.errors import InvalidInput

_DECLARABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
#: Columns that hold what opens other doors; whoever means them writes them into the file.
_SECRET = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|token|api_?key|private_?key|salt|otp|cvv|cvc)(_|s?$)|password|passwd",
    re.IGNORECASE,
)
#: A longer table to accept is not read by anybody.
TABLES_MAX = 40
_NAME_MAX = 63


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column of a table."""

    name: str
    #: Of a parameter that is compared with it; empty where none fits.
    type: str = ""


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view that the account may read."""

    #: `name`, or `schema.name` outside the schema that bare names stand for.
    name: str
    columns: tuple[FoundColumn, ...]
    primary_key: tuple[str, ...] = ()
    #: Columns that name a row of another table each.
    foreign_keys: tuple[str, ...] = ()
    #: Name and columns as the database's own SQL writes them.
    quoted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """What an account sees in a database."""

    tables: tuple[FoundTable, ...]
    #: Tables that were seen and cannot be read or declared, with why.
    left_out: Mapping[str, str] = field(default_factory=dict)


def declarable(name: str) -> bool:
    """True where a file can name this table or column."""
    return len(parts := name.split(".")) <= 2 and all(map(_DECLARABLE.fullmatch, parts))


def declared_of(survey: Survey, wanted: Mapping[str, Sequence[str]]) -> tuple[dict[str, Any], list[str]]:
    """`tables` and `queries` of a `sql:` that could be declared, and what was left out of them.

    Args:
        survey: what the database has.
        wanted: the tables that are meant, with the columns that are; no table stands for all, no column for all.

    Raises:
        InvalidInput: a table or column is not there, there is nothing to declare, or too much.
    """
    chosen, notes = _chosen(survey, wanted)
    queries: dict[str, Any] = {}
    for table, columns in chosen:
        for name, query in _queries(table, columns):
            queries[_free(name, queries)] = query
    return {"tables": {table.name: columns for table, columns in chosen}, "queries": queries}, notes


def _chosen(
    survey: Survey, wanted: Mapping[str, Sequence[str]]
) -> tuple[list[tuple[FoundTable, list[str]]], list[str]]:
    known = {table.name: table for table in survey.tables}
    for name in wanted:
        if name not in known:
            because = survey.left_out.get(name)
            told = f"it was left out: {because}" if because else f"there are {_listed(known)}"
            raise InvalidInput(f"No table {name!r} can be read; {told}.", hint="Name one of them with --table.")
    names = list(wanted) or sorted(known)
    if not names:
        raise InvalidInput(
            "The account sees no table that it may read.",
            hint="Grant it SELECT on those that agents are to see, or name another database.",
        )
    if len(names) > TABLES_MAX:
        raise InvalidInput(
            f"The database has {len(names)} tables; at most {TABLES_MAX} are proposed at once.",
            hint=f"Name those that are meant with --table; there are {_listed(known)}.",
        )
    notes = [] if wanted else [f"{name} is left out: {why}" for name, why in sorted(survey.left_out.items())]
    chosen = []
    for name in names:
        columns, out = _columns(known[name], wanted.get(name, ()))
        notes += out
        if columns:
            chosen.append((known[name], columns))
    if not chosen:
        raise InvalidInput("No column is left that could be declared.", hint="Name columns: --table TABLE=COLUMN,...")
    return chosen, notes


def _columns(table: FoundTable, wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    there = [column.name for column in table.columns]
    if missing := [column for column in wanted if column not in there]:
        raise InvalidInput(f"The table {table.name} has no column {missing[0]!r}; it has {_listed(there)}.")
    if wanted:
        return [*wanted], []
    secret = [name for name in there if _SECRET.search(name)]
    left = [name for name in there if name not in secret]
    told = f"{table.name}: {', '.join(secret)} left out, as the name tells of a secret"
    return left, [told] if secret else []


def _queries(table: FoundTable, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    quoted, types = table.quoted, {column.name: column.type for column in table.columns}
    slug = re.sub(r"[^a-z0-9_]", "_", table.name.lower())
    selected = f"SELECT {', '.join(quoted.get(name, name) for name in columns)} FROM {quoted.get('', table.name)}"  # noqa: S608 - names that the database itself gave, quoted by its dialect
    key = table.primary_key
    order = f" ORDER BY {', '.join(quoted.get(name, name) for name in key)}" if key else ""

    def by(names: Sequence[str]) -> tuple[str, dict[str, Any]]:
        where = " AND ".join(f"{quoted.get(name, name)} = :{name}" for name in names)
        return f"{selected} WHERE {where}", {name: {"type": types[name]} for name in names}

    if key and all(types.get(name) for name in key):
        sql, parameters = by(key)
        told = f"The row of {table.name} with this {' and '.join(key)}."
        yield f"get_{slug}", {"description": told, "sql": sql, "parameters": parameters}
    for name in table.foreign_keys:
        if types.get(name) and (name,) != key:
            sql, parameters = by([name])
            told = f"The rows of {table.name} with this {name}."
            yield f"list_{slug}_by_{name.lower()}", {"description": told, "sql": sql + order, "parameters": parameters}
    yield f"list_{slug}", {"description": f"The rows of {table.name}.", "sql": selected + order}


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, cut to what a query's may have, and with a number where two tables come to the same."""
    held, found, number = set(taken), name[:_NAME_MAX], 1
    while found in held:
        number += 1
        found = f"{name[: _NAME_MAX - 4]}_{number}"
    return found


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)
    return (", ".join(shown[:30]) + (f" and {len(shown) - 30} more" if len(shown) > 30 else "")) or "none"
