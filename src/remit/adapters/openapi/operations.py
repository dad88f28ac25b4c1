"""The operations of a service as tools: a name, a schema of named arguments, and where each argument goes."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from remit.adapters.openapi.document import Document
from remit.adapters.openapi.schemas import Schemas, is_read_only
from remit.errors import InvalidResource

_log = logging.getLogger(__name__)

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_NAME_MAX = 120
#: Headers that are not arguments: HTTP's own, the credential's, and the key of the call.
_NOT_ARGUMENTS = frozenset(
    {"accept", "content-type", "authorization", "host", "cookie", "content-length", "idempotency-key",
     "transfer-encoding", "connection"}
)  # fmt: skip
_STYLES = {"path": "simple", "header": "simple", "query": "form"}
_FORM, _TEXT = "application/x-www-form-urlencoded", "text/plain"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where one argument goes, and how it is written there."""

    name: str
    place: str
    style: str
    explode: bool
    reserved: bool = False
    #: Written as JSON.
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the service."""

    name: str
    method: str
    path: str
    description: str
    schema: Mapping[str, Any]
    parameters: tuple[Parameter, ...] = ()
    #: The content's type that a body is sent as; empty where there is none.
    body_type: str = ""
    #: Arguments that are properties of the body; None where the argument `body` is the body.
    body_fields: frozenset[str] | None = field(default_factory=frozenset)

    @property
    def writes(self) -> bool:
        """By its method, it may change something."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}


def operations(document: Document, *, hidden: frozenset[str] = frozenset()) -> dict[str, Operation]:
    """Every operation that can be called, by the name of its tool.

    Args:
        document: the description of the service.
        hidden: parameters that the credential fills, by name in small letters.

    Raises:
        InvalidResource: the document cannot be understood.
    """
    found: list[Operation] = []
    for method, path, shared, written in _written(document):
        try:
            parameters = [*shared, *_list(written.get("parameters"))]
            found.append(_operation(document, method, path, parameters, written, hidden))
        except _CannotCall as why:
            _log.warning("%s %s is not offered: %s.", method.upper(), path[:100], why)
    twice = {name for name, count in Counter(operation.name for operation in found).items() if count > 1}
    named: dict[str, Operation] = {}
    for operation in found:
        name = _fallback(operation.method, operation.path) if operation.name in twice else operation.name
        if name in named:
            raise InvalidResource(f"Two operations of the service have the name {name!r}.")
        named[name] = replace(operation, name=name)
    return named


class _CannotCall(Exception):
    pass


def _written(document: Document) -> Iterator[tuple[str, str, list[Any], dict[str, Any]]]:
    paths = document.root.get("paths")
    for path, item in (paths if isinstance(paths, dict) else {}).items():
        if not isinstance(path, str) or not path.startswith("/"):
            continue
        item = document.resolved(item)  # noqa: PLW2901 -- what it refers to
        for method in METHODS:
            if isinstance(item.get(method), dict):
                yield method, path, _list(item.get("parameters")), item[method]


def _operation(
    document: Document, method: str, path: str, written: list[Any], operation: dict[str, Any], hidden: frozenset[str]
) -> Operation:
    schemas = Schemas(document)
    arguments: dict[str, Any] = {}
    required: list[str] = []
    parameters = _parameters(document, written, hidden)
    for parameter, raw in parameters.values():
        arguments[parameter.name] = _described(schemas, raw)
        if parameter.place == "path" or raw.get("required") is True:
            required.append(parameter.name)
    if missing := set(re.findall(r"{([^{}]+)}", path)) - {p.name for p, _ in parameters.values() if p.place == "path"}:
        raise _CannotCall(f"its path needs {', '.join(sorted(missing))}, which nothing describes")
    body_type, body_fields = _body(document, schemas, operation, arguments, required)
    schema: dict[str, Any] = {
        "type": "object",
        # The pin covers the schema, and so what is really called.
        "$comment": f"{method.upper()} {path}",
        "properties": arguments,
        "required": required,
        "additionalProperties": False,
    }
    if definitions := schemas.collected():
        schema["$defs"] = definitions
    told = [str(operation[key]).strip() for key in ("summary", "description") if operation.get(key)]
    return Operation(
        name=_name(operation.get("operationId")) or _fallback(method, path),
        method=method.upper(),
        path=path,
        description="\n\n".join(dict.fromkeys(told)),
        schema=schema,
        parameters=tuple(parameter for parameter, _ in parameters.values()),
        body_type=body_type,
        body_fields=body_fields,
    )


