"""One simulated life: missions that read, pay, post and ask, on processes that crash, pause and come back."""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from tests.simulation.loop import run
from tests.simulation.world import Process, SeededIds, SimulatedClock, SimulatedStore, SimulatedTools, World

from remit.adapters.memory import MemoryKeys, MemoryStore
from remit.control_plane import ControlPlane, Core, Given, authenticator_of, kinds
from remit.drivers import EmbeddedDriver
from remit.errors import AlreadyAnswered, DriverReplaced, MissionEnded
from remit.gateway import Admission, Controls, Door
from remit.ids import DEFAULT_TENANT, MissionId
from remit.ledger import Entry
from remit.ledger.seal import Signer
from remit.ledger.verify import Verifier
from remit.missions import ActiveMission, Performer, StepContext
from remit.policy import PolicySet
from remit.registry import Registry
from remit.state import KeyRing, Vault

_ROUNDS_MAX = 60
RESOURCES = """\
apiVersion: remit/v1
kind: Principal
name: owner
roles: [owner]
---
apiVersion: remit/v1
kind: Budget
name: tenant
limit: {amount: "1.00", currency: USD}
---
apiVersion: remit/v1
kind: ToolSource
name: sim
python: {module: simulated}
tools:
  find: {tier: read-only, directory: true}
  read: {tier: read-only, extracts: {$.amount: number}, cost: {amount: "0.001", currency: USD}}
  pay:
    tier: critical
    idempotent: true
    roles:
      amount: $.amount
      currency: {path: $.currency, from: [directory]}
      payee: $.vendor
      account: {path: $.account, from: [directory], strict: true}
  post: {tier: restricted-write}
---
apiVersion: remit/v1
kind: Agent
name: planner
version: 1.0.0
skills: [{name: sim.plan, description: plans}, {name: sim.settle, description: pays inside a step}]
run: {python: "simulated:agent"}
tools: ["sim__*"]
---
apiVersion: remit/v1
kind: Policy
name: sim
agents: [planner]
tools: ["sim__*"]
require_approval_if_over: 5000
---
apiVersion: remit/v1
kind: Workflow
name: sim
start: sim.plan
tools: ["sim__*"]
budget: {amount: "0.05", currency: USD}
deadline_hours: 8784
"""


class SeededKeys(KeyRing):
    """Data keys from the seed, so that a seed gives the same ledger to the last byte."""

    def new_key(self, name: str) -> str:
        key, nonce = sha256(name.encode()).digest(), sha256(b"nonce" + name.encode()).digest()[:12]
        return (nonce + self._wrapping.encrypt(nonce, key, name.encode())).hex()


