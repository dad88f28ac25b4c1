"""SIGKILL at every ledger append of the sample mission: what is paid and what is told does not change."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
#: The kill points are dealt to this many processes, so that they run at once on several cores.
_SHARES = 8


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("share", range(_SHARES))
def test_a_kill_at_any_append_changes_neither_payments_nor_the_final_table(
    tmp_path: Path, share: int, when: str
) -> None:
    run = subprocess.run(
        [sys.executable, str(_HERE / "killer.py"), str(tmp_path), str(share + 1), str(_SHARES), when],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["killed"] >= told["entries"] // _SHARES > 0
    assert told["payments"] > 0
