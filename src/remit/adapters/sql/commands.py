"""Declared queries and statements: checked once, before any is offered."""

import sqlglot
from sqlalchemy import text
from sqlglot import exp
from sqlglot.errors import SqlglotError

from remit.errors import InvalidResource
from remit.registry import SqlCommand, SqlSource
from remit.registry.sql import DISCOVERY

_WRITES = (exp.Insert, exp.Update, exp.Delete)


def check_commands(name: str, source: SqlSource) -> None:
    """Look at every declared query and statement of the source `name`.

    Raises:
        InvalidResource: one is no single read or write, or its places and its fields differ; every fault is named.
    """
    faults: list[str] = []
    for group, commands, wanted in (("queries", source.queries, True), ("statements", source.statements, False)):
        for command, declared in commands.items():
            if command in DISCOVERY:
                faults.append(f"{group}.{command}: the name is taken by a tool of every source with tables")
            fault = _fault(declared, source.dialect, reads=wanted)
            if fault is not None:
                faults.append(f"{group}.{command}: {fault}")
    faults += [f"{twice}: stands under queries and statements" for twice in source.queries.keys() & source.statements]
    if faults:
        raise InvalidResource(f"Tool source {name!r}: {'; '.join(faults)}.")


def _fault(command: SqlCommand, dialect: str, *, reads: bool) -> str | None:
    try:
        trees = [tree for tree in sqlglot.parse(command.sql, read=dialect) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        return f"the SQL cannot be read ({str(error).splitlines()[0][:120]})"
    if len(trees) != 1:
        return f"one statement is taken, not {len(trees)}"
    fault = _read_fault(trees[0]) if reads else _write_fault(trees[0])
    return fault or _places_fault(command)


def _read_fault(tree: exp.Expr) -> str | None:
    if not isinstance(tree, exp.Query) or any(tree.find_all(*_WRITES, exp.Merge, exp.Into, exp.Lock, exp.Command)):
        return "a query is one SELECT that changes and locks nothing; writes are declared under `statements`"
    return None


def _write_fault(tree: exp.Expr) -> str | None:
    if not isinstance(tree, _WRITES):
        return "a statement is one INSERT, UPDATE or DELETE; reads are declared under `queries`"
    inner = [node for node in tree.find_all(*_WRITES, exp.Merge, exp.Command) if node is not tree]
    if inner:
        return "a write within the write would not count towards `max_rows`"
    if isinstance(tree, (exp.Update, exp.Delete)) and tree.args.get("where") is None:
        return "UPDATE and DELETE need a WHERE"
    return None


def _places_fault(command: SqlCommand) -> str | None:
    places = set(text(command.sql)._bindparams)  # noqa: SLF001 - the very names that will be bound
    if missing := sorted(places - command.fields.keys()):
        return f"`:{missing[0]}` is declared nowhere (write `\\:` for a colon in a text)"
    if unused := sorted(command.fields.keys() - places):
        return f"{unused[0]!r} is declared, but `:{unused[0]}` stands nowhere"
    return None
