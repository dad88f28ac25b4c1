"""Reads a free query, and writes it out anew from what may be in it.

The text that an agent sent never reaches the database. It is parsed; every node must be one that is allowed; every
table and column is resolved, through aliases, derived tables and common table expressions, to declared ones; text
values become bound parameters; the statement is written out from the tree, and what was written is checked once more.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, OptimizeError, SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from remit.adapters.sql import vocabulary
from remit.adapters.sql.refused import Refused

# The parser's warnings quote the query, and with it what may be personal.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_TEXT_MAX = 10_000
_NODES_MAX = 800
_OFFSET_MAX = 1_000_000
#: CHAR(n) fills a value up with spaces.
_WIDTH_MAX = 1000
#: Where a table without a schema stands.
_HOME_SCHEMA = {"postgres": "public"}
_IDENTIFIER = re.compile(r"\w[\w ]{0,62}")
_NUMBER = re.compile(r"\d{1,30}(\.\d{0,20})?([eE][+-]?\d{1,3})?|\.\d{1,20}")
_SPAN = re.compile(r"-?\d{1,6}( ?[A-Za-z]{1,12})?")
_FORMAT = re.compile(r"(?!.*(?<!\w):)[A-Za-z0-9%:/_., -]{1,40}")
_KEYWORD = re.compile(r"[A-Za-z_ ]{0,40}")
_CATALOGUE = re.compile(r"(pg_|sqlite_|information_schema|mysql|performance_schema|sys$)", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: Nodes whose text is their content; any other text in the tree must be a keyword.
_TEXTUAL = (exp.Identifier, exp.Literal, exp.Var, exp.Anonymous, exp.Placeholder)

#: Schema ("" for none) and name of a table.
TableKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """A query that may be made."""

    sql: str
    #: What `:p0`, `:p1` ... stand for.
    binds: Mapping[str, str]


class Guard:
    """Checks the free queries of one source."""

    def __init__(self, dialect: str, tables: Mapping[str, Iterable[str]]) -> None:
        """Take the declared columns of each declared table, `name` or `schema.name`."""
        self._dialect = dialect
        self._home = _HOME_SCHEMA.get(dialect, "")
        self._tables = {self._key(name): frozenset(map(self._fold, columns)) for name, columns in tables.items()}
        self._schema = MappingSchema(self._described(), dialect=dialect, normalize=False)

    @property
    def tables(self) -> Mapping[TableKey, frozenset[str]]:
        """Declared columns by declared table, as the database spells them."""
        return self._tables

    def checked(self, text: str, *, rows: int) -> Checked:
        """The query as it may be made, for at most `rows` rows.

        Raises:
            Refused: it may not be made; the message says what it may be made of.
        """
        try:
            return self._checked(text, rows)
        except Refused:
            raise
        except RecursionError:
            raise Refused("too_large", "the query is nested too deeply") from None
        except OptimizeError as error:
            raise Refused("unknown_name", f"{_first(error)}; {self._offer()}") from None
        except SqlglotError as error:
            raise Refused("unreadable", f"this is no query in {self._dialect}: {_first(error)}") from None
        except Exception as error:  # noqa: BLE001 - a parser on hostile text: whatever it trips over is no query
            raise Refused("unreadable", f"the query cannot be read ({type(error).__name__})") from None

    def _checked(self, text: str, rows: int) -> Checked:
        tree = _named(normalize_identifiers(self._parsed(text), dialect=self._dialect))
        self._check_shape(tree)
        self._check_tables(tree)
        tree = qualify(tree, dialect=self._dialect, schema=self._schema, db=self._home or None)
        self._check_shape(tree)
        self._check_tables(tree)
        self._check_columns(tree)
        _limit(tree, rows)
        tree, binds = _bound(tree)
        written = tree.sql(dialect=self._dialect, comments=False, unsupported_level=ErrorLevel.RAISE)
        self._check_written(written, binds)
        return Checked(written, binds)

    def _parsed(self, text: str) -> exp.Query:
        if len(text) > _TEXT_MAX:
            raise Refused("too_large", f"a query has at most {_TEXT_MAX} characters")
        if _UNPRINTABLE.search(text):
            raise Refused("unreadable", "the query holds unprintable characters")
        if any(token.comments for token in sqlglot.tokenize(text, read=self._dialect)):
            raise Refused("comment", "a query holds no comments")
        statements = [one for one in sqlglot.parse(text, read=self._dialect) if one is not None]
        if len(statements) != 1:
            raise Refused("one_statement", f"one SELECT is taken, not {len(statements)} statements")
        tree = statements[0]
        if not isinstance(tree, (exp.Select, exp.SetOperation)):
            raise Refused("only_select", f"one SELECT is taken, not {_spelled(tree)}")
        return tree

    def _check_written(self, written: str, binds: Mapping[str, str]) -> None:
        """What goes to the database, read again: the writer may not bring in what the reader kept out."""
        statements = sqlglot.parse(written, read=self._dialect)
        tree = statements[0]
        if len(statements) != 1 or not isinstance(tree, (exp.Select, exp.SetOperation)):
            raise Refused("unreadable", "the query cannot be written out as one SELECT")
        self._check_shape(tree, binds)
        self._check_tables(tree)
        self._check_columns(tree)

    # --- Shape

    def _check_shape(self, tree: exp.Query, binds: Mapping[str, str] = {}) -> None:
        joining = 0
        for number, node in enumerate(tree.walk(), start=1):
            joining += max(1, len(node.expressions) - 1) if isinstance(node, vocabulary.JOINING) else 0
            if number > _NODES_MAX:
                raise Refused("too_large", f"the query has more than {_NODES_MAX} parts")
            self._check_node(node, binds)
        if joining > vocabulary.JOINING_MAX:
            raise Refused("too_large", f"texts are joined more than {vocabulary.JOINING_MAX} times")

    def _check_node(self, node: exp.Expr, binds: Mapping[str, str]) -> None:
        kind = type(node)
        if kind in vocabulary.CLAUSES:
            allowed = vocabulary.CLAUSES[kind]
            for part, value in node.args.items():
                if value not in (None, False, []) and part not in allowed:
                    raise Refused("not_allowed", f"{part.rstrip('_').upper()} may not stand in {_spelled(node)}")
        elif kind is exp.Anonymous:
            self._check_function(node)
        elif kind is exp.Placeholder:
            if node.name not in binds:
                raise Refused("parameter", "a free query has no parameters: write the values into it")
        elif kind not in vocabulary.PARTS and kind not in vocabulary.FUNCTIONS:
            what = f"the function {node.sql_name()}" if isinstance(node, exp.Func) else _spelled(node)
            raise Refused("not_allowed", f"{what} may not stand in a free query")
        _check_text(node)
        _check_place(node)

    def _check_function(self, node: exp.Expr) -> None:
        name = node.args.get("this")
        if not isinstance(name, str) or name.upper() not in vocabulary.NAMED[self._dialect]:
            raise Refused("not_allowed", f"the function {str(name)[:40]} may not stand in a free query")

    # --- Names

    def _check_tables(self, tree: exp.Query) -> None:
        """Every table is declared or one of the query's own, and none of its own is named like another's."""
        for name in {cte.alias for cte in tree.find_all(exp.CTE)}:
            if (self._home, name) in self._tables or _CATALOGUE.match(name):
                raise Refused("shadowed", f"WITH may not name a table {name!r}: choose another name")
        for table in tree.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier):
                raise Refused("not_allowed", "FROM takes tables, not functions")
            if not table.db and _own_table(table) is not None:
                continue
            key = (table.db or self._home, table.name)
            if key not in self._tables:
                shown = f"{table.db}.{table.name}" if table.db else table.name
                raise Refused("unknown_name", f"the table {shown[:130]!r} is not declared; {self._offer()}")

    def _check_columns(self, tree: exp.Query) -> None:
        """Every column is a declared column of a declared table, or one that the query made itself."""
        for column in tree.find_all(exp.Column):
            name = column.name
            offered = self._columns_of(column) if column.table else _sorted_names(column)
            if offered is None or name not in offered:
                raise Refused("unknown_name", f"the column {name[:63]!r} is not declared; {self._offer()}")

    def _columns_of(self, column: exp.Column) -> frozenset[str] | None:
        """What the table of a column offers: the nearest of that name, from the inside out."""
        place: exp.Expr | None = column
        while (place := place.parent if place is not None else None) is not None:
            if not isinstance(place, exp.Select):
                continue
            for source in _sources(place):
                if source.alias_or_name == column.table:
                    return self._offered_by(source)
        return None

    def _offered_by(self, source: exp.Expr) -> frozenset[str] | None:
        if isinstance(source, exp.Table):
            own = None if source.db else _own_table(source)
            return self._tables.get((source.db or self._home, source.name)) if own is None else _made_by(own)
        return _made_by(source)

    def _offer(self) -> str:
        shown = [
            f"{name if schema == self._home else f'{schema}.{name}'} ({', '.join(sorted(columns))})"
            for (schema, name), columns in sorted(self._tables.items())
        ]
        return f"declared are {', '.join(shown)}"[:1000]

    # --- Declarations

    def _key(self, name: str) -> TableKey:
        schema, _, table = name.rpartition(".")
        return (self._fold(schema) or self._home, self._fold(table))

    def _fold(self, name: str) -> str:
        """The name as the parser spells an identifier that means it: SQLite knows no case."""
        return name.lower() if self._dialect == "sqlite" else name

    def _described(self) -> dict[str, object]:
        described: dict[str, object] = {}
        for (schema, name), columns in self._tables.items():
            typed = dict.fromkeys(sorted(columns), "text")
            if schema:
                inner = described.setdefault(schema, {})
                assert isinstance(inner, dict)
                inner[name] = typed
            else:
                described[name] = typed
        return described


def _check_text(node: exp.Expr) -> None:
    """No text of the agent's goes into the statement but names, numbers and units of time."""
    for part, value in node.args.items():
        if isinstance(value, str) and not isinstance(node, _TEXTUAL) and not _KEYWORD.fullmatch(value):
            raise Refused("not_allowed", f"{part} of {_spelled(node)} is not understood")
    if isinstance(node, exp.Identifier) and not _IDENTIFIER.fullmatch(node.name):
        raise Refused("not_allowed", "a name is made of letters, digits, '_' and spaces, at most 63")
    if isinstance(node, exp.Var) and node.name.upper() not in vocabulary.WORDS | {f"{w}S" for w in vocabulary.WORDS}:
        raise Refused("not_allowed", f"the word {node.name[:40]!r} may not stand in a free query")
    if isinstance(node, exp.Literal):
        if not node.is_string:
            wanted = _NUMBER
        elif isinstance(node.parent, exp.Interval):
            wanted = _SPAN
        elif isinstance(node.parent, exp.TimeToStr):
            wanted = _FORMAT
        else:
            return
        if not wanted.fullmatch(node.name):
            raise Refused("not_allowed", "a number, an interval or a format has an unusual form")


