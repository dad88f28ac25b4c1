"""Long lists: whoever reads one lets the rest of the process go on meanwhile, the door above all."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

_T = TypeVar("_T")
#: Rows between two pauses: about a millisecond's work.
_ROWS = 50


async def unhurried(rows: Iterable[_T]) -> AsyncIterator[_T]:
    """The rows, with pauses in which others have their turn."""
    for number, row in enumerate(rows, 1):
        yield row
        if number % _ROWS == 0:
            await asyncio.sleep(0)
