"""OpenAPI's schemas as JSON Schema 2020-12 has them, each with what it refers to."""

import re
from typing import Any

from remit.adapters.openapi.document import Document

#: What says nothing about arguments, or would change how references are read.
_DROPPED = frozenset(
    {"example", "examples", "discriminator", "xml", "externalDocs", "deprecated", "nullable", "readOnly", "writeOnly",
     "$id", "$anchor", "$dynamicAnchor", "$schema", "$comment", "$defs", "definitions"}
)  # fmt: skip
_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_OF_SCHEMA = frozenset(
    {"items", "not", "additionalProperties", "contains", "propertyNames", "if", "then", "else",
     "unevaluatedItems", "unevaluatedProperties"}
)  # fmt: skip
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas"})
_OTHER_THAN_OBJECT = ("anyOf", "oneOf", "not", "if", "patternProperties")
_LIMITS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_DEPTH_MAX = 60


class Schemas:
    """Translates the schemas of one operation; what they refer to is collected as `$defs`."""

    def __init__(self, document: Document) -> None:
        self._document = document
        #: By the name under which they stand in `$defs`.
        self.definitions: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._waiting: list[tuple[str, str]] = []

    def translated(self, schema: Any, depth: int = 0) -> Any:
        """The schema in JSON Schema 2020-12, with references into `$defs`.

        Raises:
            InvalidResource: a reference leads nowhere or out of the document.
        """
        if not isinstance(schema, dict) or depth > _DEPTH_MAX:
            return schema if isinstance(schema, bool) else {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            told = {"$ref": f"#/$defs/{self._defined(reference)}"}
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            # In 3.0 nothing beside a reference counts.
            return {**self._plain(beside, depth), **told} if self._document.is_3_1 else told
        return self._plain(schema, depth)

    def object_of(self, schema: Any, depth: int = 0) -> dict[str, Any] | None:
        """The schema as one object with properties, parts that all hold put together; None where it is another."""
        found = self._document.resolved(schema) if isinstance(schema, dict) else {}
        if depth > _DEPTH_MAX or found.get("nullable") or any(key in found for key in _OTHER_THAN_OBJECT):
            return None
        parts = [found]
        if isinstance(found.get("allOf"), list):
            below = [self.object_of(part, depth + 1) for part in found["allOf"]]
            if any(part is None for part in below):
                return None
            parts = [part for part in below if part is not None] + [found]
        if found.get("type", "object") != "object" or not any(part.get("properties") for part in parts):
            return None
        properties: dict[str, Any] = {}
        required: list[str] = []
        for part in parts:
            own = part.get("properties") or {}
            if not isinstance(own, dict) or part.get("additionalProperties") not in (None, False):
                return None
            properties.update(own)
            required += [name for name in names_of(part.get("required")) if name not in required]
        return {"properties": properties, "required": required, "description": found.get("description")}

    def _defined(self, reference: str) -> str:
        """The name in `$defs` of what a reference leads to."""
        name = self._names.get(reference)
        if name is None:
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", reference.removeprefix("#/").removeprefix("components/schemas/"))
            while name in self.definitions:
                name += "_"
            self._names[reference] = name
            self.definitions[name] = {}
            self._waiting.append((name, reference))
        return name

    def collected(self) -> dict[str, Any]:
        """What stands in `$defs`, with all that it refers to in turn; a circle of references ends here.

        Raises:
            InvalidResource: a reference leads nowhere or out of the document.
        """
        while self._waiting:
            name, reference = self._waiting.pop()
            self.definitions[name] = self.translated(self._document.at(reference))
        return self.definitions

    def _plain(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _DROPPED or str(key).startswith("x-"):
                continue
            if key in _OF_SCHEMAS and isinstance(value, list):
                told[key] = [self.translated(one, depth + 1) for one in value]
            elif key in _OF_SCHEMA:
                told[key] = self.translated(value, depth + 1)
            elif key in _BY_NAME and isinstance(value, dict):
                told[key] = {str(name): self.translated(one, depth + 1) for name, one in value.items()}
            else:
                told[key] = value
        if isinstance(told.get("properties"), dict) and isinstance(schema["properties"], dict):
            _without_read_only(told, schema["properties"])
        return told if self._document.is_3_1 else _nullable(_limits(told), schema)


def names_of(value: Any) -> list[str]:
    """The names in a list; what is none is left out."""
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def is_read_only(schema: Any) -> bool:
    """Whether a property is the service's to say and never the caller's."""
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _without_read_only(told: dict[str, Any], written: dict[str, Any]) -> None:
    hidden = {str(name) for name, schema in written.items() if is_read_only(schema)}
    if hidden:
        told["properties"] = {name: one for name, one in told["properties"].items() if name not in hidden}
        told["required"] = [name for name in names_of(told.get("required")) if name not in hidden]


def _limits(told: dict[str, Any]) -> dict[str, Any]:
    """3.0 writes an exclusive limit as a flag beside the limit."""
    for flag, limit in _LIMITS:
        exclusive = told.get(flag)
        if isinstance(exclusive, bool):
            del told[flag]
            if exclusive and limit in told:
                told[flag] = told.pop(limit)
    return told


def _nullable(told: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """3.0 writes that a value may be null as a flag."""
    if written.get("nullable") is not True:
        return told
    if isinstance(told.get("type"), str):
        told["type"] = [told["type"], "null"]
        if isinstance(told.get("enum"), list) and None not in told["enum"]:
            told["enum"] = [*told["enum"], None]
        return told
    return {"anyOf": [told, {"type": "null"}]}
