"""`kind: ToolSource`: where tools come from, and what people declared about each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictBool, StrictStr, StringConstraints, Tag, field_validator

from remit.errors import InvalidResource
from remit.quantities import Money
from remit.registry.a2a import A2aDocument, A2aSource, a2a_source
from remit.registry.limits import UNLIMITED, CallLimits, LimitsOfCalls, call_limits
from remit.registry.models import Models, ModelsDocument, models
from remit.registry.openapi import OpenApi, OpenApiDocument, openapi
from remit.registry.reach import (
    Address,
    Credential,
    CredentialDocument,
    Network,
    NetworkDocument,
    credential,
    network,
)
from remit.registry.schemas import (
    AmountDocument,
    Document,
    ModuleName,
    ObjectSchema,
    by_form,
    object_fault,
    schema_fault,
    worded,
)
from remit.registry.soap import SoapDocument, SoapSource, soap_source
from remit.registry.sql import SqlDocument, SqlSource, sql_source
from remit.tools import Confidentiality, Origin, Role, Tier, Tool

#: What a source can be; `BUILT` are those of this release.
TRANSPORTS = ("mcp", "python", "openapi", "sql", "soap", "a2a", "http", "models")
BUILT = ("mcp", "openapi", "python", "soap", "sql", "a2a", "models")
_TOOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,127}")
#: Fields of a definition that a tool has of its own; the rest is carried as it came.
_OWN_FIELDS = frozenset({"name", "description", "inputSchema"})

#: Meanings that policy and data flow know; others are carried, but no rule of Remit's own speaks of them.
ROLE_NAMES = ("amount", "currency", "payee", "account", "recipient", "url", "id")
_TRUSTED = frozenset({Origin.PERSON, Origin.DIRECTORY, Origin.ALLOW_LIST})

SourceName = Annotated[
    str,
    worded(
        r"[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*",
        "letters, digits, '-' and single '_' between them (two stand before the tool's own name)",
    ),
    StringConstraints(max_length=63),
]
VariableName = Annotated[str, worded(r"[A-Za-z_]\w{0,199}", "the name of an environment variable, without a value")]
ArgumentPath = Annotated[str, worded(r"\$\.[A-Za-z_][\w-]*", "an argument of the tool, such as $.amount")]
RoleName = Annotated[str, worded(r"[a-z]\w{0,40}", "a role, such as amount or payee")]
#: The star stands for every item of a list.
ExtractPath = Annotated[
    str, worded(r"(\$\.)?([\w-]+|\*)(\.([\w-]+|\*))*", "a dotted path, such as total or lines.*.amount")
]


class McpDocument(Document):
    """A server that speaks the Model Context Protocol."""

    command: tuple[Annotated[str, StringConstraints(min_length=1)], ...] | None = Field(
        None, description="Program and arguments; Remit starts it and speaks over its standard input and output."
    )
    url: Address | None = Field(None, description="Address of a server over streamable HTTP.")
    network: StrictBool = Field(
        False, description="True: the server of `command` reaches the network from behind its walls, past the door."
    )


class PythonDocument(Document):
    """Functions of a module."""

    module: ModuleName = Field(description="The module that names the functions.")


class RoleDocument(Document):
    """The meaning of one argument, written out."""

    path: ArgumentPath = Field(description="The argument, such as `$.amount`.")
    origins: tuple[Origin, ...] | None = Field(
        None,
        alias="from",
        description="Where a value may come from without a question: directory, person, extracted, allow-list.",
    )
    strict: StrictBool = Field(
        False, description="True: a value from elsewhere is refused; not even a person's answer lets it through."
    )
    allow: tuple[Annotated[StrictStr, StringConstraints(min_length=1)], ...] = Field(
        (),
        description="Values that need no question; for a url, one that ends in `/` allows what begins with it.",
    )

    @field_validator("allow")
    @classmethod
    def _whole_hosts(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        if any(start.endswith("//") for start in allow):
            raise ValueError("expected an address with its host, such as https://api.example.com/")
        return allow

    @field_validator("origins")
    @classmethod
    def _somewhere(cls, origins: tuple[Origin, ...] | None) -> tuple[Origin, ...] | None:
        if origins == ():
            raise ValueError("expected at least one of directory, person, extracted, allow-list")
        return origins


RoleForm = Annotated[
    Annotated[ArgumentPath, Tag("text")] | Annotated[RoleDocument, Tag("fields")], Discriminator(by_form)
]


class ToolDocument(Document):
    """What people declare about one tool."""

    description: StrictStr | None = Field(None, description="Shown in place of the source's own.", min_length=1)
    input: ObjectSchema | None = Field(
        None, description="JSON Schema of the arguments of a `python` tool, in place of the one read from its function."
    )
    tier: Tier = Field(
        Tier.CRITICAL, description="read-only, restricted-write or critical; critical where not written."
    )
    idempotent: StrictBool = Field(False, description="A repeated call with the same key has no further effect.")
    directory: StrictBool = Field(False, description="Its answers are reference data that the company vouches for.")
    extracts: dict[ExtractPath, Literal["number", "date", "id", "enum"]] = Field(
        default_factory=dict,
        description="Typed fields that it reads from untrusted content: path to number, date, id or enum.",
    )
    roles: dict[RoleName, RoleForm] = Field(
        default_factory=dict,
        description="Meaning (amount, currency, payee, account, recipient, url, id, ...) to the argument's path.",
    )
    confidentiality: Confidentiality | None = Field(
        None, description="How widely its answers may be told: public, internal or confidential; as the source says."
    )
    clearance: Confidentiality | None = Field(
        None, description="What may be told to it: public, internal or confidential; as the source says."
    )
    cost: AmountDocument | None = Field(None, description="What one call costs at most; free where not written.")
    poll: StrictBool = Field(False, description="Asking the same again is meant, so it counts as no loop.")
    limits: LimitsOfCalls | None = Field(None, description="How often it may be called, and how many at once.")
    instead: tuple[StrictStr, ...] = Field(
        (),
        description="Full names of tools (`SOURCE__NAME`) that take the same arguments and are called where its source "
        "certainly did nothing or only reads, in order. Each needs its own grant and policy.",
    )


class ToolSourceDocument(Document):
    """`kind: ToolSource` as it stands in a file."""

    name: SourceName = Field(
        description="First part of its tools' names, `NAME__TOOL`: letters, digits, `-`, single `_`."
    )
    description: StrictStr = Field("", description="What it gives access to.")
    mcp: McpDocument | None = Field(None, description="A server that speaks the Model Context Protocol.")
    python: PythonDocument | None = Field(None, description="Functions of a module, run in Remit's process.")
    openapi: OpenApiDocument | None = Field(None, description="A REST service by its OpenAPI description, 3.0 or 3.1.")
    sql: SqlDocument | None = Field(None, description="A database: declared queries and writes, guarded free queries.")
    soap: SoapDocument | None = Field(None, description="A SOAP service, by its WSDL.")
    a2a: A2aDocument | None = Field(None, description="An agent elsewhere, by its A2A 1.0 agent card.")
    http: Any = Field(None, description="Not built in this release: a plain HTTP service.")
    models: ModelsDocument | None = Field(
        None, description="Language models behind an OpenAI-compatible endpoint; each is a tool, `NAME__MODEL`."
    )
    limits: LimitsOfCalls | None = Field(
        None, description="How often the source may be called, how many at once, and how many may wait."
    )
    credential: CredentialDocument | None = Field(
        None, description="A secret that Remit puts into each call behind the door; no agent or model sees it."
    )
    network: NetworkDocument | None = Field(
        None, description="What may be reached besides public addresses; for sources that Remit calls itself."
    )
    env: tuple[VariableName, ...] = Field(
        (), description="Names of environment variables that `mcp.command` receives; no others are passed on."
    )
    timeout_seconds: float = Field(60.0, description="How long one call may take.", gt=0, le=3600)
    confidentiality: Confidentiality = Field(
        Confidentiality.INTERNAL,
        description="How widely its answers may be told: public, internal or confidential. Work that has read more "
        "than a tool is cleared for asks a person before it tells that tool.",
    )
    clearance: Confidentiality | None = Field(
        None,
        description="What may be told to its tools. Where not written: internal for those that write or ask an address "
        "that an argument names, and no limit for others.",
    )
    tools: dict[StrictStr, ToolDocument] = Field(
        default_factory=dict, description="Declarations by the source's own name of the tool."
    )


@dataclass(frozen=True, slots=True)
class Declaration:
    """What people declared about one tool."""

    description: str | None = None
    input_schema: Mapping[str, Any] | None = None
    tier: Tier = Tier.CRITICAL
    idempotent: bool = False
    directory: bool = False
    #: Dotted path to number, date, id or enum, pairs by path.
    extracts: tuple[tuple[str, str], ...] = ()
    roles: tuple[Role, ...] = ()
    cost: Money | None = None
    poll: bool = False
    limits: CallLimits = UNLIMITED
    instead: tuple[str, ...] = ()
    confidentiality: Confidentiality | None = None
    clearance: Confidentiality | None = None


@dataclass(frozen=True, slots=True)
class ToolSource:
    """Where tools come from: one of `command`, `url`, `openapi`, `module`, `sql`, `soap`, `a2a` and `models`."""

    name: str
    description: str
    #: Program and arguments of an MCP server over standard input and output.
    command: tuple[str, ...] | None
    #: Whether that server reaches the network.
    command_networked: bool
    #: A module whose functions are the tools.
    module: str | None
    #: Names of the environment variables that `command` receives.
    env: tuple[str, ...]
    timeout_seconds: float
    #: By the source's own name of the tool.
    tools: Mapping[str, Declaration]
    #: The address of an MCP server over streamable HTTP.
    url: str | None = None
    openapi: OpenApi | None = None
    #: Put into each call; None where there is none.
    credential: Credential | None = None
    #: What may be reached besides public addresses.
    network: Network = field(default_factory=Network)
    #: Language models, each of which is a tool; None for every other source.
    models: Models | None = None
    #: A database.
    sql: SqlSource | None = None
    #: A SOAP service.
    soap: SoapSource | None = None
    limits: CallLimits = UNLIMITED
    #: An agent elsewhere.
    a2a: A2aSource | None = None
    #: How widely its tools' answers may be told, and what may be told to them, where a tool says nothing else.
    confidentiality: Confidentiality = Confidentiality.INTERNAL
    clearance: Confidentiality | None = None

    @property
    def form(self) -> str:
        """What it is, in the word of its file."""
        held = {
            "mcp": self.command or self.url,
            "python": self.module,
            "openapi": self.openapi,
            "sql": self.sql,
            "soap": self.soap,
            "a2a": self.a2a,
            "models": self.models,
        }
        return next(form for form, what in held.items() if what is not None)

    def fallbacks(self, local_name: str) -> tuple[str, ...]:
        """Full names of the tools, or models, that stand in for this one, in order."""
        if self.models is not None:
            model = self.models.models.get(local_name)
            return model.instead if model else ()
        declared = self.tools.get(local_name)
        return declared.instead if declared else ()


def default_origins(role: str) -> frozenset[Origin]:
    """Where a role's value may come from where nothing is declared: amounts and references may also be read."""
    if role in {"amount", "currency", "id"} or role.endswith("_id"):
        return _TRUSTED | {Origin.EXTRACTED}
    return _TRUSTED


