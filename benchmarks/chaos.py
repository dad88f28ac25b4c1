"""Missions on a cluster whose workers, server, Temporal and PostgreSQL are killed at random moments, from one seed.

Each mission writes one row to a real table. Half of the tools keep the key of a call beside the row, and may be called
again; the other half cannot tell, so a call that was cut off is put to a person, who looks into the table.

Afterwards every mission has ended, no row is there twice, a completed mission has its row, another one has none unless
its step was marked uncertain, and the record verifies.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.adapters.database_servers import PostgresServer
from tests.adapters.temporal_server import TemporalServer
from tests.processes.a_cluster import ACluster

from remit.bootstrap import current_principal
from remit.control_plane import Given
from remit.errors import RemitError

#: What is killed, as often as it stands here.
_VICTIMS = ("worker", "worker", "worker", "server", "temporal", "postgres")
_SETTLED_SECONDS = 600.0
_ENDED = {"completed", "failed", "cancelled"}
_TRIES = 200


@dataclass
class Chaos:
    """One run."""

    cluster: ACluster
    missions: int
    workers: int
    kill_every_seconds: tuple[float, float]
    choice: random.Random
    seconds: float
    submitted: dict[str, str] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    standing: dict[str, list] = field(default_factory=lambda: {"worker": [], "server": []})

    async def run(self) -> dict:
        """Kill until all missions were submitted and most have ended; then let the rest end, and look."""
        await self.cluster.make()
        began = time.monotonic()
        for _ in range(self.workers):
            await self._start("worker")
        await self._start("server")
        async with self.cluster.opened() as plane:
            submitted, ended = asyncio.Event(), asyncio.Event()
            killing = asyncio.create_task(self._kill_until(submitted))
            answering = asyncio.create_task(self._answer_until(plane, ended))
            await self._submit_all(plane)
            submitted.set()
            await killing
            await self._supervise()
            killed_for = time.monotonic() - began
            await self._all_have_ended(plane)
            ended.set()
            await answering
            found = await self._judge(plane)
        return {**found, "seconds_of_kills": round(killed_for), "seconds": round(time.monotonic() - began)}

    # --- what happens

    async def _submit_all(self, plane) -> None:
        by = current_principal(plane)
        pause = self.seconds / self.missions
        for n in range(self.missions):
            source = "bare" if n % 2 else "erp"
            inputs = {"invoice": f"{source}-{n}", "seconds": round(self.choice.uniform(0, 0.5), 3)}

            async def one(workflow=f"{source}-pay", inputs=inputs):
                mission = await plane.missions.submit(workflow, inputs, by)
                self.submitted[mission] = inputs["invoice"]
                plane.core.driver.nudge(mission)

            await _persistently(one)
            await asyncio.sleep(pause)

    async def _kill_until(self, over: asyncio.Event) -> None:
        under_way: dict[str, asyncio.Task] = {}
        while not over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), self.choice.uniform(*self.kill_every_seconds))
            victim, away = self.choice.choice(_VICTIMS), self.choice.uniform(0, 2)
            # What was killed is started again beside the next kills; the same kind is left until it stands.
            if not over.is_set() and (victim not in under_way or under_way[victim].done()):
                under_way[victim] = asyncio.create_task(self._kill(victim, away))
        await asyncio.gather(*under_way.values())

    async def _kill(self, victim: str, away: float) -> None:
        self.kills[victim] += 1
        if victim in self.standing:
            if not self.standing[victim]:
                return
            killed = self.standing[victim].pop(0)
            await asyncio.to_thread(self.cluster.kill, killed)
            await asyncio.sleep(away)
            await self._start(victim)
            return
        server = self.cluster.temporal if victim == "temporal" else self.cluster.postgres
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(away)
        await asyncio.to_thread(server.start)
        await self._supervise()

    async def _supervise(self) -> None:
        """Start again what has ended by itself, since what it needs was away."""
        for kind, processes in self.standing.items():
            for process in [one for one in processes if one.poll() is not None]:
                self.kills[f"{kind} ended by itself"] += 1
                processes.remove(process)
                self.cluster.forget(process)
                await self._start(kind)

    async def _start(self, kind: str) -> None:
        start = self.cluster.worker if kind == "worker" else self.cluster.serve
        for _ in range(_TRIES):
            try:
                self.standing[kind].append(await asyncio.to_thread(start))
            except AssertionError:  # it ended, since what it needs was away
                await asyncio.sleep(0.5)
            else:
                return
        raise AssertionError(self.cluster.log())

    async def _answer_until(self, plane, over: asyncio.Event) -> None:
        """Be the person who looks whether a payment of unknown effect was made."""
        by = current_principal(plane)

        async def one() -> None:
            for question in await plane.approvals.all(by):
                mission = question["mission"]
                verdict = "approve" if self.submitted.get(mission) in self.cluster.payments() else "reject"
                await plane.approvals.answer(Given(question["id"], verdict), by)
                self.answered[verdict] += 1
                plane.core.driver.nudge(mission)

        while not over.is_set():
            with suppress(RemitError, OSError, Exception):  # a store that is away is asked again
                await one()
            await asyncio.sleep(1)

    async def _all_have_ended(self, plane) -> None:
        until = time.monotonic() + _SETTLED_SECONDS
        while True:
            listed = dict(await plane.core.store.records("mission"))
            open_ones = [one for one in self.submitted if listed[one]["status"] not in _ENDED]
            if not open_ones:
                return
            assert time.monotonic() < until, [(one, listed[one]) for one in open_ones[:5]]
            await asyncio.sleep(1)

    async def _judge(self, plane) -> dict:
        by, paid = current_principal(plane), Counter(self.cluster.payments())
        statuses: Counter[str] = Counter()
        wrong = []
        for mission, invoice in self.submitted.items():
            shown = await plane.missions.show(mission, by)
            statuses[shown["status"]] += 1
            count, marked = paid[invoice], bool(shown["uncertain"]) or await _was_asked(plane, mission)
            if count > 1 or (shown["status"] == "completed" and count != 1):
                wrong.append((mission, invoice, shown["status"], count))
            if shown["status"] != "completed" and count and not marked:
                wrong.append((mission, invoice, shown["status"], count, "not marked"))
        verified = (await plane.ledger.verify())["ok"]
        return {
            "missions": len(self.submitted),
            "ended": dict(statuses),
            "rows": sum(paid.values()),
            "rows_twice": sum(count > 1 for count in paid.values()),
            "uncertain_answered": dict(self.answered),
            "kills": dict(self.kills),
            "verified": verified,
            "wrong": wrong,
        }


async def _was_asked(plane, mission: str) -> bool:
    return any(one["mission"] == mission for _, one in await plane.core.store.records("approval"))


async def _persistently(work) -> None:
    for _ in range(_TRIES):
        try:
            await work()
        except RemitError:
            await asyncio.sleep(0.3)
        else:
            return
    raise AssertionError("the store did not come back")


def chaos(missions: int, seed: int, *, workers: int = 2, seconds: float, folder: Path) -> dict:
    """Run once; what was found, and whether it is as it must be."""
    cluster = ACluster(folder, PostgresServer(), TemporalServer())
    run = Chaos(cluster, missions, workers, (1.0, 5.0), random.Random(seed), seconds)
    try:
        found = asyncio.run(run.run())
    finally:
        cluster.clear()
        cluster.temporal.kill()
        cluster.postgres.stop()
    return {**found, "seed": seed, "ok": not found["wrong"] and found["verified"]}


def main() -> None:
    """Run as the arguments say, and fail where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--missions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300.0, help="over which they are submitted")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = chaos(given.missions, given.seed, workers=given.workers, seconds=given.seconds, folder=Path(folder))
    print(json.dumps(found, indent=2))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
