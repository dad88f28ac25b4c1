"""A whole cluster in real processes, and a company whose effects can be counted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from tests.adapters.database_servers import PostgresServer
from tests.adapters.temporal_server import TemporalServer

from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.control_plane import Given, closing

BOUND_SECONDS = 90.0
_ROOT = Path(__file__).parents[2]
_REMIT = (sys.executable, "-m", "remit.cli")
#: The book has no rule that keeps an invoice from being paid twice: a second payment would be seen.
_TABLES = """
    CREATE TABLE payments (id bigserial PRIMARY KEY, invoice text NOT NULL, made_at timestamptz DEFAULT now());
    CREATE TABLE remit_calls (call_key varchar(200) PRIMARY KEY, statement varchar(100) NOT NULL,
                              answer text NOT NULL, made_at varchar(40) NOT NULL);
"""
_FILES = """\
apiVersion: remit/v1
kind: ToolSource
name: {source}
sql:
  url: {erp}
  statements:
    pay:
      description: Pay an invoice.
      sql: INSERT INTO payments (invoice) SELECT :invoice FROM (SELECT pg_sleep(:seconds)) AS slow
      fields: {{invoice: {{type: text, max_length: 80}}, seconds: {{type: number}}}}
      max_rows: 1
  {keys}
  limits: {{rows: 200, seconds: 30}}
tools:
  pay: {{tier: restricted-write, idempotent: {idempotent}, roles: {{id: $.invoice}}{limits}}}
---
apiVersion: remit/v1
kind: Agent
name: {source}-clerk
version: 1.0.0
skills: [{{name: {source}.note, description: notes}}]
run: {{python: "tests.processes.cluster_agent:note"}}
tools: ["{source}__pay"]
---
apiVersion: remit/v1
kind: Policy
name: {source}-pays
agents: [{source}-clerk]
tools: ["{source}__pay"]
---
apiVersion: remit/v1
kind: Workflow
name: {source}-pay
inputs: {{type: object, required: [invoice, seconds]}}
tools: ["{source}__pay"]
budget: {{amount: "1.00", currency: USD}}
steps:
  pay:
    tool: {source}__pay
    agent: {source}-clerk
    with: {{invoice: "${{inputs.invoice}}", seconds: "${{inputs.seconds}}"}}
  note: {{skill: {source}.note, with: {{}}, after: [pay]}}
"""
_MORE = """\
apiVersion: remit/v1
kind: Agent
name: outside
version: 1.0.0
run: {connected: true}
tools: ["erp__pay", "bare__pay", "till__pay"]
---
apiVersion: remit/v1
kind: Policy
name: outside-pays
agents: [outside]
tools: ["erp__pay", "bare__pay", "till__pay"]
---
apiVersion: remit/v1
kind: Workflow
name: asks-and-waits
inputs: {type: object, required: [invoice]}
tools: ["erp__pay"]
budget: {amount: "1.00", currency: USD}
steps:
  sure: {question: {title: "Pay ${inputs.invoice}?"}}
  later: {timer: 1s, after: [sure]}
  pay: {tool: erp__pay, agent: erp-clerk, with: {invoice: "${inputs.invoice}", seconds: 0}, after: [later]}
---
apiVersion: remit/v1
kind: Workflow
name: in-turn
inputs: {type: object, required: [invoice, other]}
tools: ["erp__pay"]
budget: {amount: "2.00", currency: USD}
steps:
  first: {workflow: erp-pay, with: {invoice: "${inputs.invoice}", seconds: 0}}
  second: {workflow: erp-pay, with: {invoice: "${inputs.other}", seconds: 0}, after: [first]}
