"""Remit's working states: what they store as they grow, and how fast one of very many is restored.

`growth STEPS...` saves that many times and prints what the store holds. `restore COUNT PROBES FOLDER` fills a store
with COUNT snapshots in missions of fifty and restores PROBES of them, each by a process's first look at that mission:
its key is unwrapped, head and manifest are read, every body is decrypted, unpacked and checked against its name.

A twentieth of the missions, and 200 at least, are written by Remit itself; the others are copies of their rows under
names of their own, so that they have the same sizes. Those that are restored are among the former, spread over all.
"""

import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from words import GOAL_BYTES, REFLECTION_BYTES, SLICE_BYTES, text

from remit.adapters.sqlite import SqliteStore
from remit.ids import MissionId, StepId
from remit.ledger import Commit
from remit.state import Binding, Change, KeyRing, Owner, Snapshots, Vault, Writer
from remit.tools import NOTHING_READ

_KEY = b"k" * 32
_EACH = 50
_AT_ONCE = 100
_STEP = StepId("plan")
_BY = Writer("agent:planner@1.0.0", 1_790_000_000_000_000, Binding("p" * 64, "planner@1.0.0", "q" * 64), NOTHING_READ)
_READS = 50


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1] == "growth":
        for steps in map(int, sys.argv[2:]):
            print(json.dumps(asyncio.run(growth(steps))), flush=True)
    else:
        count, probes, folder = int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            print(json.dumps(restore(count, probes, Path(inside) / "remit.db")), flush=True)


async def growth(steps: int) -> dict[str, Any]:
    """Bytes of the whole store after so many saves, and the time of a restore."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "remit.db"
        store = SqliteStore(path)
        mission = MissionId("msn-1")
        await _write(store, [mission], steps)
        reads = [await _restored(store, mission, steps) for _ in range(_READS)]
        await store.close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
        return {"steps": steps, "bytes": path.stat().st_size, "read_ms": sorted(reads)[_READS // 2][0] * 1000}


def restore(count: int, probes: int, path: Path) -> dict[str, Any]:
    """Fill a store, restore some of it, and tell how long each took."""
    chance = random.Random(7)
    names = [MissionId(f"msn-{chance.getrandbits(80):020x}") for _ in range(max(count // _EACH, 1))]
    own = max(200, len(names) // 20)
    began = time.perf_counter()
    asyncio.run(_fill(path, names[:own]))
    _copy(path, names[:own], names[own:])
    filled = time.perf_counter() - began
    found = asyncio.run(_probed(path, [chance.choice(names[:own]) for _ in range(probes)]))
    walls, cpus = (sorted(column) for column in zip(*found, strict=True))
    return {
        "snapshots": len(names) * _EACH,
        "fill_seconds": filled,
        "bytes_each": path.stat().st_size / len(names) / _EACH,
        **{f"wall_{name}": _at(walls, share) * 1000 for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
        **{f"cpu_{name}": _at(cpus, share) * 1000 for name, share in (("p50", 0.5), ("p99", 0.99))},
    }


async def _fill(path: Path, names: Sequence[MissionId]) -> None:
    store = SqliteStore(path)
    for start in range(0, len(names), _AT_ONCE):
        await _write(store, names[start : start + _AT_ONCE], _EACH)
    await store.close()


async def _write(store: SqliteStore, names: Sequence[MissionId], steps: int) -> None:
    vault = Vault(KeyRing(_KEY), store)
    kept = Snapshots(vault, store, store)
    await store.commit(Commit((), tuple(vault.open_space(name) for name in names)))

    async def save(name: MissionId, n: int) -> None:
        goal = text(GOAL_BYTES, 0) if n == 1 else None
        change = Change(goal, {"erp": text(SLICE_BYTES, n)}, text(REFLECTION_BYTES, -n))
        prepared = await kept.save(Owner(name, _STEP), change, _BY)
        await store.commit(Commit(prepared.entries, prepared.writes, expect=prepared.expect))

    for n in range(1, steps + 1):
        await asyncio.gather(*(save(name, n) for name in names))


def _copy(path: Path, own: Sequence[MissionId], others: Sequence[MissionId]) -> None:
    """Rows of the same sizes for every other mission."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    (idx,) = connection.execute("SELECT max(idx) FROM entry").fetchone()
    connection.execute("BEGIN")
    for place, name in enumerate(others):
        model = own[place % len(own)]
        connection.execute(
            "INSERT INTO entry SELECT ? + row_number() OVER (ORDER BY seq), ?, seq, fact, hash, closes, canonical "
            "FROM entry WHERE stream = ?",
            (idx, f"state/{name}/{_STEP}", f"state/{model}/{_STEP}"),
        )
        idx += _EACH
        connection.execute("INSERT INTO blob SELECT ?, cid, data FROM blob WHERE space = ?", (name, model))
        for table, key, theirs in (("key", name, model), ("state-head", f"{name}/{_STEP}", f"{model}/{_STEP}")):
            connection.execute(
                "INSERT INTO record SELECT tbl, ?, value FROM record WHERE tbl = ? AND key = ?", (key, table, theirs)
            )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _probed(path: Path, names: Sequence[MissionId]) -> list[tuple[float, float]]:
    store = SqliteStore(path)
    found = [await _restored(store, name, _EACH) for name in names]
    await store.close()
    return found


async def _restored(store: SqliteStore, mission: MissionId, steps: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    kept = Snapshots(Vault(KeyRing(_KEY), store), store, store)
    head = await kept.head(Owner(mission, _STEP))
    assert head is not None
    state = await kept.restore(head)
    took = time.perf_counter() - wall, time.process_time() - cpu
    assert (head.seq, state.goal, len(state.reflections)) == (steps, text(GOAL_BYTES, 0), steps)
    assert state.tools == {"erp": text(SLICE_BYTES, steps)}
    return took


def _at(values: Sequence[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


if __name__ == "__main__":
    main()
