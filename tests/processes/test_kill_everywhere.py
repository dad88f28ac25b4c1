"""SIGKILL at every ledger append of the sample mission: what is paid and what is told does not change."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapters.database_servers import postgres_server

_HERE = Path(__file__).parent
#: The kill points are dealt to this many processes, so that they run at once on several cores.
_SHARES = 4
#: On PostgreSQL every so many appends; the store's own tests kill the server and cut its wires.
_SAMPLED = 51


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("share", range(_SHARES))
def test_a_kill_at_any_append_changes_neither_payments_nor_the_final_table(
    tmp_path: Path, share: int, when: str
) -> None:
    told = killed(tmp_path, share + 1, _SHARES, when)

    assert told["killed"] >= told["entries"] // _SHARES > 0
    assert told["payments"] > 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_on_postgresql_a_kill_changes_them_neither(tmp_path: Path, when: str) -> None:
    told = killed(tmp_path, 7, _SAMPLED, when, postgres_server())

    assert told["killed"] >= told["entries"] // _SAMPLED > 0
    assert told["payments"] > 0


def killed(folder: Path, first: int, step: int, *more: str) -> dict[str, int]:
    run = subprocess.run(
        [sys.executable, str(_HERE / "killer.py"), str(folder), str(first), str(step), *more],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    told: dict[str, int] = json.loads(run.stdout.splitlines()[-1])
    return told
