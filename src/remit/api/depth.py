"""How deep lists and objects may stand in each other in what is sent: no deeper than can be written down again.

Readers of JSON go deeper than its writers do, so that what was read could not be kept on record, or answered.
"""

from typing import Any

import orjson

LEVELS_MAX = 200
#: The writer's own limit, less what records and answers put around a value.
_AROUND = 254 - LEVELS_MAX


def is_too_deep(value: Any, body: bytes | None = None) -> bool:
    """True for more than `LEVELS_MAX` levels, and for what is no JSON at all; `body`, where given, is its text."""
    if body is not None and body.count(b"[") + body.count(b"{") <= LEVELS_MAX:
        return False  # most are decided here, in a fraction of the time
    for _ in range(_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False
