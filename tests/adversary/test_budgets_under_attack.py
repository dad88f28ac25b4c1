"""One small budget, two hundred agents, and processes that are killed while they spend."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.adversary.spenders import AGENTS, LIMIT_USD_MICROS

_ROOT = Path(__file__).parents[2]
#: Entries after which the processes die: while missions are opened, with calls under way, and late.
_KILLS = (150, 420, 290)


def test_asi08_two_hundred_agents_and_kills_never_spend_one_micro_unit_more_than_there_is(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.adversary.spenders", str(tmp_path), *map(str, _KILLS)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)

    assert [each["signal"] for each in told] == [*[signal.SIGKILL] * len(_KILLS), 0]
    for each in told:
        assert all(one["used"] + one["held"] <= one["limit"] for one in each["balances"])
        assert each["spent"] <= LIMIT_USD_MICROS
    # A kill left something held, and one came after money was spent, or the case proves nothing.
    assert any(each["balances"][0]["held"] for each in told[:-1])
    assert any(each["spent"] for each in told[:-1])
    end = told[-1]
    assert len(end["balances"]) == 1 + AGENTS
    assert not any(one["held"] for one in end["balances"])
    assert end["spent"] <= end["balances"][0]["used"] <= LIMIT_USD_MICROS
    assert end["balances"][0]["used"] == sum(one["used"] for one in end["balances"][1:])
    # The budget was fought over: what is left covers no further call.
    assert LIMIT_USD_MICROS - end["balances"][0]["used"] < 50_000
