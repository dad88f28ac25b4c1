"""The command line that starts a program under limits, bound to the life of this process."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCH = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of a started program; None leaves what this process has."""

    #: Address space of each process. Runtimes that reserve far more than they use (Node.js) need it high or unset.
    memory_bytes: int | None = None
    #: Processes and threads of the user, not of the program alone: the kernel counts by user. Not held for root.
    processes: int | None = None
    cpu_seconds: int | None = None


def launch_command(command: Sequence[str], limits: Limits) -> list[str]:
    """`command` started by way of `launch.py`, in a Python that takes nothing from the environment."""
    wanted = {"AS": limits.memory_bytes, "NPROC": limits.processes, "CPU": limits.cpu_seconds}
    written = ",".join(f"{name}={value}" for name, value in wanted.items() if value is not None)
    return [sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), written, *command]
