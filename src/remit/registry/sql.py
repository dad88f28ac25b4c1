"""`sql:` of a tool source: a database, what may be read of it, and what may be written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, StrictStr, StringConstraints, model_validator

from remit.registry.schemas import Document, worded

#: Tools that a source with declared tables has besides its queries and statements.
FREE_QUERY, LIST_TABLES, DESCRIBE = "query", "list_tables", "describe"
DISCOVERY = (FREE_QUERY, LIST_TABLES, DESCRIBE)
#: Dialect by the scheme of the database's address.
DIALECTS: Mapping[str, str] = {"sqlite": "sqlite", "postgresql": "postgres", "mysql": "mysql"}

Dialect = Literal["sqlite", "postgres", "mysql"]
FieldType = Literal["text", "integer", "number", "decimal", "boolean", "date", "datetime"]

_ADDRESS = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)\Z")
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
TableName = Annotated[str, worded(rf"{_NAME}(\.{_NAME})?", "a table's name, such as orders or sales.orders")]
ColumnName = Annotated[str, worded(_NAME, "a column's name, such as vendor_id")]
FieldName = Annotated[str, worded(_NAME, "a field's name, such as vendor_id")]
StatementName = Annotated[str, worded(r"[a-z][a-z0-9_]{0,62}", "small letters, digits and '_', such as open_orders")]
StatementText = Annotated[StrictStr, StringConstraints(min_length=1, max_length=20_000)]


def _address(text: str) -> str:
    """The address itself is shown to people and kept on record, so no password stands in it."""
    match = _ADDRESS.fullmatch(text)
    if match is None or match["scheme"] not in DIALECTS:
        expected = "sqlite:///PATH, postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE, without options"
        raise ValueError(f"this is no address of a database: expected {expected}")
    if ":" in match["authority"].rpartition("@")[0]:
        raise ValueError("a password may not stand in the address: leave it out and name it with `credential: {ref}`")
    return text


class SqlFieldDocument(Document):
    """One value that a query or statement takes."""

    type: FieldType = Field(description="`text`, `integer`, `number`, `decimal` (text), `boolean`, `date`, `datetime`.")
    description: StrictStr = Field("", description="What it means, for people and for models that choose.")
    optional: StrictBool = Field(False, description="True: may be left out, and is NULL then.")
    enum: tuple[StrictStr | StrictInt, ...] | None = Field(None, description="The only values that it may have.")
    max_length: StrictInt = Field(1000, description="Characters of a text at most.", ge=1, le=100_000)
    minimum: StrictInt | None = Field(None, description="The least integer or number.")
    maximum: StrictInt | None = Field(None, description="The greatest integer or number.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type not in {"integer", "number"} and (self.minimum, self.maximum) != (None, None):
            raise ValueError("`minimum` and `maximum` are for integers and numbers")
        if self.enum is not None:
            wanted = {"text": str, "integer": int}.get(self.type)
            if wanted is None or not self.enum or any(type(value) is not wanted for value in self.enum):
                raise ValueError("`enum` lists texts of a text field or integers of an integer field")
        return self


class SqlQueryDocument(Document):
    """A named query with typed parameters."""

    sql: StatementText = Field(description="One SELECT; `:name` stands for the parameter of that name.")
    description: StrictStr = Field("", description="What it answers, for people and for models that choose.")
    parameters: dict[FieldName, SqlFieldDocument] = Field(default_factory=dict, description="What it takes, by name.")


class SqlStatementDocument(Document):
    """A named write with typed fields."""

    sql: StatementText = Field(description="One INSERT, UPDATE or DELETE; `:name` stands for the field of that name.")
    description: StrictStr = Field("", description="What it does, for people and for models that choose.")
    fields: dict[FieldName, SqlFieldDocument] = Field(default_factory=dict, description="What it takes, by name.")
    max_rows: StrictInt = Field(
        1, description="Rows that one call may touch; a call that touches more is taken back.", ge=1, le=1_000_000
    )


class SqlLimitsDocument(Document):
    """What one answer may cost."""

    rows: StrictInt = Field(500, description="Rows of an answer at most; more are cut off, and the answer says so.",
                            ge=1, le=100_000)  # fmt: skip
    bytes: StrictInt = Field(1_000_000, description="Bytes of an answer at most, as JSON.", ge=1000, le=7_000_000)
    seconds: float = Field(10.0, description="How long the database may work on one call.", gt=0, le=600)


class SqlDocument(Document):
    """A database."""

    url: Annotated[str, AfterValidator(_address)] | None = Field(
        None,
        description="Address without a password: `sqlite:///PATH`, `postgresql://USER@HOST/DATABASE`, `mysql://...`; "
        "a file's path goes from the home. Left out, the credential is the whole address.",
    )
    dialect: Dialect | None = Field(None, description="`sqlite`, `postgres` or `mysql`, where there is no `url`.")
    tables: dict[TableName, Annotated[tuple[ColumnName, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Tables and their columns that the tools `query`, `list_tables` and `describe` may show.",
    )
    queries: dict[StatementName, SqlQueryDocument] = Field(default_factory=dict, description="Named queries.")
    statements: dict[StatementName, SqlStatementDocument] = Field(default_factory=dict, description="Named writes.")
    read_role: ColumnName | None = Field(None, description="PostgreSQL: the role that reads are made as.")
    write_role: ColumnName | None = Field(None, description="PostgreSQL: the role that statements are made as.")
    keys_table: TableName | None = Field(
        None, description="A table of the database that keeps the keys of calls made: with it no statement acts twice."
    )
    limits: SqlLimitsDocument = Field(
        default_factory=lambda: SqlLimitsDocument.model_validate({}), description="What one answer may cost."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.url is None) == (self.dialect is None):
            raise ValueError("expected `url`, or `dialect` where the credential is the whole address")
        if (self.read_role or self.write_role) and self.spoken != "postgres":
            raise ValueError("`read_role` and `write_role` are for PostgreSQL")
        if not (self.tables or self.queries or self.statements):
            raise ValueError("expected `tables`, `queries` or `statements`: there would be no tool")
        return self

    @property
    def spoken(self) -> Dialect:
        """The dialect, by the address where there is one."""
        if self.url is None:
            assert self.dialect is not None
            return self.dialect
        dialect: Any = DIALECTS[self.url.partition(":")[0]]
        found: Dialect = dialect
        return found


@dataclass(frozen=True, slots=True)
class SqlField:
    """One typed value of a query or statement."""

    type: FieldType
    description: str = ""
    optional: bool = False
    enum: tuple[str | int, ...] | None = None
    max_length: int = 1000
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class SqlCommand:
    """A declared query or statement."""

    sql: str
    description: str = ""
    fields: Mapping[str, SqlField] = field(default_factory=dict)
    #: Rows that a statement may touch; a query touches none.
    max_rows: int = 0


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What one answer may cost."""

    rows: int = 500
    bytes: int = 1_000_000
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A database as its declaration describes it; no secret stands in it."""

    dialect: Dialect
    #: Without a password; None where the credential is the whole address.
    url: str | None = None
    #: Declared columns by declared table, `name` or `schema.name`.
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queries: Mapping[str, SqlCommand] = field(default_factory=dict)
    statements: Mapping[str, SqlCommand] = field(default_factory=dict)
    read_role: str | None = None
    write_role: str | None = None
    keys_table: str | None = None
    limits: SqlLimits = SqlLimits()


def sql_source(document: SqlDocument) -> SqlSource:
    """The document as the rest of Remit sees it."""
    limits = document.limits
    return SqlSource(
        dialect=document.spoken,
        url=document.url,
        tables=dict(document.tables),
        queries={
            name: SqlCommand(query.sql, query.description, _fields(query.parameters))
            for name, query in document.queries.items()
        },
        statements={
            name: SqlCommand(statement.sql, statement.description, _fields(statement.fields), statement.max_rows)
            for name, statement in document.statements.items()
        },
        read_role=document.read_role,
        write_role=document.write_role,
        keys_table=document.keys_table,
        limits=SqlLimits(limits.rows, limits.bytes, limits.seconds),
    )


def _fields(documents: Mapping[str, SqlFieldDocument]) -> dict[str, SqlField]:
    return {name: SqlField(**document.model_dump()) for name, document in documents.items()}
