"""Each benchmark program runs, tiny: what it measures is asserted nowhere, that it measures is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def ran(program: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, str(_BENCHMARKS / program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def engine(name: str, folder: Path, missions: int, steps: int, variant: str = "") -> dict:
    """What one engine answers."""
    told = ran(f"engines/{name}.py", "--under", folder, "--missions", missions, "--steps", steps, "--variant", variant)
    answer: dict = json.loads(told.splitlines()[-1])
    return answer


@pytest.mark.parametrize("name", ["remit_engine", "temporal_engine"])
def test_a_chain_of_steps_is_timed_by_blocks(tmp_path: Path, name: str) -> None:
    found = engine(name, tmp_path, 1, 3)

    assert found["steps"] == 3
    assert found["steps_per_second"] > 0
    assert len(found["blocks"]["cpu_us"]) == 1
    assert not list(tmp_path.iterdir()), "the store is removed"


@pytest.mark.parametrize("flow", ["fan", "signal", "answer"])
def test_flows_are_timed_without_the_rounds_that_warm_up(tmp_path: Path, flow: str) -> None:
    found = engine("remit_flow_engine", tmp_path, 5, 3, flow)

    assert found["rounds"] == 2
    assert 0 < found["low_ms"] <= found["wall_ms"] <= found["high_ms"]


@pytest.mark.parametrize("flow", ["fan", "signal"])
def test_temporals_flows_are_timed_with_its_server(tmp_path: Path, flow: str) -> None:
    found = engine("temporal_flow_engine", tmp_path, 4, 2, flow)

    assert found["rounds"] == 1
    assert found["wall_ms"] > 0


def test_missions_that_wait_are_measured_beside_an_empty_home(tmp_path: Path) -> None:
    told = ran("waiting.py", 3, "--seconds", 0, "--alone", "--folder", tmp_path)

    (row,) = [line for line in told.splitlines() if line.startswith("  Remit")]
    assert row.split()[1] == "3"


def test_flows_alone_are_a_table_for_each(tmp_path: Path) -> None:
    told = ran("run.py", "--flows", "--quick", "--alone", "--folder", tmp_path)

    rows = [line.split("  ")[1] for line in told.splitlines() if line.startswith("  Remit")]
    assert rows == ["Remit", "Remit, an outside event", "Remit, a person's answer"]


def test_working_states_are_filled_and_restored(tmp_path: Path) -> None:
    told = ran("engines/state_engine.py", "restore", 50, 5, tmp_path)

    assert json.loads(told.splitlines()[-1])["snapshots"] == 50
