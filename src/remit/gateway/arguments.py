"""Arguments against the tool's schema, with errors that name places and rules but no values."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from remit.errors import InvalidArguments
from remit.tools import Tool

_VALIDATORS: dict[str, jsonschema_rs.Validator] = {}
_SHOWN_MAX = 5


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Check a call's arguments.

    Raises:
        InvalidArguments: they do not fit; names the places and what they break, never the values.
    """
    validator = _VALIDATORS.get(tool.pin)
    if validator is None:
        validator = _VALIDATORS[tool.pin] = jsonschema_rs.validator_for(dict(tool.input_schema), mask="(value)")
    if validator.is_valid(arguments):
        return
    faults = [
        f"{'.'.join(str(part) for part in fault.instance_path) or 'arguments'}: {fault.message}"
        for fault, _ in zip(validator.iter_errors(arguments), range(_SHOWN_MAX), strict=False)
    ]
    raise InvalidArguments(f"{tool.name}: {'; '.join(faults)}.")
