"""What an operation takes, as JSON Schema."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lxml import etree
from zeep.xsd import ComplexType
from zeep.xsd.elements import Any as AnyElement
from zeep.xsd.elements import AnyAttribute, Attribute, Choice, Element
from zeep.xsd.elements.indicators import Indicator
from zeep.xsd.types import ListType, UnionType
from zeep.xsd.types.any import AnyType

_XSD = "http://www.w3.org/2001/XMLSchema"
_DEPTH_MAX = 40
_INTEGERS: Mapping[str, tuple[int | None, int | None]] = {
    "integer": (None, None), "nonPositiveInteger": (None, 0), "negativeInteger": (None, -1),
    "nonNegativeInteger": (0, None), "positiveInteger": (1, None),
    "long": (-(2**63), 2**63 - 1), "int": (-(2**31), 2**31 - 1), "short": (-(2**15), 2**15 - 1), "byte": (-128, 127),
    "unsignedLong": (0, 2**64 - 1), "unsignedInt": (0, 2**32 - 1), "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 255),
}  # fmt: skip
_ZONE = r"(Z|[+-][0-9]{2}:[0-9]{2})?"
_DAY, _HOUR = r"-?[0-9]{4,9}-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
_PATTERNS = {
    "decimal": r"^[+-]?[0-9]{1,30}(\.[0-9]{1,20})?$",
    "date": f"^{_DAY}{_ZONE}$",
    "dateTime": f"^{_DAY}T{_HOUR}{_ZONE}$",
    "time": f"^{_HOUR}{_ZONE}$",
    "duration": r"^-?P[0-9YMDTHS.]{1,40}$",
    "hexBinary": r"^([0-9A-Fa-f]{2})*$",
}


class NotDescribable(Exception):
    """The operation takes something that has no name or no bounds, such as any element of any kind."""


class SchemaWriter:
    """Writes the JSON Schemas of one service's operations."""

    def __init__(self, documents: Iterable[etree._Element]) -> None:
        """Read the values that simple types are bound to, which the parser of WSDL does not keep."""
        self._enums = {key: values for tree in documents for key, values in _enumerations(tree)}
        self._definitions: dict[str, Any] = {}

    def of_body(self, body: Any) -> dict[str, Any]:
        """The schema of an operation's arguments.

        Raises:
            NotDescribable: it has none.
        """
        self._definitions = {}
        if body is None:
            return {"type": "object", "properties": {}, "additionalProperties": False}
        kind = body.type if isinstance(body, Element) else body
        schema = self._object(kind, 0) if isinstance(kind, ComplexType) else self._single(body)
        return schema | ({"$defs": self._definitions} if self._definitions else {})

    def _single(self, element: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {element.name: self._of(element.type, 0)},
            "required": [element.name],
            "additionalProperties": False,
        }

    def _object(self, kind: Any, depth: int) -> dict[str, Any]:
        if depth > _DEPTH_MAX:
            raise NotDescribable("it nests too deeply")
        properties: dict[str, Any] = {}
        required: list[str] = []
        for element, optional in _elements(kind.elements_nested):
            properties[element.attr_name] = self._of_element(element, depth + 1)
            if not optional and not element.is_optional:
                required.append(element.attr_name)
        for name, attribute in kind.attributes:
            if isinstance(attribute, AnyAttribute) or not isinstance(attribute, Attribute):
                continue  # may be left out
            properties[name] = self._of(attribute.type, depth + 1)
            if attribute.required:
                required.append(name)
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def _of_element(self, element: Element, depth: int) -> dict[str, Any]:
        schema = self._of(element.type, depth)
        if element.nillable:
            schema = {"anyOf": [schema, {"type": "null"}]}
        if not element.accepts_multiple:
            return schema
        several: dict[str, Any] = {"type": "array", "items": schema, "minItems": int(element.min_occurs)}
        return several if element.max_occurs == "unbounded" else several | {"maxItems": int(element.max_occurs)}

    def _of(self, kind: Any, depth: int) -> dict[str, Any]:
        if isinstance(kind, ComplexType):
            if kind.qname is None or not kind.is_global:
                return self._object(kind, depth)
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", kind.qname.localname)
            if name not in self._definitions:
                self._definitions[name] = {}  # a type may hold itself
                self._definitions[name] = self._object(kind, depth)
            return {"$ref": f"#/$defs/{name}"}
        if isinstance(kind, ListType) or type(kind) is AnyType:
            raise NotDescribable(f"it takes {type(kind).__name__}")
        return {"type": "string"} if isinstance(kind, UnionType) else self._of_simple(kind)

    def _of_simple(self, kind: Any) -> dict[str, Any]:
        schema = _builtin(_base(kind))
        values = self._enums.get((kind.qname.namespace, kind.qname.localname)) if kind.qname is not None else None
        if values:
            schema = {key: value for key, value in schema.items() if key != "pattern"}
            schema["enum"] = [int(value) if schema["type"] == "integer" else value for value in values]
        return schema


def _elements(nested: Sequence[tuple[str, Any]], *, optional: bool = False) -> Iterable[tuple[Element, bool]]:
    """The elements of a type, and whether each may be left out as part of a choice or a group that may be."""
    for _, part in nested:
        if isinstance(part, AnyElement):
            if not part.is_optional:
                raise NotDescribable("it takes any element")
        elif isinstance(part, Indicator):
            if part.accepts_multiple:
                raise NotDescribable("it takes a group of elements several times")
            loose = optional or isinstance(part, Choice) or part.is_optional
            yield from _elements(list(_parts(part)), optional=loose)
        elif isinstance(part, Element):
            yield part, optional


def _parts(indicator: Any) -> Iterable[tuple[str, Any]]:
    child = getattr(indicator, "child", None)
    return [("", child)] if child is not None else [(getattr(one, "name", ""), one) for one in indicator]


def _base(kind: Any) -> str:
    """The built-in type that a simple type is made of."""
    for ancestor in type(kind).__mro__:
        name = getattr(ancestor, "_default_qname", None)
        if name is not None and name.namespace == _XSD:
            return str(name.localname)
    return "string"


def _builtin(name: str) -> dict[str, Any]:
    if name == "boolean":
        return {"type": "boolean"}
    if name in {"float", "double"}:
        return {"type": "number"}
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        return {"type": "integer"} | {k: v for k, v in (("minimum", low), ("maximum", high)) if v is not None}
    if name == "base64Binary":
        return {"type": "string", "contentEncoding": "base64"}
    pattern = _PATTERNS.get(name)
    return {"type": "string", "pattern": pattern} if pattern else {"type": "string"}


def _enumerations(tree: etree._Element) -> Iterable[tuple[tuple[str, str], list[str]]]:
    for schema in tree.iter(f"{{{_XSD}}}schema"):
        for kind in schema.findall(f"{{{_XSD}}}simpleType"):
            values = kind.findall(f"{{{_XSD}}}restriction/{{{_XSD}}}enumeration")
            if values and kind.get("name"):
                key = (schema.get("targetNamespace", ""), kind.get("name", ""))
                yield key, [value.get("value", "") for value in values]