#: Names under which a source's requests besides tool calls are governed. They read, whatever stands behind them; a
#: tool of that name could do no more.
REQUESTS = frozenset(
    {"resources/read", "resources/subscribe", "resources/unsubscribe", "prompts/get", "completion/complete"}
)
_UNDECLARED_REQUEST = Declaration(tier=Tier.READ)


def _role(name: str, written: str | RoleDocument) -> Role:
    if isinstance(written, str):
        return Role(name, written.removeprefix("$."), default_origins(name))
    origins = default_origins(name) if written.origins is None else frozenset(written.origins)
    return Role(name, written.path.removeprefix("$."), origins, strict=written.strict, allow=written.allow)


def _declaration(document: ToolDocument) -> Declaration:
    return Declaration(
        description=document.description,
        input_schema=document.input,
        tier=document.tier,
        idempotent=document.idempotent,
        directory=document.directory,
        extracts=tuple(sorted((path.removeprefix("$."), kind) for path, kind in document.extracts.items())),
        roles=tuple(_role(name, document.roles[name]) for name in sorted(document.roles)),
        cost=document.cost.money if document.cost else None,
        poll=document.poll,
        limits=call_limits(document.limits),
        instead=document.instead,
        confidentiality=document.confidentiality,
        clearance=document.clearance,
    )


