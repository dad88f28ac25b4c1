"""Numbers of the whole home, for monitoring: missions, questions, ledger, cost. They name nobody, and no mission."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from remit.control_plane.core import Core

_PAGE = 1000


@dataclass(slots=True)
class _Totals:
    """What was counted so far, and up to which entry: a later look reads only what was written since."""

    idx: int = 0
    usd_micros: int = 0
    tokens_input: int = 0
    tokens_output: int = 0


@dataclass(frozen=True, slots=True)
class HomeNumbers:
    """One look at the numbers; cost in US dollar micro-units."""

    missions: Mapping[str, int]
    approvals_open: int
    entries: int
    entries_sealed: int
    usd_micros: int
    tokens_input: int
    tokens_output: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts; the first look of a process reads the whole ledger, later ones what is new."""

    core: Core
    _totals: _Totals = field(default_factory=_Totals)
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> HomeNumbers:
        """The numbers as they stand now."""
        store, totals = self.core.store, self._totals
        missions = Counter(listed["status"] for _, listed in await store.records("mission"))
        approvals = await store.records("approval")
        sealed = await store.record("seal-state", "range")
        async with self._counting:
            await self._count()
        return HomeNumbers(
            missions,
            sum(not value["verdict"] for _, value in approvals),
            totals.idx,
            sealed["size"] if sealed else 0,
            totals.usd_micros,
            totals.tokens_input,
            totals.tokens_output,
        )

    async def _count(self) -> None:
        totals = self._totals
        while page := await self.core.store.read_prefix("", after_idx=totals.idx, limit=_PAGE):
            for entry in page:
                if entry.kind in {"call.done", "call.lost"}:
                    totals.usd_micros += entry.payload["used"]
                    tokens_input, tokens_output = entry.payload["tokens"]
                    totals.tokens_input += tokens_input
                    totals.tokens_output += tokens_output
            totals.idx = page[-1].idx
            await asyncio.sleep(0)  # the first look may be long; missions go on meanwhile
