"""Patterns of tool names: `SOURCE__TOOL` in full, or with `*` for any run of characters."""

import re
from collections.abc import Iterable

_PATTERN = re.compile(r"[A-Za-z0-9_.*-]+")


def checked(pattern: str) -> str:
    """`pattern` itself.

    Raises:
        ValueError: it could never match a tool's name.
    """
    if not _PATTERN.fullmatch(pattern) or not ("__" in pattern or "*" in pattern):
        raise ValueError(f"{pattern!r} is no tool: expected SOURCE__TOOL, or a pattern with '*' such as erp__*")
    return pattern


def matching(patterns: Iterable[str], name: str) -> str | None:
    """The first of `patterns` that `name` fits, or None."""
    return next((pattern for pattern in patterns if fits(pattern, name)), None)


def fits(pattern: str, name: str) -> bool:
    """True where `name` (a tool's name, or a narrower pattern) is covered by `pattern`."""
    if "*" not in pattern:
        return pattern == name
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
