"""Patterns of tool names, as agents, workflows and principals are granted them."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator

_PATTERN = re.compile(r"[A-Za-z0-9_./*-]{1,200}")


def _pattern(text: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no pattern of tools: expected SOURCE__TOOL, such as erp__read or erp__*")
    return text


#: `erp__*`, `erp__read_order` or `*`; the star stands for any text.
ToolPattern = Annotated[str, AfterValidator(_pattern)]


def covers(patterns: Iterable[str], tool: str) -> bool:
    """True where one of `patterns` stands for the tool's full name, `SOURCE__NAME`."""
    return any(pattern == tool or ("*" in pattern and fnmatchcase(tool, pattern)) for pattern in patterns)