def _check_place(node: exp.Expr) -> None:
    """What is allowed only in some places."""
    if isinstance(node, exp.DataType) and node.this not in vocabulary.TYPES:
        raise Refused("not_allowed", "a value is cast to a number, a text, a date or a time only")
    if isinstance(node, exp.DataTypeParam) and not (node.this.name.isdigit() and int(node.this.name) <= _WIDTH_MAX):
        raise Refused("too_large", f"a type is at most {_WIDTH_MAX} wide")
    if isinstance(node, exp.Column) and not isinstance(node.this, exp.Identifier):
        whole = isinstance(node.this, exp.Star) and isinstance(node.parent, exp.Select)
        if not whole:
            raise Refused("not_allowed", "whole rows may not stand in an expression")
    if isinstance(node, exp.Interval) and not isinstance(node.this, exp.Literal):
        raise Refused("not_allowed", "an interval is written out, such as INTERVAL '1 day'")
    if isinstance(node, (exp.Limit, exp.Offset)):
        number = node.expression
        if not isinstance(number, exp.Literal) or number.is_string or not number.name.isdigit():
            raise Refused("not_allowed", "LIMIT and OFFSET take a whole number")
        if isinstance(node, exp.Offset) and int(number.name) > _OFFSET_MAX:
            raise Refused("too_large", f"OFFSET is at most {_OFFSET_MAX}")


