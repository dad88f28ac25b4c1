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
    # By hand: patterns are many, and each would have to be compiled to be asked once or twice.
    first, *between, last = pattern.split("*")
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in between:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def place_of(pattern: str) -> str:
    """Where tools that fit `pattern` are looked for: a tool's full name, its source, or empty for anywhere."""
    fixed, star, _ = pattern.partition("*")
    if not star:
        return pattern
    source, parted, _ = fixed.partition("__")
    return f"{source}{parted}" if parted else ""


def places_of(name: str) -> tuple[str, str, str]:
    """The places in which patterns that a tool's name fits may stand."""
    source, parted, _ = name.partition("__")
    return name, f"{source}{parted}", ""
