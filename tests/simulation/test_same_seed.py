"""A seed that failed must fail again: one seed gives one record, whatever the process that lives it."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_SEEDS = tuple(range(0, 120, 8))


def test_a_seed_gives_the_same_record_in_another_process_with_other_hashes_and_another_past() -> None:
    one = _start(_SEEDS, hash_seed="1")
    other = _start(tuple(reversed(_SEEDS)), hash_seed="2", more="x" * 4000)

    here, there = _digests(one), _digests(other)

    assert sorted(here) == sorted(_SEEDS)
    assert here == there
    assert len(set(here.values())) == len(_SEEDS), "different seeds live different lives"


def _start(seeds: tuple[int, ...], *, hash_seed: str, more: str = "") -> subprocess.Popen[str]:
    # A larger environment moves the addresses of objects, by which sets of them are ordered.
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "REMIT_SIM_PADDING": more}
    command = [sys.executable, "-W", "ignore", "-m", "tests.simulation.digest", *map(str, seeds)]
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _digests(process: subprocess.Popen[str]) -> dict[int, str]:
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return {int(seed): digest for seed, digest in (line.split() for line in told.splitlines())}
