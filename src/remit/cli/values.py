"""Values as people type and read them: `NAME=VALUE`, instants."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from remit.errors import InvalidInput


def assignments(texts: Sequence[str], proposed: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name; one that was proposed as text stays text, any other is JSON where it can be read so.

    Raises:
        InvalidInput: a text is not of the form.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidInput(f"{text!r} is not of the form NAME=VALUE.")
        values[name.strip()] = _value(value.strip(), proposed.get(name.strip()))
    return values


def _value(text: str, proposed: Any) -> Any:
    if isinstance(proposed, str):
        return text
    try:
        read = json.loads(text)
    except ValueError:
        return text
    # Amounts are decimal text everywhere in Remit: `12.50` as a float would not be the amount that was typed.
    return text if proposed is None and isinstance(read, float) else read


def instant(at_us: int) -> str:
    """An instant in UTC for people, such as `2026-03-02 09:30:00Z`."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
