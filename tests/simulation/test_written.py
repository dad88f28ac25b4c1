"""Written workflows under crashes, pauses, halts and jumping clocks, each from one seed."""

import os
from collections import Counter

import pytest
from tests.simulation.scenario import live
from tests.simulation.written import WrittenLife

_BLOCKS = 4
_SEEDS = int(os.environ.get("REMIT_SIM_SEEDS", "80"))
#: Each must be seen in every block of seeds: a check of what never happens checks nothing.
_WEATHER = (
    "crashes",
    "event taken",
    "event duplicate",
    "timer succeeded",
    "event succeeded",
    "event failed",
    "workflow succeeded",
    "tool skipped",
    "decisions taken again",
)


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_what_must_hold_holds_in_written_missions_too(block):
    counts = Counter()
    each = _SEEDS // _BLOCKS
    for seed in range(block * each, (block + 1) * each):
        counts += live(seed, WrittenLife).world.counts

    assert [weather for weather in _WEATHER if not counts[weather]] == []
