"""Set limits and become another program; run as a script: `launch.py PARENT LIMITS COMMAND...`.

A program of its own, because code between fork and exec in a process with threads can lock up. It imports the standard
library only, and as little of it as will do: it stands before the start of every tool server.
"""

import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127


def main(parent: str, limits: str, *command: str) -> None:
    if sys.platform == "linux":
        _die_with(int(parent))
    for limit in filter(None, limits.split(",")):
        name, _, value = limit.partition("=")
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (int(value), int(value)))
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the configured program, without a shell, is the purpose
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        sys.exit(_CANNOT_START)


def _die_with(parent: int) -> None:
    """Be killed by the kernel when the parent ends, however it ends; the setting outlives exec."""
    import ctypes  # noqa: PLC0415 - elsewhere a program sees the end of its input instead

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(_CANNOT_START)  # it ended before the line above


if __name__ == "__main__":
    main(*sys.argv[1:])
