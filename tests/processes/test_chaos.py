"""A small run of the chaos that `make chaos` makes at length."""

import runpy
from pathlib import Path

_CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


def test_twenty_missions_through_kills_leave_each_row_once(tmp_path):
    chaos = runpy.run_path(str(_CHAOS))["chaos"]

    found = chaos(20, 7, seconds=15.0, folder=tmp_path)

    assert found["ok"], found
    assert sum(found["kills"].values()) > 0
    assert sum(found["ended"].values()) == found["missions"] == 20
