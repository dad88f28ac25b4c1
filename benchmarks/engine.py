"""Engines: scripts that measure one thing in a process of their own, and answer with one line of JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine

BENCH = machine.ROOT / ".bench"
ENGINES = machine.ROOT / "benchmarks" / "engines"
#: The environment of the peers; `make bench` installs it.
PEERS = BENCH / "venv" / "bin" / "python"
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR")


@dataclass(frozen=True)
class Engine:
    """One row of a table."""

    name: str
    script: str
    variant: str = ""
    peer: bool = True
    #: Of one that takes very long: about how many steps it is given in all.
    steps_max: int = 0

    def steps(self, missions: int, steps: int) -> int:
        """How many each of so many missions has, where the others have `steps`."""
        return min(steps, max(2, self.steps_max // missions)) if self.steps_max else steps


def run_engine(engine: Engine, runs: Path, missions: int, steps: int, *more: str) -> dict[str, Any]:
    """What the engine found, and the share of the cores that others used meanwhile."""
    python = str(PEERS) if engine.peer else sys.executable
    command = [python, str(ENGINES / engine.script), "--under", str(runs), "--missions", str(missions)]
    command += ["--steps", str(engine.steps(missions, steps)), "--variant", engine.variant, *more]
    others = machine.Others()
    ran = answer_of(command)
    return {**ran, "others": others.share()}


def answer_of(command: Sequence[str]) -> dict[str, Any]:
    """The last line that the command prints."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment = {**kept, "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{Path(command[1]).name} failed; its words stand above.")
    ran: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return ran


def say(doing: str) -> None:
    """On a terminal, what is being done now."""
    if sys.stderr.isatty():
        print(f"\r\033[K{doing}", end="", file=sys.stderr, flush=True)
