"""A home on memory adapters: agents as plain functions, tools as plain functions, and time that somebody moves."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from textwrap import dedent
from typing import Any

from tests.gateway.builders import (
    BOUND_SECONDS,
    DOLLAR,
    TENANT,
    FakeClock,
    FakeTransport,
    a_payment,
    a_person,
    a_tool,
    an_agent,
    open_policy,
    run,
)

from remit.adapters.memory import MemoryStore
from remit.adapters.own import OWN_SOURCE, OwnTransport
from remit.adapters.own import TOOLS as OWN_TOOLS
from remit.drivers import EmbeddedDriver
from remit.gateway import Admission, Controls, Door, Transport
from remit.identity import Principal
from remit.ids import ApprovalId, MissionId, StepId
from remit.ledger import Commit, Entry, OpenBalance, Store
from remit.missions import (
    ActiveMission,
    Given,
    MissionState,
    Performer,
    Rest,
    StepState,
    Submission,
    answer,
    find_approval,
    submit,
)
from remit.policy import PolicySet
from remit.quantities import Money
from remit.registry import Limits, Registry, StoredResource, Workflow, WorkflowDocument
from remit.registry.flow_check import check_flow
from remit.resources import RawResource, read_resources, validate
from remit.state import KeyRing, Memory, Pointer, Snapshots, Vault

__all__ = ["BOUND_SECONDS", "Home", "a_home", "a_payment", "a_person", "a_tool", "an_agent", "open_policy", "run"]

Agents = Mapping[str, Any]
_HEAD = """\
apiVersion: remit/v1
kind: Workflow
budget: {amount: "10.00", currency: USD}
tools: ["*"]
"""


class House:
    """What the homes of tests stand on; the contract tells the same stories on others."""

    def store(self) -> Store:
        """A new store."""
        return MemoryStore()

    def driver(self, home: "Home") -> Any:
        """What drives a process's missions."""
        return EmbeddedDriver(home.store, home.performer, home._reload, "test")

    async def drive(self, driver: Any, mission: MissionId) -> Rest:
        """Drive one mission as far as it goes."""
        if driver._advancer is None:
            await driver.take_over()
        rest: Rest = await driver.drive(mission)
        return rest


HOUSE = House()


class CountedIds:
    """Identifiers that tests can foresee."""

    def __init__(self) -> None:
        self.count = 0

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}-{self.count}"