def tool_source(document: ToolSourceDocument) -> ToolSource:
    """The document as the rest of Remit sees it."""
    return ToolSource(
        name=document.name,
        description=document.description,
        command=document.mcp.command if document.mcp else None,
        command_networked=document.mcp is not None and document.mcp.network,
        module=document.python.module if document.python else None,
        env=document.env,
        timeout_seconds=document.timeout_seconds,
        tools={name: _declaration(tool) for name, tool in document.tools.items()},
        url=document.mcp.url if document.mcp else None,
        openapi=openapi(document.openapi),
        credential=credential(document.credential),
        network=network(document.network),
        models=models(document.models),
        limits=call_limits(document.limits),
        sql=sql_source(document.sql) if document.sql else None,
        soap=soap_source(document.soap) if document.soap else None,
        a2a=a2a_source(document.a2a) if document.a2a else None,
        confidentiality=document.confidentiality,
        clearance=document.clearance,
    )


# --- Tools ----------------------------------------------------------------------------------------------------------


def not_offered(source: ToolSource, definitions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Tools that were declared, but that the source does not offer; own names."""
    return tuple(sorted(source.tools.keys() - {str(definition.get("name")) for definition in definitions}))


def tools_of(source: ToolSource, definitions: Sequence[Mapping[str, Any]]) -> tuple[Tool, ...]:
    """The source's tools by name, as its definitions and people's declarations make them.

    A tool that nobody declared is critical. What a server says about its tools' harmlessness is not heard.

    Raises:
        InvalidResource: a definition has no usable name or schema, a name stands twice, or a declared role speaks of
            an argument that the tool does not have. Every fault is named.
    """
    tools: dict[str, Tool] = {}
    faults: list[str] = []
    for definition in definitions:
        name = definition.get("name")
        if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
            faults.append(f"a tool has the name {str(name)[:40]!r}, which cannot be used")
            continue
        declared = source.tools.get(name, _UNDECLARED_REQUEST if name in REQUESTS else Declaration())
        schema = declared.input_schema or definition.get("inputSchema")
        found = _definition_faults(name, schema, declared)
        faults.extend(found)
        if name in tools:
            faults.append(f"{name!r} stands twice")
        elif not found:
            tools[name] = _tool(source, definition, declared, schema=schema or {})
    if faults:
        raise InvalidResource(f"Tool source {source.name!r}: {'; '.join(faults)}.")
    return tuple(tools[name] for name in sorted(tools))


def _tool(
    source: ToolSource, definition: Mapping[str, Any], declared: Declaration, *, schema: Mapping[str, Any]
) -> Tool:
    return Tool(
        name=f"{source.name}__{definition['name']}",
        source=source.name,
        description=declared.description or str(definition.get("description") or ""),
        input_schema=schema,
        # A turn of a model writes nothing; what it proposes comes back to the door as calls of tools.
        tier=Tier.READ if source.models else declared.tier,
        model=source.models is not None,
        idempotent=declared.idempotent,
        directory=declared.directory,
        extracts=dict(declared.extracts),
        roles=declared.roles,
        cost=declared.cost,
        timeout_seconds=source.timeout_seconds,
        confidentiality=declared.confidentiality or source.confidentiality,
        clearance=declared.clearance or source.clearance,
        extra={key: value for key, value in definition.items() if key not in _OWN_FIELDS and value is not None},
    )


def _definition_faults(name: str, schema: Any, declared: Declaration) -> tuple[str, ...]:
    fault = schema_fault(schema) or object_fault(schema)
    if fault is not None:
        return (f"the schema of {name!r}: {fault}",)
    known = schema.get("properties", {})
    return tuple(
        f"role {role.name!r} of {name!r} speaks of argument {role.argument!r}; "
        f"the tool's arguments are {', '.join(sorted(known)) or 'none'}"
        for role in declared.roles
        if role.argument not in known
    )