def _own_table(table: exp.Table) -> exp.Expr | None:
    """The common table expression that a bare name stands for; None where the database would look for a table.

    One is seen by the query that holds it and by those that stand after it in the same WITH, and by nothing else.
    """
    place: exp.Expr = table
    while (parent := place.parent) is not None:
        if isinstance(parent, exp.With):
            seen = parent.expressions[: parent.expressions.index(place)]
        else:
            held = parent.args.get("with_")
            seen = held.expressions if held is not None and held is not place else []
        for cte in seen:
            if cte.alias == table.name:
                found: exp.Expr = cte
                return found
        place = parent
    return None


def _made_by(derived: exp.Expr) -> frozenset[str]:
    """The columns of a derived table."""
    alias = derived.args.get("alias")
    named = [column.name for column in alias.columns] if alias is not None else []
    return frozenset(named or derived.this.named_selects)


def _sources(select: exp.Select) -> list[exp.Expr]:
    held = select.args.get("from_")
    found = [held.this] if held is not None else []
    return [*found, *(join.this for join in select.args.get("joins") or ())]


def _sorted_names(column: exp.Column) -> frozenset[str] | None:
    """The query's own output names, where a bare name may mean only one of those: as a whole term of its ORDER BY."""
    term = column.parent
    order = term.parent if isinstance(term, exp.Ordered) else None
    query = order.parent if isinstance(order, exp.Order) else None
    if not isinstance(query, (exp.Select, exp.SetOperation)) or query.args.get("order") is not order:
        return None
    return frozenset(query.named_selects)