class Home:
    """One process's view of a home; `restarted` is the next process's."""

    def __init__(self, agents: Agents, tools: Any, transport: FakeTransport, store: Store, clock: FakeClock) -> None:
        self.agents = dict(agents)
        self.tools = tuple(tools)
        self.transport = transport
        self.store = store
        self.clock = clock
        self.people = {"anna": a_person("anna"), "oscar": a_person("oscar", "operator")}
        self.policies: list[Any] = [open_policy()]
        self.halts: frozenset[str] = frozenset()
        self.agent_fields: dict[str, Any] = {}
        #: What only this agent declares.
        self.fields_of: Callable[[str], Mapping[str, Any]] = lambda _name: {}
        #: Other versions of agents, and workflows.
        self.resources: list[Any] = []
        self.ids = CountedIds()
        self._assemble()

    def _assemble(self) -> None:
        vault = Vault(KeyRing(b"k" * 32), self.store)
        sources: dict[str, Transport] = dict.fromkeys({tool.source for tool in self.tools}, self.transport)
        snapshots, memory = Snapshots(vault, self.store, self.store), Memory(vault, self.store)
        sources[OWN_SOURCE] = OwnTransport(snapshots, memory, lambda: self.door.controls)
        self.door = Door(self._controls(), self.store, vault, sources, self.clock, Admission(self.clock), TENANT)
        self.performer = Performer(self.door, self.clock, self.ids, self._code_of)
        self.driver = HOUSE.driver(self)

    def _controls(self) -> Controls:
        agents = [an_agent(name, **{**self.agent_fields, **self.fields_of(name)}) for name in self.agents]
        resources = [*self.people.values(), *agents, *self.resources]
        registry = Registry.build(resources, [*self.tools, *OWN_TOOLS])
        policies = PolicySet.compile(self.policies, None, registry.names.agents)
        return Controls(registry, policies, self.halts)

    def _code_of(self, reference: str) -> Any:
        return self.agents[reference.split(":")[1]]

    async def _reload(self) -> None:
        self.door.controls = self._controls()

    # --- what people do

    def change(self, **fields: Any) -> None:
        """Change policies, halts, people or tools, as `apply` and `halt` would."""
        for name, value in fields.items():
            assert hasattr(self, name)
            setattr(self, name, value)
        self.door.controls = self._controls()

    async def submit(
        self,
        *,
        tools: tuple[str, ...] = ("*",),
        by: str = "anna",
        budget: int = 10,
        start: str = "plan",
        steps: int = 20,
        **inputs: Any,
    ) -> MissionId:
        limit, most = Money(budget * DOLLAR, "USD"), Limits(max_steps=steps)
        workflow = Workflow("work", "", start, {"type": "object"}, tools, limit, 168, None, most)
        return await submit(self.door, self.clock, self.ids, self.person(by), Submission(workflow, inputs, "rules"))

    def write(self, text: str) -> Workflow:
        """Apply a workflow as a file would hold it, without the head; its budget is there already."""
        (raw,), problems = read_resources(_HEAD + dedent(text), "workflow.yaml")
        names = self.door.controls.registry.names
        sources = frozenset(tool.source for tool in self.tools)
        names = replace(names, resources={**names.resources, "ToolSource": sources})
        problems += [*validate(raw, WorkflowDocument)[1], *check_flow(raw, names)]
        assert not problems, [str(problem) for problem in problems]
        return self._store(raw)

    def write_unchecked(self, text: str) -> Workflow:
        """Apply a workflow that the check would refuse, as two files that are applied in turn may make one."""
        (raw,), _ = read_resources(_HEAD + dedent(text), "workflow.yaml")
        return self._store(raw)

    def _store(self, raw: RawResource) -> Workflow:
        others = [one for one in self.resources if (one.kind, one.name) != ("Workflow", raw.name)]
        self.change(resources=[*others, StoredResource("Workflow", raw.name, raw.fields)])
        return self.door.controls.registry.workflow(raw.name)

    async def submit_named(self, workflow: str, /, *, by: str = "anna", **inputs: Any) -> MissionId:
        """Submit a mission of a workflow that was applied."""
        submission = Submission(self.door.controls.registry.workflow(workflow), inputs, "rules")
        return await submit(self.door, self.clock, self.ids, self.person(by), submission)

    async def submit_written(self, text: str, *, by: str = "anna", **inputs: Any) -> MissionId:
        """Apply a workflow, and submit a mission of it."""
        return await self.submit_named(self.write(text).name, by=by, **inputs)

    def person(self, name: str) -> Principal:
        return self.door.controls.registry.principal(name)

    async def answer(self, verdict: str = "approve", *, approval: str = "", by: str = "anna", **fields: Any) -> None:
        """Answer the one open question, or the one that is named."""
        wanted = ApprovalId(approval or await self.the_question())
        record = await find_approval(self.store, wanted)
        await answer(self.door, self.clock, record, self.person(by), Given(wanted, verdict, **fields))

    # --- what drives

    async def drive(self, mission: MissionId) -> Rest:
        return await HOUSE.drive(self.driver, mission)

    def restarted(self) -> "Home":
        """Another process on the same home: nothing but the store lives on."""
        after = Home(self.agents, self.tools, self.transport, self.store, self.clock)
        after.people, after.policies, after.halts = self.people, self.policies, self.halts
        after.agent_fields, after.ids, after.resources = self.agent_fields, self.ids, self.resources
        after._assemble()
        return after

    # --- what can be seen

    async def state(self, mission: MissionId) -> MissionState:
        return (await ActiveMission.load(mission, self.store, self.door.vault)).state

    async def step(self, mission: MissionId, name: str = "plan") -> StepState:
        return (await self.state(mission)).steps[StepId(name)]

    async def statuses(self, mission: MissionId) -> dict[str, str]:
        state = await self.state(mission)
        return {step: held.status.value for step, held in sorted(state.steps.items())}

    async def output(self, mission: MissionId, name: str = "plan") -> Any:
        held = await self.step(mission, name)
        return await self.door.vault.open(Pointer(mission, held.output)) if held.output else None

    async def questions(self) -> list[str]:
        return [key for key, value in await self.store.records("approval") if not value["verdict"]]

    async def the_question(self) -> str:
        (question,) = await self.questions()
        return question

    async def case(self) -> Any:
        """What the one open question shows to a person."""
        record = await find_approval(self.store, ApprovalId(await self.the_question()))
        return await self.door.vault.open(Pointer(record.mission, record.case))

    async def kinds(self, mission: MissionId) -> list[str]:
        """What happened in the mission's own stream."""
        return [entry.kind for entry in await self.store.read(f"mission/{mission}")]  # type: ignore[arg-type]  # a stream by its text

    async def calls(self, kind: str = "") -> list[Entry]:
        return [entry for entry in await self.store.read_prefix("step/") if kind in {"", entry.kind}]

    @property
    def made(self) -> list[str]:
        return self.transport.made


async def a_home(
    *tools: Any, store: Store | None = None, transport: FakeTransport | None = None, **agents: Any
) -> Home:
    """A home whose agents are these functions, by the skill that each offers; `plan` is where missions start."""
    wanted = tools or (a_tool("erp__read"), a_payment("bank__pay"))
    home = Home(agents, wanted, transport or FakeTransport(), store or HOUSE.store(), FakeClock())
    await home.store.commit(Commit((), (OpenBalance(f"tenant/{TENANT}", 1000 * DOLLAR),)))
    return home
