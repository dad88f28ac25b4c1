"""The public surface as its users type it; mypy reads this file, nothing runs it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings, read_settings
from remit.control_plane import ControlPlane, Given, Principal, closing
from remit.errors import Refusal, RemitError, catalogue
from remit.gateway import ToolResult, Transport
from remit.identity import Wish
from remit.ids import ApprovalId
from remit.ledger import Store
from remit.missions import Agent, StepContext
from remit.quantities import Money
from remit.tools import Tool


async def a_mission() -> None:
    settings = read_settings({"REMIT_PARALLEL": "4"}, home=Path("home"))
    assert_type(settings, Settings)
    await create_home(settings)
    async with closing(await open_home(settings)) as plane:
        assert_type(plane, ControlPlane)
        person = current_principal(plane)
        assert_type(person, Principal)
        mission = await plane.missions.submit("stationery", {"packs": 2}, person)
        assert_type(mission, str)
        assert_type(await plane.missions.drive(mission, person), dict[str, Any])
        for question in await plane.approvals.all(person, mission=mission):
            assert_type(question, dict[str, Any])
            await plane.approvals.answer(Given(ApprovalId(question["id"]), "approve"), person)
        tried = await plane.policies.simulate(person, [("policy.yaml", "")], since="30d", mission=mission)
        assert_type(tried, dict[str, Any])
        assert_type(await plane.ledger.export(person, mission=mission), list[bytes])
        assert_type(await plane.tokens.issue("buyer", person.id, person, Wish(seconds=300)), dict[str, Any])


async def an_agent(context: StepContext, given: Mapping[str, Any]) -> Any:
    answer = await context.call("shelf__read_stock", given)
    context.propose("order", tool="orders__place_order", given={"item": "paper"})
    ended = await context.output(context.step)
    assert_type(ended.status, str)
    return answer


class ATransport:
    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        return ToolResult({"tool": tool.name, "key": idempotency_key, **arguments})

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return []

    async def close(self) -> None:
        return None


def ports(store: Store) -> None:
    agent: Agent = an_agent
    transport: Transport = ATransport()
    assert_type((agent, transport, store), tuple[Agent, Transport, Store])


def values() -> None:
    assert_type(Money.of("19.65", "EUR") + Money.of("1", "EUR"), Money)
    assert_type(catalogue(), dict[str, type[RemitError]])
    assert_type(Refusal("no").to_json(), dict[str, object])