def _named(tree: exp.Query) -> exp.Query:
    """Give written-out values a name: the resolver would name them after themselves."""
    for select in tree.find_all(exp.Select):
        for place, value in enumerate(select.expressions):
            if isinstance(value, exp.Literal):
                value.replace(exp.alias_(value.copy(), f"value_{place + 1}"))
    return tree


def _limit(tree: exp.Query, rows: int) -> None:
    """Ask for no more rows than will be given, and one to know that there are more."""
    held = tree.args.get("limit")
    most = rows + 1 if held is None else min(rows + 1, int(held.expression.name))
    tree.set("limit", exp.Limit(expression=exp.Literal.number(most)))


def _bound(tree: exp.Query) -> tuple[exp.Query, dict[str, str]]:
    """The tree with its text values taken out; equal ones share a name, so that GROUP BY sees what SELECT has."""
    names: dict[str, str] = {}
    for literal in list(tree.find_all(exp.Literal)):
        if literal.is_string and not isinstance(literal.parent, (exp.Interval, exp.TimeToStr)):
            name = names.setdefault(literal.name, f"p{len(names)}")
            literal.replace(exp.Var(this=f":{name}"))
    return tree, {name: value for value, name in names.items()}


def _spelled(node: exp.Expr) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def _first(error: Exception) -> str:
    """The parser's words without the underlined excerpt."""
    told = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()
    return (told[0] if told else "unreadable").split(". Line")[0][:200].rstrip(".")
