"""What the engines' scripts share: orders, clocks, answers. Standard library only: peers have their own environment."""

import argparse
import json
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

#: Steps between two marks of a long mission.
BLOCK = 100


@dataclass(frozen=True)
class Reading:
    """Clocks at one moment, in seconds."""

    wall: float
    #: Of the whole process with all its threads, and of children that have ended.
    cpu: float
    #: Of the thread that read it, which is the event loop's.
    loop: float

    @classmethod
    def now(cls) -> "Reading":
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.perf_counter(), time.process_time() + children.ru_utime + children.ru_stime, time.thread_time())


@dataclass
class Meter:
    """Times one run, and marks each block of steps where there is one mission."""

    started: Reading | None = None
    ended: Reading | None = None
    marks: list[Reading] = field(default_factory=list)
    #: CPU of other processes that belong to the engine, in seconds.
    elsewhere: Callable[[], float] = lambda: 0.0

    def start(self) -> None:
        self.started = self._now()

    def stop(self) -> None:
        self.ended = self._now()

    def step(self, n: int) -> None:
        """Step `n`, counted from 0, is being carried out."""
        if n % BLOCK == 0:
            self.marks.append(self._now())

    def _now(self) -> Reading:
        now = Reading.now()
        return Reading(now.wall, now.cpu + self.elsewhere(), now.loop)

    def rate(self, steps: int) -> dict[str, Any]:
        """What one run of many missions took."""
        assert self.started
        assert self.ended
        seconds = self.ended.wall - self.started.wall
        return {
            "steps": steps,
            "seconds": seconds,
            "steps_per_second": steps / seconds,
            "cpu_us": (self.ended.cpu - self.started.cpu) / steps * 1e6,
            "loop_us": (self.ended.loop - self.started.loop) / steps * 1e6,
        }

    def blocks(self, steps: int) -> dict[str, Any]:
        """What each block of one mission's steps took, and what came before its first step."""
        assert self.started
        assert self.ended
        edges = [*self.marks, self.ended]
        sizes = [min(BLOCK, steps - first) for first in range(0, steps, BLOCK)]
        assert len(edges) == len(sizes) + 1, "steps did not come one after the other"
        return {
            "before_first_ms": (edges[0].wall - self.started.wall) * 1e3,
            "wall_us": [(b.wall - a.wall) / n * 1e6 for a, b, n in zip(edges, edges[1:], sizes, strict=False)],
            "cpu_us": [(b.cpu - a.cpu) / n * 1e6 for a, b, n in zip(edges, edges[1:], sizes, strict=False)],
        }


#: Rounds that are not counted: imports, caches, the first plan of a query.
WARMING = 3


@dataclass
class Rounds:
    """Times the same thing over and over, one after the other; `more_cpu` tells of other processes' CPU, in seconds."""

    more_cpu: Callable[[], float] = lambda: 0.0
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def begin(self) -> None:
        self._cpu, self._begun = self.more_cpu() + Reading.now().cpu, time.perf_counter()

    def reached(self) -> None:
        """What the wall time ends with; what follows belongs to the CPU of the round."""
        self.wall_ms.append((time.perf_counter() - self._begun) * 1e3)

    def end(self) -> None:
        self.cpu_ms.append((self.more_cpu() + Reading.now().cpu - self._cpu) * 1e3)

    def found(self, **more: Any) -> dict[str, Any]:
        """Medians, and the range of the middle nine tenths, without the rounds that warm up."""
        walls = sorted(self.wall_ms[WARMING:])
        cpus = self.cpu_ms[WARMING:]
        cut = len(walls) // 20
        return {
            "rounds": len(walls),
            "wall_ms": median(walls),
            "low_ms": walls[cut],
            "high_ms": walls[-1 - cut],
            "cpu_ms": sum(cpus) / len(cpus),
            **more,
        }


@dataclass(frozen=True)
class Order:
    """What an engine is to run: so many missions at once, each of so many steps, its store in a new folder."""

    missions: int
    steps: int
    folder: Path
    variant: str
    profile: bool


@contextmanager
def order() -> Iterator[Order]:
    """Read the command line; the folder is removed at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--missions", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--under", type=Path, required=True, help="an existing folder on the disk to measure")
    parser.add_argument("--variant", default="")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.under))
    try:
        yield Order(given.missions, given.steps, folder, given.variant, given.profile)
    finally:
        shutil.rmtree(folder)


def result(meter: Meter, told: Order, **more: Any) -> dict[str, Any]:
    """The answer of a run."""
    answer = {**meter.rate(told.missions * told.steps), **more}
    if told.missions == 1:
        answer["blocks"] = meter.blocks(told.steps)
    return answer


#: Policies in force, when decisions are timed.
POLICIES = (10, 100, 1_000)
_DECIDING_SECONDS = 0.05
_TRIES = 15


def decisions(engine: str, deciding: Callable[[int], Callable[[], None]]) -> dict[str, Any]:
    """The median time of one decision in microseconds, by the number of policies; `deciding` makes what decides."""
    return {"engine": engine, "us": {str(count): median_us(deciding(count)) for count in POLICIES}}


def median_us(decide: Callable[[], Any]) -> float:
    """The median of several stretches, each long enough to be timed, in microseconds of processor time.

    Deciding waits for nothing, so time of the clock would only add what other processes took.
    """
    decide()
    begin = time.process_time()
    decide()
    often = max(5, int(_DECIDING_SECONDS / max(time.process_time() - begin, 1e-6)))
    times = []
    for _ in range(_TRIES):
        begin = time.process_time()
        for _ in range(often):
            decide()
        times.append((time.process_time() - begin) / often)
    return sorted(times)[len(times) // 2] * 1e6


def answer(found: dict[str, Any]) -> None:
    """The one line that the caller reads."""
    print(json.dumps(found), flush=True)


def check_recorded(have: int, want: int) -> None:
    """A rate counts only where every step stands in the store."""
    if have < want:
        raise SystemExit(f"the store holds {have} steps of {want}")


def look(path: Path, query: str) -> Any:
    """One value from a store that nobody writes any more."""
    with sqlite3.connect(path) as connection:
        (value,) = connection.execute(query).fetchone()
    connection.close()
    return value


def stored_bytes(path: Path) -> int:
    """The size of a store after its write-ahead log was moved into it; nobody may be writing."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return path.stat().st_size


def durability(connection: sqlite3.Connection) -> dict[str, str]:
    """What a connection says of itself."""
    names = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    return {"journal_mode": journal, "synchronous": names[synchronous]}


def memory_mb(process: str = "self") -> float:
    """Resident memory of a process now."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
