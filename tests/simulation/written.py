"""Lives whose missions follow written workflows: waits, outside events, conditions, lists, missions within them."""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

from tests.simulation.checks import check_all
from tests.simulation.job import files
from tests.simulation.people import People
from tests.simulation.process import Process
from tests.simulation.scenario import Life

from remit.control_plane import ControlPlane
from remit.ids import MissionId
from remit.missions import MissionStatus, OutsideEvent, StepStatus, occur

_ROUNDS_MAX = 60
_HEAD = """\
apiVersion: remit/v1
kind: Workflow
name: {name}
tools: ["sim__*"]
budget: {{amount: "0.05", currency: USD}}
deadline_hours: 8784
steps:
"""
_SMALL = (
    _HEAD.format(name="small")
    + """\
  look: {tool: sim__find, agent: planner, with: {vendor: V1}}
  letter: {tool: sim__post, agent: planner, with: {reference: "${inputs.name}"}, after: [look]}
output: {account: "${steps.look.output.account?}"}
"""
)


def workflow(random: Random) -> str:
    """A plan that the seed draws: each step after some of those before it."""
    wait = random.choice(["30s", "10m", "2h"])
    each = 'for_each: "${inputs.names}", at_once: 2, when: index < 2'
    kinds = [
        "tool: sim__find, agent: planner, with: {vendor: V1}",
        'tool: sim__post, agent: planner, with: {reference: "${inputs.name}/NAME"}',
        f"timer: {wait}",
        'event: {name: go, match: {of: "${inputs.name}"}}, timeout: 2d',
        "event: {name: late}, timeout: 1h",
        each + ', tool: sim__post, agent: planner, with: {reference: "${inputs.name}/NAME/${item}"}',
        'workflow: small, with: {name: "${inputs.name}/NAME"}',
        "tool: sim__find, agent: planner, with: {vendor: V1}, when: inputs.flag",
        "question: {title: Go on?}",
    ]
    told = _HEAD.format(name="written")
    for place in range(random.randint(3, 8)):
        before = [f"s{other}" for other in range(place) if random.random() < 0.4]
        failure = random.choice(["continue", "continue", "fail", "escalate"])
        kind = random.choice(kinds).replace("NAME", f"s{place}")
        told += f"  s{place}: {{{kind}, after: [{', '.join(before)}], on_failure: {failure}}}\n"
    return told


class WrittenLife(Life):
    """Everything of one seed."""

    async def live(self) -> None:
        """Live it to its end, and check what must hold."""
        setup = self.plane(Process(self.random))
        await setup.resources.apply(files(self.random), None)
        await setup.resources.apply([("small.yaml", _SMALL), ("written.yaml", workflow(self.random))], None)
        owner = setup.core.door.controls.registry.principal("owner")
        for number in range(self.random.randint(1, 2)):
            inputs = {"name": f"w{number}", "names": ["a", "b", "c"], "flag": self.random.random() < 0.5}
            self.missions.append(await setup.missions.submit("written", inputs, owner))
        for _ in range(_ROUNDS_MAX):
            self._wake_paused()
            if await self._go_on():
                break
        else:
            raise AssertionError("the missions do not end")
        for process, _ in self.paused:
            process.come_back()
        await asyncio.gather(*(task for _, task in self.paused), return_exceptions=True)
        self.check()

    def check(self) -> None:
        """What must hold besides what holds in every life."""
        check_all(self)
        occurred: set[tuple[str, str, str]] = set()
        for entry in self.entries():
            if entry.kind == "event.occurred":
                once = (entry.stream, entry.payload["event"], entry.payload["step"])
                assert once not in occurred, f"{entry.ref}: the same event a second time"
                occurred.add(once)
        for mission, states in self.world.states.items():
            state = states[-1]
            for held in state.steps.values():
                self.world.counts[f"{held.step.kind} {held.status}"] += 1
            if state.submitted is not None and state.submitted.parent_step:
                above = self.world.state_of(state.submitted.parent)
                assert above.status.ended, f"{mission} stands below a mission that has not ended"
            if state.status is MissionStatus.COMPLETED:
                assert all(held.status.ended for held in state.steps.values()), f"{mission} left a step open"
                parked = [held for held in state.steps.values() if held.status is StepStatus.PARKED]
                assert not parked, f"{mission} completed while a step was parked"

    async def _work(self, plane: ControlPlane) -> bool:
        await plane.resources.reload()
        people = People(self.world, plane, self.random)
        for number in range(_ROUNDS_MAX):
            disturbing = asyncio.ensure_future(people.disturb(self.missions))
            rests = await asyncio.gather(*(plane.missions.drive(mission, people.owner) for mission in self.missions))
            await disturbing
            if all(rest["ended"] for rest in rests):
                # Those that stood below one that was cancelled hear of it, as any driver would tell them.
                below = [plane.core.driver.drive(MissionId(mission)) for mission in await plane.missions.open()]
                return all(rest.ended for rest in await asyncio.gather(*below))
            await self._outside(plane, number)
            await people.attend()
        raise AssertionError("the missions go in circles")

    async def _serve(self, process: Process, plane: ControlPlane) -> bool:  # noqa: ARG002 -- as every life's
        return await self._work(plane)

    async def _outside(self, plane: ControlPlane, number: int) -> None:
        """Time passes, and something happens outside: now and then twice, now and then for one mission."""
        self.world.offset += timedelta(seconds=self.random.choice([5, 700, 7_300, 86_400]))
        name = self.random.choice(["go", "go", "late"])
        of = f"w{self.random.randrange(len(self.missions))}"
        mission = MissionId(self.random.choice(self.missions)) if name == "late" else None
        event = OutsideEvent(f"e{number // 2}", name, "trigger/sim", {"of": of}, mission)
        for _ in range(self.random.choice([1, 2])):
            done: Any = await occur(plane.core.door, plane.core.store, plane.core.clock, event)
            self.world.counts[f"event {'taken' if done.taken else done.reason.split(' ')[0]}"] += 1
