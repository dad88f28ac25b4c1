"""One simulated life: missions that read, pay, post and ask, on processes that crash, pause and come back."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from tests.simulation.checks import check_all
from tests.simulation.job import agent, files
from tests.simulation.loop import run
from tests.simulation.people import People
from tests.simulation.process import Process, SeededIds, SimulatedClock, SimulatedStore, SimulatedTools
from tests.simulation.world import SeededKeys, World

from remit.adapters.memory import MemoryKeys, MemoryStore
from remit.control_plane import ControlPlane, Core, Principal, authenticator_of, kinds
from remit.drivers import EmbeddedDriver
from remit.errors import DriverReplaced
from remit.gateway import Admission, Controls, Door
from remit.ids import DEFAULT_TENANT
from remit.ledger import Entry
from remit.ledger.seal import Signer
from remit.missions import Performer
from remit.policy import PolicySet
from remit.registry import Registry
from remit.state import Vault

_ROUNDS_MAX = 60


class Life:
    """Everything of one seed."""

    store_type: type[SimulatedStore] = SimulatedStore
    tools_type: type[SimulatedTools] = SimulatedTools

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.shared = MemoryStore()
        self.world = World(self.shared, self.random)
        self.ids = SeededIds()
        self.signer = Signer.from_seed("sim", b"s" * 32)
        self.missions: list[str] = []
        self.paused: list[tuple[Process, asyncio.Task[Any]]] = []
        #: What crashed lies where it fell: collected as garbage, it would stir once more, whenever that happens.
        self.fallen: list[Any] = []

    def plane(self, process: Process) -> ControlPlane:
        """What a process builds when it starts."""
        store = self.store_type(self.world, process)
        clock = SimulatedClock(self.world)
        vault = Vault(SeededKeys(), store)
        tools = self.tools_type(self.world, process)
        controls = Controls(Registry(), PolicySet.compile([], None, frozenset()))
        door = Door(controls, store, vault, {"sim": tools}, clock, Admission(clock), DEFAULT_TENANT)
        performer = Performer(door, clock, self.ids, lambda _: agent)
        driver = EmbeddedDriver(store, performer, _nothing, "simulated")
        driver.changed = lambda mission: self.world.compare(mission.state)
        once = asyncio.Lock()

        async def lease() -> None:
            async with once:
                if driver._advancer is None:
                    await driver.take_over()

        core = Core(
            home=Path("/nowhere"),
            store=store,
            door=door,
            driver=driver,
            clock=clock,
            ids=self.ids,
            signer=self.signer,
            kinds=kinds(),
            connect=lambda _: tools,
            reader="offline",
            take_lease=lease,
            let_go=lambda: None,
            transports=door.transports,
            authenticator=authenticator_of(door, self.signer, clock, store),
            token_keys=MemoryKeys(),
        )
        plane = ControlPlane.of(core)
        driver.reload = plane.resources.reload
        return plane

    async def live(self) -> None:
        """Live it to its end, and check what must hold."""
        setup = self.plane(Process(self.random))
        await setup.resources.apply(files(self.random), None)
        for number in range(self.random.randint(1, 3)):
            amounts = [self.random.choice(["10.00", "250.00", "5000.00", "5000.01", "9000.00"]) for _ in range(2)]
            inputs = {"name": f"m{number}", "amounts": amounts}
            self.missions.append(await setup.missions.submit("sim", inputs, _owner(setup)))
        for _ in range(_ROUNDS_MAX):
            self._wake_paused()
            if await self._go_on():
                break
        else:
            raise AssertionError("the missions do not end")
        for process, _ in self.paused:
            process.come_back()
        await asyncio.gather(*(task for _, task in self.paused), return_exceptions=True)
        check_all(self)

    def entries(self) -> list[Entry]:
        """The whole record, in the order in which it was written."""
        return [self.shared._entry(idx + 1) for idx in range(len(self.shared._canonical))]

    async def _go_on(self) -> bool:
        """Start a process and let it work until everything has ended (True), or it has crashed or paused (False)."""
        crash_at = self.random.choice([0, 0, *(self.random.randrange(1, 160) for _ in range(6))])
        process = Process(self.random, crash_at, pauses=bool(crash_at) and self.random.random() < 0.3)
        plane = self.plane(process)
        work = asyncio.ensure_future(self._serve(process, plane) if self.random.random() < 0.3 else self._work(plane))
        gone = asyncio.ensure_future(process.gone.wait())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        self.fallen.append((process, plane, work))
        if work.done():
            gone.cancel()
            try:
                return work.result()
            except DriverReplaced:
                # A paused process that had not yet taken the lease came back and took it: this one must stop.
                self.world.counts["replaced"] += 1
                return False
        self.world.counts["pauses" if process.pauses else "crashes"] += 1
        if process.pauses:
            self.paused.append((process, work))
        return False

    async def _work(self, plane: ControlPlane) -> bool:
        """A command: drive, let people answer in the same process, drive again."""
        await plane.resources.reload()
        people = People(self.world, plane, self.random)
        for _ in range(_ROUNDS_MAX):
            disturbing = asyncio.ensure_future(people.disturb(self.missions))
            drives = (plane.missions.drive(mission, people.owner) for mission in self.missions)
            rests = await asyncio.gather(*drives)
            await disturbing
            if all(rest["ended"] for rest in rests):
                return True
            await people.attend()
        raise AssertionError("the missions go in circles")

    async def _serve(self, process: Process, plane: ControlPlane) -> bool:
        """A server: its driver hears of nothing but what it sees in the store; people act through another process."""
        await plane.resources.reload()
        await plane.core.take_lease()
        stop = asyncio.Event()
        driving = asyncio.ensure_future(plane.core.driver.run(stop))
        aside = self.plane(Process(self.random))
        await aside.resources.reload()
        people = People(self.world, aside, self.random)
        for number in range(_ROUNDS_MAX):
            await people.disturb(self.missions)
            await asyncio.wait({driving}, timeout=min(0.1 * 1.5**number, 40))
            if driving.done():
                await driving
            if all(state.status.ended for state in map(self.world.state_of, self.missions)):
                stop.set()
                await driving
                return await self._work(self.plane(process))  # a new start books what was cut off
            await people.attend()
        raise AssertionError("the missions go in circles")

    def _wake_paused(self) -> None:
        for process, _ in self.paused:
            if process.dead and self.random.random() < 0.5:
                self.world.counts["paused and came back"] += 1
                process.come_back()


def _owner(plane: ControlPlane) -> Principal:
    return plane.core.door.controls.registry.principal("owner")


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
