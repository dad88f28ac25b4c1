"""The machine under a measurement: what it is, what the disk is, and how busy others keep it."""

import os
import platform
import resource
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_IN_MEMORY = {"tmpfs", "ramfs"}


def describe(folder: Path) -> dict[str, str]:
    """What a reader needs to judge the figures."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "disk": f"{file_system(folder) or 'unknown'} file system",
        "python": f"{platform.python_implementation()} {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "commit": _commit(),
    }


def file_system(folder: Path) -> str:
    """The kind of file system that holds a folder; empty where this system does not say."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return ""
    above = [(len(place), kind) for _, place, kind, *_ in mounts if folder.resolve().is_relative_to(place)]
    # Of two mounts on one place the later one is seen.
    return max(enumerate(above), key=lambda item: (item[1][0], item[0]))[1][1] if above else ""


def in_memory(folder: Path) -> bool:
    """True where nothing written there is durable."""
    return file_system(folder) in _IN_MEMORY


def load() -> str:
    """Load averages over 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


@dataclass
class Others:
    """The share of all cores that processes other than ours used since this was made."""

    def __post_init__(self) -> None:
        self._begin = self._now()

    def share(self) -> float:
        """From 0 to 1; 0 where this system does not say."""
        busy, ours, wall = (end - begin for begin, end in zip(self._begin, self._now(), strict=True))
        return max(busy - ours, 0.0) / wall / (os.cpu_count() or 1)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = children.ru_utime + children.ru_stime + time.process_time()
        try:
            fields = [int(part) for part in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
        except OSError:
            return ours, ours, time.perf_counter()
        user, nice, system, _idle, _waiting, irq, soft_irq, stolen = fields
        ticks = user + nice + system + irq + soft_irq + stolen
        return ticks / os.sysconf("SC_CLK_TCK"), ours, time.perf_counter()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    def git(*command: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "src")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with changes in src" if changed else "")
