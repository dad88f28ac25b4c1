"""A door on memory adapters, with everything that a test does not care about filled in."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.policy.builders import a_policy

from remit.adapters.memory import MemoryStore
from remit.gateway import (
    Admission,
    Call,
    Caller,
    CallLog,
    Controls,
    Door,
    Leave,
    RunTape,
    Suspended,
    ToolResult,
    text_of,
)
from remit.ids import ApprovalId, MissionId, PrincipalId, StepId
from remit.ledger import Commit, Entry, OpenBalance, PutRecord, Store
from remit.policy import PolicySet
from remit.quantities import Money, Rates
from remit.registry import Registry, StoredResource
from remit.state import KeyRing, Vault
from remit.tools import Origin, Role, Tier, Tool

BOUND_SECONDS = 20.0
TENANT = "default"
MISSION = MissionId("msn-1")
DOLLAR = 1_000_000
ANYWHERE = frozenset(Origin)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end on a loop of its own, and never wait for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, BOUND_SECONDS))


class FakeClock:
    """A clock that stands still until somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        self.move(seconds=max(seconds, 0))
        await asyncio.sleep(0)

    def move(self, **by: float) -> None:
        self.instant += timedelta(**by)


class FakeTransport:
    """Tools as functions by their own name, and every call that reached one."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self.functions = functions
        self.calls: list[tuple[str, Mapping[str, Any], str]] = []

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        self.calls.append((tool.local_name, dict(arguments), idempotency_key))
        function = self.functions.get(tool.local_name, lambda **given: {"ok": True, **given})
        answer = function(**arguments)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer if isinstance(answer, ToolResult) else ToolResult(answer)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return []

    async def close(self) -> None:
        return None

    @property
    def made(self) -> list[str]:
        """The tools that were called, in order."""
        return [name for name, _, _ in self.calls]


class PricedTransport(FakeTransport):
    """Every call costs at most `worst`."""

    def __init__(self, worst: Money, **functions: Callable[..., Any]) -> None:
        super().__init__(**functions)
        self.worst = worst

    def worst_case(self, _arguments: Mapping[str, Any]) -> Money:
        return self.worst


# --- resources


def a_tool(
    name: str = "erp__read",
    *,
    tier: str = "read-only",
    roles: Mapping[str, Role] | Sequence[str] = (),
    properties: Mapping[str, Any] | None = None,
    required: Sequence[str] = (),
    **fields: Any,
) -> Tool:
    """A tool whose roles, where only named, are arguments of the same name that take values from anywhere."""
    declared = tuple(roles.values()) if isinstance(roles, Mapping) else tuple(Role(r, r, ANYWHERE) for r in roles)
    schema = {"type": "object", "properties": dict(properties or {}), "required": list(required)}
    fields.setdefault("model", name.startswith("model__"))
    return Tool(name, name.split("__", maxsplit=1)[0], "", schema, Tier(tier), roles=declared, **fields)


def a_payment(name: str = "bank__pay", *, tier: str = "restricted-write", **fields: Any) -> Tool:
    return a_tool(name, tier=tier, **{"roles": ("amount", "payee"), **fields})


def a_role(name: str, *origins: Origin, strict: bool = False) -> dict[str, Role]:
    return {name: Role(name, name, frozenset(origins), strict=strict)}


def an_agent(name: str, *, version: str = "1.0.0", tools: Sequence[str] = ("*",), **fields: Any) -> StoredResource:
    """An agent that offers the one skill that it is named for."""
    skills = [{"name": name, "description": "does it"}]
    given = {"name": name, "version": version, "skills": skills, "run": {"python": f"tests.agents:{name}"}}
    return StoredResource("Agent", name, {**given, "tools": list(tools), **fields})


def a_person(name: str = "anna", *roles: str, **fields: Any) -> StoredResource:
    return StoredResource("Principal", name, {"name": name, "roles": list(roles or ("owner",)), **fields})


def open_policy(fields: str = "", *, name: str = "open") -> Any:
    """A policy that permits every agent every tool, with these rules."""
    return a_policy(fields, name=name, agents="['*']")


def some_controls(
    *tools: Tool,
    policies: Sequence[Any] | None = None,
    resources: Sequence[StoredResource] = (),
    rates: Rates | None = None,
    **fields: Any,
) -> Controls:
    """Controls with an owner named anna, an agent named payer, and every call permitted."""
    standing_resources = {r.key: r for r in (a_person(), an_agent("payer"), *resources)}
    registry = Registry.build(standing_resources.values(), tools)
    wanted = [open_policy()] if policies is None else policies
    compiled = PolicySet.compile(wanted, rates, registry.names.agents)
    return Controls(registry, compiled, rates=rates, **fields)


# --- the door


class TestedDoor:
    """A door with one mission behind it, and short ways to knock."""

    __test__ = False

    def __init__(self, door: Door, store: Store, transport: FakeTransport, clock: FakeClock) -> None:
        self.door = door
        self.store = store
        self.transport = transport
        self.clock = clock
        self.log = CallLog()
        self.tape = RunTape()
        self.epoch = 0
        #: What the door looks at as the mission's progress.
        self.progress = "0"
        self.caller_fields: dict[str, Any] = {}
        #: Where set, every argument counts as said by a person; tests of data flow say so themselves.
        self.said_by_a_person = True

    def caller(self, **changes: Any) -> Caller:
        fields: dict[str, Any] = {
            "tenant": TENANT,
            "principal": PrincipalId("anna"),
            "mission": MISSION,
            "step": StepId("pay"),
            "attempt": 1,
            "agent": "payer@1.0.0",
            "skill": "payer",
            "agent_tools": ("*",),
            "mission_tools": ("*",),
            "epoch": self.epoch,
            "budget_usd_micros": 100 * DOLLAR,
        }
        return Caller(**{**fields, **self.caller_fields, **changes})

    async def call(
        self,
        tool: str,
        occurrence: int = 0,
        *,
        leave: Leave | None = None,
        ask_rules: tuple[str, ...] = (),
        caller: Mapping[str, Any] | None = None,
        sealed: str = "",
        **arguments: Any,
    ) -> Any:
        """Knock with one call, and return the content of the answer."""
        if self.said_by_a_person:
            self.says(*arguments.values())
        call = Call(tool, arguments, occurrence, ask_rules, leave, sealed)
        answer = await self.door.enforce(
            self.caller(**(caller or {})), call, self.log, self.tape, progress=self.progress
        )
        return answer.content

    def says(self, *values: Any) -> None:
        """A person gives these values."""
        digests = tuple(self.door.vault.digest(MISSION, text_of(value)) for value in values)
        self.log.learn_from_person(digests, f"mission/{MISSION}@1")

    async def entries(self, kind: str = "") -> list[Entry]:
        held = await self.store.read_prefix("step/")
        return [entry for entry in held if kind in {"", entry.kind}]

    async def refusals(self) -> list[tuple[str, str]]:
        """Tool and rule of each refusal on record."""
        return [(entry.payload["tool"], entry.payload["rule"]) for entry in await self.entries("call.refused")]

    async def budget(self, name: str = f"mission/{MISSION}") -> tuple[int, int]:
        """What is used and held, in micro-dollars."""
        balance = await self.store.balance(name)
        assert balance is not None
        return balance.used, balance.held

    async def crashed(self) -> None:
        """Forget all that only the process knew; what is left is the record."""
        self.log, self.tape = CallLog(), RunTape()
        for entry in await self.entries():
            self.log.apply(entry)

    def new_run(self) -> None:
        """The same process begins the step again."""
        self.tape = RunTape()


async def a_door(
    *tools: Tool,
    transport: FakeTransport | None = None,
    store: Store | None = None,
    budget: int = 100 * DOLLAR,
    tenant_budget: int = 1000 * DOLLAR,
    **controls: Any,
) -> TestedDoor:
    clock = FakeClock()
    store = store or MemoryStore()
    transport = transport or FakeTransport()
    vault = Vault(KeyRing(b"k" * 32), store)
    sources = {tool.source for tool in tools}
    door = Door(
        some_controls(*tools, **controls),
        store,
        vault,
        dict.fromkeys(sources, transport),
        clock,
        Admission(clock),
        TENANT,
    )
    opened: list[Any] = [OpenBalance(f"mission/{MISSION}", budget), OpenBalance(f"tenant/{TENANT}", tenant_budget)]
    key: PutRecord = vault.open_space(MISSION)
    await store.commit(Commit((), (key, *opened)))
    return TestedDoor(door, store, transport, clock)


def approved(waiting: Suspended) -> Leave:
    """A person's yes to exactly the call that waits."""
    return Leave(ApprovalId("apr-1"), "anna", waiting.binds)
