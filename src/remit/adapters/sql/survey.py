"""What a database has: tables, columns and keys, as the account sees them."""

from typing import Any

from sqlalchemy import Connection, exc, inspect, types

from remit.adapters.sql.database import Database
from remit.registry import FoundColumn, FoundTable, Survey, declarable

#: Schemas in which PostgreSQL keeps what it knows of itself.
_OWN_SCHEMAS = ("pg_", "information_schema")
#: From the narrower class to the wider: a Boolean is an Integer to some drivers.
_TYPES: tuple[tuple[type[types.TypeEngine[Any]], str], ...] = (
    (types.Boolean, "boolean"),
    (types.Integer, "integer"),
    (types.Float, "number"),
    (types.Numeric, "decimal"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Uuid, "text"),
    (types.String, "text"),
)


def survey(database: Database) -> Survey:
    """Read what there is, and try each table: what the account may not read is left out.

    Raises:
        ToolUnavailable: the database cannot be reached or read.
    """
    with database.reading(catalogue=True) as connection:
        found, left_out = _found(connection)
    readable = []
    for table in found:
        # Each on its own: a refusal ends the transaction that it comes in.
        with database.reading(catalogue=True) as connection:
            try:
                columns = ", ".join(table.quoted[column.name] for column in table.columns)
                connection.exec_driver_sql(f"SELECT {columns} FROM {table.quoted['']} WHERE 1 = 0").close()  # noqa: S608 - names that the database itself gave, quoted by its dialect
            except exc.DBAPIError:
                left_out[table.name] = "the account may not read it"
            else:
                readable.append(table)
    return Survey(tuple(readable), left_out)


def _found(connection: Connection) -> tuple[list[FoundTable], dict[str, str]]:
    inspector = inspect(connection)
    schemas: list[str | None] = [None]
    if connection.dialect.name == "postgresql":
        others = set(inspector.get_schema_names()) - {inspector.default_schema_name}
        schemas += sorted(name for name in others if not name.startswith(_OWN_SCHEMAS))
    found: list[FoundTable] = []
    left_out: dict[str, str] = {}
    for schema in schemas:
        for name in sorted({*inspector.get_table_names(schema), *inspector.get_view_names(schema)}):
            full = f"{schema}.{name}" if schema else name
            if not declarable(full) or "." in name:
                left_out[full] = "its name holds other characters than letters, digits and '_'"
                continue
            try:
                table = _table(connection, full, schema, name)
            except exc.SQLAlchemyError:
                left_out[full] = "its columns cannot be read"
                continue
            if table.columns:
                found.append(table)
            else:
                left_out[full] = "it has no column whose name can be declared"
    return found, left_out


def _table(connection: Connection, full: str, schema: str | None, name: str) -> FoundTable:
    inspector, quote = inspect(connection), connection.dialect.identifier_preparer.quote
    columns = [
        FoundColumn(column["name"], _type(column["type"]))
        for column in inspector.get_columns(name, schema)
        if declarable(column["name"]) and "." not in column["name"]
    ]
    names = {column.name for column in columns}
    key = tuple(inspector.get_pk_constraint(name, schema).get("constrained_columns") or ())
    others = [one["constrained_columns"] for one in inspector.get_foreign_keys(name, schema)]
    single = dict.fromkeys(one[0] for one in others if len(one) == 1 and one[0] in names)
    written = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
    quoted = {"": written, **{column: quote(column) for column in names}}
    return FoundTable(full, tuple(columns), key if names.issuperset(key) else (), tuple(single), quoted)


def _type(told: Any) -> str:
    return next((name for kind, name in _TYPES if isinstance(told, kind)), "")