async def agent(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Plans a small mission, or pays inside its own step with several calls at once and a broad handler."""
    vendor = given.get("vendor", "V1")
    if context.skill == "sim.plan":
        for number, amount in enumerate(given["amounts"]):
            step, reference = f"pay-{number}", f"{given['name']}/{number}"
            context.propose(
                step, skill="sim.settle", given={"amount": amount, "reference": reference, "vendor": vendor}
            )
        context.propose("letter", tool="sim__post", given={"reference": given["name"]}, after=["pay-0"])
        context.propose("really", given={"title": "Go on?", "answers": {"approve": "yes", "reject": "no"}})
        context.propose("last", skill="sim.settle", given={"amount": "7.00", "reference": f"{given['name']}/last"},
                        after=["really", "letter"])  # fmt: skip
        return {"planned": len(given["amounts"])}
    found, read = await asyncio.gather(
        context.call("sim__find", {"vendor": vendor}), context.call("sim__read", {"amount": given["amount"]})
    )
    call = {
        "vendor": vendor,
        "account": found["account"],
        "amount": read["amount"],
        "currency": found["currency"],
        "reference": given["reference"],
    }
    return await context.call("sim__pay", call)


class Life:
    """Everything of one seed."""

    store_type: type[SimulatedStore] = SimulatedStore
    tools_type: type[SimulatedTools] = SimulatedTools

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.shared = MemoryStore()
        self.world = World(self.shared, self.random)
        self.ids = SeededIds()
        #: Epoch to the number of entries when the next one took over.
        self.over_at: dict[int, int] = {}
        self.paused: list[tuple[Process, asyncio.Task[Any]]] = []
        #: What crashed lies where it fell: collected as garbage, it would stir once more, whenever that happens.
        self.fallen: list[Any] = []
        self.answered: dict[str, str] = {}

    def plane(self, process: Process) -> ControlPlane:
        """What a process builds when it starts."""
        store = self.store_type(self.shared, process, self.took_over)
        clock = SimulatedClock()
        vault = Vault(SeededKeys(b"k" * 32), store)
        tools = self.tools_type(self.world, process)
        controls = Controls(Registry(), PolicySet.compile([], None, frozenset()))
        door = Door(controls, store, vault, {"sim": tools}, clock, Admission(clock), DEFAULT_TENANT)
        driver = EmbeddedDriver(store, Performer(door, clock, self.ids, lambda _: agent), _nothing, "simulated")

        once = asyncio.Lock()

        async def lease() -> None:
            async with once:
                if driver._advancer is None:
                    await driver.take_over()

        signer = Signer.from_seed("sim", b"s" * 32)
        core = Core(
            home=Path("/nowhere"),
            store=store,
            door=door,
            driver=driver,
            clock=clock,
            ids=self.ids,
            signer=signer,
            authenticator=authenticator_of(door, signer, clock),
            token_keys=MemoryKeys(),
            kinds=kinds(),
            connect=lambda _: tools,
            reader="offline",
            take_lease=lease,
            let_go=lambda: None,
            transports=door.transports,
        )
        return ControlPlane.of(core)

    def start(self) -> tuple[Process, ControlPlane]:
        crash_at = self.random.choice([0, 0, *(self.random.randrange(1, 160) for _ in range(6))])
        process = Process(self.random, crash_at, pauses=self.random.random() < 0.3)
        return process, self.plane(process)

    def took_over(self) -> None:
        """The lease has passed to a new epoch: from this entry on the one before is refused."""
        self.over_at[self.shared._epoch - 1] = len(self.shared._canonical)

    async def live(self) -> None:
        setup = self.plane(Process(self.random))
        await setup.resources.apply([("sim.yaml", RESOURCES)], None)
        by = setup.core.door.controls.registry.principal("owner")
        missions = []
        for number in range(self.random.randint(1, 3)):
            amounts = [self.random.choice(["10.00", "250.00", "5000.00", "5000.01", "9000.00"]) for _ in range(2)]
            missions.append(await setup.missions.submit("sim", {"name": f"m{number}", "amounts": amounts}, by))
        for _ in range(_ROUNDS_MAX):
            process, plane = self.start()
            self._wake_paused()
            if await self._drive(process, plane, missions):
                break
        else:
            raise AssertionError("the missions do not end")
        for process, _ in self.paused:
            process.come_back()
        await asyncio.gather(*(task for _, task in self.paused), return_exceptions=True)
        await self._check(missions)

    async def _drive(self, process: Process, plane: ControlPlane, missions: list[str]) -> bool:
        """Drive and answer until everything has ended (True), or the process has crashed or paused (False)."""
        work = asyncio.ensure_future(self._work(plane, missions))
        gone = asyncio.ensure_future(process.gone.wait())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            gone.cancel()
            try:
                return work.result()
            except DriverReplaced:
                # A paused process that had not yet taken the lease came back and took it: this one must stop.
                self.world.counts["replaced"] += 1
                return False
        self.fallen.append((process, plane, work))
        self.world.counts["pauses" if process.pauses else "crashes"] += 1
        if process.pauses:
            self.paused.append((process, work))
        return False

    async def _work(self, plane: ControlPlane, missions: list[str]) -> bool:
        await plane.resources.reload()
        by = plane.core.door.controls.registry.principal("owner")
        for _ in range(_ROUNDS_MAX):
            rests = await asyncio.gather(*(plane.missions.drive(mission, by) for mission in missions))
            if all(rest["ended"] for rest in rests):
                return True
            for asked in await plane.approvals.all(by):
                verdict = self.random.choice(["approve", "approve", "reject"])
                try:
                    await plane.approvals.answer(Given(asked["id"], verdict), by)
                    if self.random.random() < 0.2:
                        await plane.approvals.answer(Given(asked["id"], "approve"), by)
                        raise AssertionError("an approval was answered twice")
                except (AlreadyAnswered, MissionEnded):
                    self.world.counts["answered twice"] += 1
        raise AssertionError("the missions go in circles")

    def _wake_paused(self) -> None:
        for process, _ in self.paused:
            if process.dead and self.random.random() < 0.5:
                self.world.counts["zombies"] += 1
                process.come_back()

    # --- what must hold

    def entries(self) -> list[Entry]:
        """The whole record, in the order in which it was written."""
        return [self.shared._entry(idx + 1) for idx in range(len(self.shared._canonical))]

    async def _check(self, missions: list[str]) -> None:
        entries = self.entries()
        uncertain = {entry.payload["step"] for entry in entries if entry.kind == "step.suspended"
                     and entry.payload["about"] == "effect_uncertain"}  # fmt: skip
        assert not self.world.violations, self.world.violations
        assert all(count <= 1 for count in self.world.business.values()), "a payment was made twice"
        for key, count in self.world.posted.items():
            assert count <= 1 or uncertain, f"{key} was posted {count} times"
        for entry in entries:
            self._check_epoch(entry)
            if entry.kind == "call.done" and entry.payload["ok"]:
                self._check_success(entry, bool(uncertain))
        for name, balance in self.shared._balances.items():
            assert balance.held == 0, f"{name} still holds {balance.held} when everything has ended"
        for mission in missions:
            active = await ActiveMission.load(
                MissionId(mission), self.shared, self.plane(Process(self.random)).core.door.vault
            )
            assert active.state.status.ended
            assert active.state.open_steps == 0
        verifier = Verifier(None)
        for idx, canonical, digest in await self.shared.rows(limit=100_000):
            verifier.entry(idx, canonical, digest)
        assert verifier.finish().ok
        self.world.counts["uncertain"] += len(uncertain)
        self.world.counts["suspended"] += sum(entry.kind == "step.suspended" for entry in entries)

    def _check_epoch(self, entry: Any) -> None:
        if entry.kind == "step.started":
            over = self.over_at.get(entry.payload["epoch"])
            assert over is None or entry.idx <= over, "a claim of a driver that was replaced"

    def _check_success(self, entry: Any, uncertain: bool) -> None:
        permit = self.world.permit_of(entry.payload["key"])
        assert permit is not None
        key = entry.payload["key"]
        # Where a person said of an uncertain effect that it took place, the record holds the person's word.
        if permit["tool"] == "sim__pay" and not uncertain:
            assert self.world.paid[key], "a success is on record without its effect"
        if permit["tool"] == "sim__post" and not uncertain:
            assert self.world.posted[key], "a success is on record without its effect"


async def _nothing() -> None:
    return None


def live(seed: int, life: type[Life] = Life) -> Life:
    """Live one seed; a failure tells the seed."""
    lived = life(seed)
    try:
        run(lived.random, lived.live())
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    return lived
