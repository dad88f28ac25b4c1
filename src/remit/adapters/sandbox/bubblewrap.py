"""bubblewrap: a process that sees the system's programs, its own folder and what it was given, and nothing else."""

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
#: What programs need to find libraries, names, hosts and certificates; not the rest of /etc, which may hold secrets.
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
)
_PROBE_SECONDS = 5.0


def available() -> bool:
    """Whether bubblewrap is here and may make its namespaces; asked of the machine once for each binary."""
    program = shutil.which("bwrap")
    return program is not None and _works(program)


def wrapped(
    command: Sequence[str],
    *,
    folder: Path,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    network: bool = False,
) -> list[str]:
    """`command` behind walls: `folder` and `writable` may be written, `readable` and the system's programs read."""
    walls = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    if network:
        walls.append("--share-net")
    for place in (*_PROGRAMS, *_SETTINGS):
        walls += ["--ro-bind-try", place, place]
    walls += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - a fresh one inside the walls
    for path in readable:
        walls += ["--ro-bind", str(path), str(path)]
    for path in (folder, *writable):
        walls += ["--bind", str(path), str(path)]
    return [*walls, "--chdir", str(folder), "--", *command]


@cache
def _works(program: str) -> bool:
    probe = [program, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "true"]
    try:
        done = subprocess.run(probe, capture_output=True, timeout=_PROBE_SECONDS, check=False)  # noqa: S603 - no outside words
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