"""


#: How long a story may take.
STORY_SECONDS = 150


@dataclass
class ACluster:
    """Servers of the test's own, a home on them, and whichever processes the test starts."""

    folder: Path
    postgres: PostgresServer
    temporal: TemporalServer
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    #: What the last process said when it was ready.
    said: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def settings(self) -> Settings:
        return Settings(self.home, temporal=self.temporal.address, store=f"{self.postgres.address}/remit")

    async def make(self) -> None:
        """Databases, the home, and the company in it."""
        with psycopg.connect(f"{self.postgres.address}/postgres", autocommit=True) as admin:
            admin.execute("CREATE DATABASE remit")
            admin.execute("CREATE DATABASE erp")
        with self.erp() as erp:
            erp.execute(_TABLES)
        await create_home(self.settings)
        url = f"{self.postgres.address}/erp"
        kept = {"erp": url, "keys": "keys_table: remit_calls", "idempotent": "true", "limits": ""}
        bare = {**kept, "keys": "", "idempotent": "false"}
        till = {**kept, "limits": ", limits: {concurrent: 1}"}
        sources = {"erp": kept, "bare": bare, "till": till}
        files = [(f"{name}.yaml", _FILES.format_map({"source": name, **one})) for name, one in sources.items()]
        async with self.opened() as plane:
            await plane.resources.apply([*files, ("more.yaml", _MORE)], current_principal(plane))

    def erp(self) -> psycopg.Connection:
        """A connection to the company's own database."""
        return psycopg.connect(f"{self.postgres.address}/erp", autocommit=True)

    def payments(self) -> list[str]:
        """Invoices in the order in which they were paid."""
        with self.erp() as erp:
            return [invoice for (invoice,) in erp.execute("SELECT invoice FROM payments ORDER BY id").fetchall()]

    @asynccontextmanager
    async def opened(self):
        """The home, opened in this process, which drives nothing by itself."""
        async with closing(await open_home(self.settings)) as plane:
            yield plane

    # --- processes

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        """Start one of Remit's commands on the home, and return when it says that it is ready."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [*_REMIT, *command, "--home", str(self.home), "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment(more),
                cwd=_ROOT,
            )
        self.processes.append(process)
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            if not line:
                code = process.wait(BOUND_SECONDS)
                self.forget(process)
                raise AssertionError(f"ended with {code}: {self.log()}")
            text += line
        self.said = json.loads(text)
        return process

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one of Remit's commands on the home to its end."""
        whole = [*_REMIT, *command, "--home", str(self.home), "--json"]
        return subprocess.run(
            whole, capture_output=True, text=True, env=self._environment(more), timeout=BOUND_SECONDS, check=False
        )

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER", "LOGNAME") if name in os.environ}
        settings = {"REMIT_STORE": self.settings.store, "REMIT_TEMPORAL": self.temporal.address}
        return {**kept, **settings, "PYTHONPATH": str(_ROOT), **more}

    def worker(self, *options: str) -> subprocess.Popen[str]:
        """A worker that polls."""
        return self.start("worker", *options)

    def serve(self) -> subprocess.Popen[str]:
        """A server at a free port."""
        return self.start("serve", "--port", "0")

    def log(self) -> str:
        """What the processes said beside their answers."""
        return (self.folder / "log").read_text("utf-8")[-3000:]

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a process with SIGKILL."""
        process.kill()
        process.wait(BOUND_SECONDS)
        process.stdout.close()
        self.processes.remove(process)

    def end(self, process: subprocess.Popen[str]) -> int:
        """End a process with SIGTERM; its exit code."""
        process.send_signal(signal.SIGTERM)
        code = process.wait(BOUND_SECONDS)
        process.stdout.close()
        self.processes.remove(process)
        return code

    def forget(self, process: subprocess.Popen[str]) -> None:
        """Take note that a process has ended by itself."""
        process.stdout.close()
        self.processes.remove(process)

    def clear(self) -> None:
        """End every process that the test left."""
        for process in list(self.processes):
            self.kill(process)


async def until(true: Callable[[], Awaitable[bool]], seconds: float = BOUND_SECONDS) -> float:
    """Wait until this holds; how long that took."""
    began = time.monotonic()
    while not await true():
        assert time.monotonic() - began < seconds, "it did not come about in time"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def status_is(plane, mission: str, *statuses: str) -> Callable[[], Awaitable[bool]]:
    """True once the mission stands so."""

    async def looked() -> bool:
        shown = await plane.missions.show(mission, current_principal(plane))
        assert shown["status"] in {*statuses, "working", "waiting", "queued", "paused", "undoing"}, shown
        return shown["status"] in statuses

    return looked


def step_is(plane, mission: str, step: str, *statuses: str) -> Callable[[], Awaitable[bool]]:
    """True once the step stands so."""

    async def looked() -> bool:
        shown = await plane.missions.show(mission, current_principal(plane))
        return any(one["id"] == step and one["status"] in statuses for one in shown["steps"])

    return looked


@contextmanager
def made_cluster(folder: Path, temporal_setting: str = ""):
    """A cluster on servers of its own, which end with it; `temporal_setting` is NAME=VALUE of its configuration."""
    given = ("--dynamic-config-value", temporal_setting) if temporal_setting else ()
    cluster = ACluster(folder, PostgresServer(), TemporalServer(*given))
    try:
        asyncio.run(cluster.make())
        yield cluster
    finally:
        cluster.clear()
        cluster.temporal.kill()
        cluster.postgres.stop()


def told(cluster: ACluster, story: Callable[..., Awaitable[None]]) -> None:
    """Tell a story of the home, opened in this process; what it started is gone afterwards."""

    async def tell() -> None:
        async with cluster.opened() as plane:
            await asyncio.wait_for(story(plane), STORY_SECONDS)

    try:
        asyncio.run(tell())
    finally:
        cluster.clear()


async def submit(plane, workflow: str, **inputs) -> str:
    """Submit a mission, and have it carried."""
    mission = await plane.missions.submit(workflow, inputs, current_principal(plane))
    plane.core.driver.nudge(mission)
    return mission


async def approve(plane, mission: str) -> None:
    """Say yes to the mission's one question."""
    by = current_principal(plane)

    async def asked() -> bool:
        return bool(await plane.approvals.all(by, mission=mission))

    await until(asked)
    (question,) = await plane.approvals.all(by, mission=mission)
    await plane.approvals.answer(Given(question["id"], question["answers"][0]), by)
    plane.core.driver.nudge(mission)
