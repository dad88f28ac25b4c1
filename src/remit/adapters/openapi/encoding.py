"""Arguments as a request carries them: in the path, the query, headers and the body (OpenAPI 3, "Style Values")."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import orjson

from remit.adapters.openapi.operations import Operation, Parameter
from remit.errors import InvalidArguments

_RESERVED = ":/?#[]@!$&'()*+,;="
_SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": "%20", "pipeDelimited": "|", "matrix": ",", "label": ","}


def path_of(operation: Operation, arguments: Mapping[str, Any]) -> str:
    """The path with its arguments filled in.

    Raises:
        InvalidArguments: an argument is empty, or would lead to another path.
    """
    path = operation.path
    for parameter in operation.parameters:
        if parameter.place == "path":
            written = _in_path(parameter, arguments.get(parameter.name))
            path = path.replace(f"{{{parameter.name}}}", written)
    if any(unquote(segment) in {".", ".."} for segment in path.split("/")):
        raise InvalidArguments(f"An argument of {operation.name} would lead to another path.")
    return path


def query_of(operation: Operation, arguments: Mapping[str, Any]) -> str:
    """The query, without its question mark; empty where there is none."""
    return "&".join(
        pair
        for parameter in operation.parameters
        if parameter.place == "query" and arguments.get(parameter.name) is not None
        for pair in _in_query(parameter, arguments[parameter.name])
    )


def headers_of(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that are arguments.

    Raises:
        InvalidArguments: one holds what cannot stand in a header.
    """
    headers = {}
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if parameter.place != "header" or value is None:
            continue
        text = _json(value) if parameter.as_json else _simple(value, explode=parameter.explode, plain=True)
        if not text.isascii() or not (text.isprintable() or not text):
            raise InvalidArguments(f"{parameter.name!r} holds characters that cannot stand in a header.")
        headers[parameter.name] = text
    return headers


def body_of(operation: Operation, arguments: Mapping[str, Any]) -> bytes | None:
    """The body; None where there is none to send."""
    if not operation.body_type:
        return None
    if operation.body_fields is None:
        if "body" not in arguments:
            return None
        value = arguments["body"]
    else:
        value = {name: arguments[name] for name in arguments if name in operation.body_fields}
        if not value and not operation.schema["required"]:
            return None
    if operation.body_type == "text/plain":
        return str(value).encode()
    if operation.body_type == "application/x-www-form-urlencoded":
        return _form(value).encode()
    return orjson.dumps(value)


def _in_path(parameter: Parameter, value: Any) -> str:
    if value is None or value in ("", []):
        raise InvalidArguments(f"{parameter.name!r} is part of the path and cannot be empty.")
    if parameter.as_json:
        return quote(_json(value), safe="")
    if parameter.style == "label":
        return "." + _simple(value, explode=parameter.explode, between="." if parameter.explode else ",")
    if parameter.style == "matrix":
        return "".join(f";{pair}" for pair in _pairs(parameter, value))
    return _simple(value, explode=parameter.explode)


def _in_query(parameter: Parameter, value: Any) -> Iterable[str]:
    if parameter.as_json:
        return [f"{quote(parameter.name, safe='')}={quote(_json(value), safe='')}"]
    if parameter.style == "deepObject" and isinstance(value, Mapping):
        name = quote(parameter.name, safe="")
        return [f"{name}%5B{_word(key)}%5D={_word(one, reserved=parameter.reserved)}" for key, one in value.items()]
    return _pairs(parameter, value)


def _pairs(parameter: Parameter, value: Any) -> list[str]:
    """NAME=VALUE, as often as the style says."""
    name, reserved = quote(parameter.name, safe=""), parameter.reserved
    if isinstance(value, list):
        if parameter.explode:
            return [f"{name}={_word(one, reserved=reserved)}" for one in value]
        between = _SEPARATORS.get(parameter.style, ",")
        return [f"{name}={between.join(_word(one, reserved=reserved) for one in value)}"]
    if isinstance(value, Mapping):
        if parameter.explode:
            return [f"{_word(key)}={_word(one, reserved=reserved)}" for key, one in value.items()]
        return [f"{name}={','.join(f'{_word(key)},{_word(one, reserved=reserved)}' for key, one in value.items())}"]
    return [f"{name}={_word(value, reserved=reserved)}"]


def _simple(value: Any, *, explode: bool, between: str = ",", plain: bool = False) -> str:
    def word(one: Any) -> str:
        return _text(one) if plain else _word(one)

    if isinstance(value, list):
        return between.join(map(word, value))
    if isinstance(value, Mapping):
        join = "=" if explode else ","
        return between.join(f"{word(key)}{join}{word(one)}" for key, one in value.items())
    return word(value)


def _form(value: Any) -> str:
    """As forms of HTML are sent: lists by repeating the name, anything deeper as JSON."""
    pairs = [
        f"{_word(name)}={_word(item)}"
        for name, one in (value.items() if isinstance(value, Mapping) else ())
        for item in (one if isinstance(one, list) else [one])
        if item is not None
    ]
    return "&".join(pairs).replace("%20", "+")


def _word(value: Any, *, reserved: bool = False) -> str:
    return quote(_text(value), safe=_RESERVED if reserved else "")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