def _parameters(
    document: Document, written: list[Any], hidden: frozenset[str]
) -> dict[str, tuple[Parameter, dict[str, Any]]]:
    """By name; those of the operation go before those of its path."""
    found: dict[tuple[str, str], tuple[Parameter, dict[str, Any]]] = {}
    for one in written:
        raw = document.resolved(one)
        name, place = str(raw.get("name") or ""), str(raw.get("in") or "")
        if name.lower() in hidden or (place == "header" and name.lower() in _NOT_ARGUMENTS):
            continue
        if place not in _STYLES:
            if raw.get("required") is True:
                raise _CannotCall(f"it needs {name!r} as a {place[:20]}, which is not sent")
            continue
        style = str(raw.get("style") or _STYLES[place])
        explode = raw.get("explode", style == "form") is True
        as_json = isinstance(raw.get("content"), dict)
        found[name, place] = Parameter(name, place, style, explode, raw.get("allowReserved") is True, as_json), raw
    if len({name for name, _ in found}) < len(found):
        raise _CannotCall("two of its parameters share a name")
    return {name: value for (name, _), value in found.items()}


def _described(schemas: Schemas, raw: dict[str, Any]) -> Any:
    content = raw.get("content")
    if isinstance(content, dict) and content:
        first = next(iter(content.values()))
        raw = {**(first if isinstance(first, dict) else {}), "description": raw.get("description")}
    schema = schemas.translated(raw.get("schema") or {})
    if isinstance(schema, dict) and raw.get("description") and "description" not in schema:
        schema = {**schema, "description": str(raw["description"])}
    return schema


def _body(
    document: Document, schemas: Schemas, operation: dict[str, Any], arguments: dict[str, Any], required: list[str]
) -> tuple[str, frozenset[str] | None]:
    """Add the body's arguments; its properties stand by themselves where no parameter has such a name."""
    if operation.get("requestBody") is None:
        return "", frozenset()
    body = document.resolved(operation["requestBody"])
    needed = body.get("required") is True
    media_type, schema = _media(body)
    if not media_type:
        if needed:
            raise _CannotCall("its body is of none of the types JSON, form and text")
        return "", frozenset()
    whole = schemas.object_of(schema) if media_type != _TEXT else None
    if whole is None or whole["properties"].keys() & arguments.keys():
        if "body" in arguments:
            raise _CannotCall("one of its parameters is called 'body'")
        arguments["body"] = schemas.translated(schema)
        required += ["body"] if needed else []
        return media_type, None
    fields = {str(name): one for name, one in whole["properties"].items() if not is_read_only(one)}
    arguments.update({name: schemas.translated(one) for name, one in fields.items()})
    required += [name for name in whole["required"] if needed and name in fields]
    return media_type, frozenset(fields)


def _media(body: dict[str, Any]) -> tuple[str, Any]:
    content = body.get("content")
    written = content.items() if isinstance(content, dict) else ()
    offered = {str(name).partition(";")[0].strip().lower(): one for name, one in written if isinstance(one, dict)}
    json_types = [name for name in offered if name == "application/json" or name.endswith("+json")]
    for media_type in (*sorted(json_types), _FORM, _TEXT):
        if media_type in offered:
            return media_type, offered[media_type].get("schema") or {}
    if "*/*" in offered or "application/*" in offered:
        one = offered.get("*/*") or offered["application/*"]
        return "application/json", one.get("schema") or {}
    return "", None


def _name(operation_id: Any) -> str:
    """A name as tools have them; empty where nothing usable is left."""
    text = re.sub(r"[^A-Za-z0-9_./-]+", "_", str(operation_id or "")).lstrip("_./-")
    return text[:_NAME_MAX]


def _fallback(method: str, path: str) -> str:
    return _name(f"{method.lower()}{re.sub('[^A-Za-z0-9.-]+', '_', path)}".rstrip("_"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
