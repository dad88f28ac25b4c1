"""What a function shows of itself: its signature as a JSON schema, its docstring as the description."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, get_type_hints

#: Given by Remit, so no part of what a caller may send.
INJECTED = frozenset({"idempotency_key", "context"})


def definition(name: str, function: Callable[..., object]) -> dict[str, Any]:
    """The tool's definition; an `input_schema` on the function goes before the one read from its annotations."""
    declared = getattr(function, "input_schema", None)
    return {
        "name": name,
        "description": inspect.getdoc(function) or "",
        "inputSchema": dict(declared) if declared is not None else _schema(name, function),
    }


@cache
def parameters(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def _schema(name: str, function: Callable[..., object]) -> dict[str, Any]:
    from pydantic import ConfigDict, create_model  # noqa: PLC0415 - a tenth of a second that no call needs

    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (
            hints.get(parameter.name, Any),
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters(function).values()
        if parameter.name not in INJECTED and parameter.kind is not parameter.VAR_KEYWORD
    }
    model = create_model(name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)
    schema: dict[str, Any] = model.model_json_schema()
    schema.pop("title", None)
    return schema
