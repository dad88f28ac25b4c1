"""The real driver, door, missions and journal rules under crashes, pauses, silence and late returns, from one seed.

A failure names its seed; `REMIT_SIM_SEEDS=N` runs more of them.
"""

import os
from collections import Counter

import pytest
from tests.simulation.scenario import live

_BLOCKS = 4
_SEEDS = int(os.environ.get("REMIT_SIM_SEEDS", "1000"))
#: Each must be seen in every block of seeds: a check of what never happens checks nothing.
_WEATHER = (
    "crashes",
    "pauses",
    "paused and came back",
    "claim of a replaced driver refused",
    "intent of a replaced driver refused",
    "decision of a replaced driver refused",
    "question of a replaced driver refused",
    "suspended",
    "uncertain",
    "answered twice",
    "answered without the right",
    "answered too late",
    "policy replaced",
    "verdict void, asked anew",
    "standing approval",
    "halt set",
    "halt lifted",
    "interrupted: halted",
    "clock forward",
    "clock back",
    "refused: budget_exhausted",
    "tool unavailable",
    "silent before the effect",
    "silent after the effect",
    "refused by the tool",
    "delivered twice",
    "late answer",
    "call.lost",
    "approval.expired",
    "approval.reminded",
    "approval.escalated",
    "mission.failed",
    "cancelled",
    "undone",
    "not undone",
    "states compared",
    "decisions taken again",
    "sealed entry changed",
    "sealed entry changed with its hash",
    "sealed entry dropped",
    "sealed entry swapped",
)


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_what_must_always_hold_holds_in_every_life(block: int) -> None:
    counts: Counter[str] = Counter()

    for seed in range(block, _SEEDS, _BLOCKS):
        counts.update(live(seed).world.counts)

    assert not [weather for weather in _WEATHER if not counts[weather]]
