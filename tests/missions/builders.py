"""A home on memory adapters: agents as plain functions, tools as plain functions, and time that somebody moves."""

from collections.abc import Mapping
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
from remit.drivers import EmbeddedDriver
from remit.gateway import Admission, Controls, Door
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
from remit.registry import Limits, Registry, Workflow
from remit.state import KeyRing, Pointer, Vault

__all__ = ["BOUND_SECONDS", "Home", "a_home", "a_payment", "a_person", "a_tool", "an_agent", "open_policy", "run"]

Agents = Mapping[str, Any]


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
        self.ids = CountedIds()
        self._assemble()

    def _assemble(self) -> None:
        vault = Vault(KeyRing(b"k" * 32), self.store)
        sources = dict.fromkeys({tool.source for tool in self.tools}, self.transport)
        self.door = Door(self._controls(), self.store, vault, sources, self.clock, Admission(self.clock), TENANT)
        self.performer = Performer(self.door, self.clock, self.ids, self._code_of)
        self.driver = EmbeddedDriver(self.store, self.performer, self._reload, "test")

    def _controls(self) -> Controls:
        agents = [an_agent(name, **self.agent_fields) for name in self.agents]
        registry = Registry.build([*self.people.values(), *agents], self.tools)
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
        self, *, tools: tuple[str, ...] = ("*",), by: str = "anna", budget: int = 10, start: str = "plan", **inputs: Any
    ) -> MissionId:
        workflow = Workflow(
            "work", "", start, {"type": "object"}, tools, Money(budget * DOLLAR, "USD"), 168, None, Limits(max_steps=20)
        )
        return await submit(self.door, self.clock, self.ids, self.person(by), Submission(workflow, inputs, "rules"))

    def person(self, name: str) -> Principal:
        return self.door.controls.registry.principal(name)

    async def answer(self, verdict: str = "approve", *, approval: str = "", by: str = "anna", **fields: Any) -> None:
        """Answer the one open question, or the one that is named."""
        wanted = ApprovalId(approval or await self.the_question())
        record = await find_approval(self.store, wanted)
        await answer(self.door, self.clock, record, self.person(by), Given(wanted, verdict, **fields))

    # --- what drives

    async def drive(self, mission: MissionId) -> Rest:
        if self.driver._advancer is None:
            await self.driver.take_over()
        return await self.driver.drive(mission)

    def restarted(self) -> "Home":
        """Another process on the same home: nothing but the store lives on."""
        after = Home(self.agents, self.tools, self.transport, self.store, self.clock)
        after.people, after.policies, after.halts = self.people, self.policies, self.halts
        after.agent_fields, after.ids = self.agent_fields, self.ids
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
    home = Home(agents, wanted, transport or FakeTransport(), store or MemoryStore(), FakeClock())
    await home.store.commit(Commit((), (OpenBalance(f"tenant/{TENANT}", 1000 * DOLLAR),)))
    return home
