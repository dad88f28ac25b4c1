"""Reserve, call, settle: the worst case is held before a call, and never is more spent than was given."""

import asyncio
from datetime import date

import pytest
from tests.gateway.builders import (
    DOLLAR,
    MISSION,
    FakeTransport,
    PricedTransport,
    a_door,
    a_payment,
    a_tool,
    run,
)

from remit.budgets import BudgetPath
from remit.errors import BudgetExhausted, NoBudget, PriceUnknown, ToolFailed, ToolUnavailable, ToolUnreachable
from remit.gateway import Bounds, Suspended, ToolResult, Usage
from remit.ledger import Commit, MoveBalance, OpenBalance
from remit.quantities import Money, Rates

AGENT, TENANT = f"agent/{MISSION}/payer", "tenant/default"


def dollars(amount):
    return Money.of(amount, "USD")


def answers(cost, *, error=None):
    return lambda **_: ToolResult({"text": "done"}, error, Usage(dollars(cost), 10, 20))


def a_priced_door(worst="1.00", *, answer=None, **fields):
    transport = PricedTransport(dollars(worst), chat=answer or answers("0.25"))
    return a_door(a_tool("model__chat"), a_tool("erp__write", tier="restricted-write"), transport=transport, **fields)


def test_the_worst_case_is_held_on_the_whole_path_while_the_call_is_made():
    seen = []

    async def story():
        async def look(**_):
            seen.extend([await door.budget(name) for name in (AGENT, f"mission/{MISSION}", TENANT)])
            return ToolResult({}, usage=Usage(dollars("0.25")))

        door = await a_priced_door(answer=look)
        await door.call("model__chat")

        assert seen == [(0, DOLLAR)] * 3
        for name in (AGENT, f"mission/{MISSION}", TENANT):
            assert await door.budget(name) == (DOLLAR // 4, 0)

    run(story())


def test_a_call_that_names_no_cost_is_booked_at_its_worst_case():
    async def story():
        door = await a_door(a_tool("erp__read", cost=dollars("0.50")))

        await door.call("erp__read")

        assert await door.budget() == (DOLLAR // 2, 0)

    run(story())


def test_never_is_more_booked_than_was_held():
    async def story():
        door = await a_priced_door("1.00", answer=answers("7.00"))

        await door.call("model__chat")

        assert await door.budget() == (DOLLAR, 0)

    run(story())


def test_the_tools_own_error_costs_what_it_cost():
    async def story():
        door = await a_priced_door(answer=answers("0.10", error="too long"))

        with pytest.raises(ToolFailed):
            await door.call("model__chat")

        assert await door.budget() == (DOLLAR // 10, 0)

    run(story())


@pytest.mark.parametrize(("silence", "used"), [(ToolUnreachable, DOLLAR), (ToolUnavailable, 0)])
def test_a_read_without_an_answer_is_booked_at_its_worst_case_unless_nothing_was_done(silence, used):
    async def story():
        async def fail(**_):
            raise silence("no")

        door = await a_priced_door(answer=fail)

        with pytest.raises(silence):
            await door.call("model__chat")

        assert await door.budget() == (used, 0)

    run(story())


def test_a_source_that_is_not_connected_holds_nothing_and_leaves_no_doubt():
    async def story():
        door = await a_door(a_tool("erp__read", cost=dollars("1.00")), a_payment(cost=dollars("1.00")))
        door.door.transports = {}

        for tool in ("erp__read", "bank__pay"):
            with pytest.raises(ToolUnavailable):
                await door.call(tool, amount="1.00", payee="V-1")

        assert await door.budget() == (0, 0)
        assert [entry.kind for entry in await door.entries()] == ["call.permitted", "call.lost"] * 2

    run(story())


def test_what_no_budget_covers_is_not_called():
    async def story():
        door = await a_priced_door("1.00", budget=DOLLAR)
        await door.call("model__chat", n=1)

        with pytest.raises(BudgetExhausted):
            await door.call("model__chat", n=2)

        assert len(door.transport.calls) == 1
        assert await door.budget() == (DOLLAR // 4, 0)
        assert await door.refusals() == [("model__chat", "budget_exhausted")]

    run(story())


def test_a_tenants_budget_bounds_every_mission():
    async def story():
        door = await a_priced_door("1.00", tenant_budget=DOLLAR // 2)

        with pytest.raises(BudgetExhausted, match="tenant/default"):
            await door.call("model__chat")

        assert await door.budget() == (0, 0)

    run(story())


def test_without_a_budget_row_nothing_priced_is_called():
    async def story():
        door = await a_priced_door()
        door.caller_fields = {"mission": MISSION, "tenant": "nobody"}

        with pytest.raises(NoBudget):
            await door.call("model__chat")

        assert door.transport.calls == []

    run(story())


def test_a_price_in_another_currency_is_converted_or_refused():
    async def story():
        tool = a_tool("erp__read", cost=Money.of("1.00", "EUR"))
        rates = Rates("USD", date(2026, 11, 2), {"EUR": 1_150_000})

        with_rates = await a_door(tool, rates=rates)
        await with_rates.call("erp__read")
        without = await a_door(tool)
        with pytest.raises(PriceUnknown):
            await without.call("erp__read")

        assert await with_rates.budget() == (1_150_000, 0)
        assert without.transport.calls == []

    run(story())


def test_fifty_calls_at_once_never_overshoot():
    most = 0

    async def story():
        async def look(**_):
            nonlocal most
            balance = await door.store.balance(f"mission/{MISSION}")
            most = max(most, balance.used + balance.held)
            await asyncio.sleep(0)
            return ToolResult({}, usage=Usage(dollars("1.00")))

        door = await a_priced_door("1.00", answer=look, budget=7 * DOLLAR)
        told = await asyncio.gather(*(door.call("model__chat", n=n) for n in range(50)), return_exceptions=True)

        assert sum(isinstance(one, BudgetExhausted) for one in told) == 43
        assert most == 7 * DOLLAR
        assert await door.budget() == (7 * DOLLAR, 0)

    run(story())


def test_a_crash_in_the_middle_of_a_read_books_the_worst_case_once_and_the_read_is_made_again():
    async def story():
        async def die(**_):
            raise asyncio.CancelledError

        door = await a_priced_door(answer=die)
        with pytest.raises(asyncio.CancelledError):
            await door.call("model__chat")
        assert await door.budget() == (0, DOLLAR)

        await door.crashed()
        for _ in range(2):
            await door.door.recover(MISSION, door.epoch, door.log)
        assert await door.budget() == (DOLLAR, 0)

        door.transport.functions["chat"] = answers("0.25")
        assert await door.call("model__chat") == {"text": "done"}
        assert await door.budget() == (DOLLAR + DOLLAR // 4, 0)

    run(story())


def test_a_call_that_waits_for_a_person_holds_nothing():
    async def story():
        door = await a_door(a_payment(tier="critical", cost=dollars("1.00")))

        with pytest.raises(Suspended):
            await door.call("bank__pay", amount="1.00", payee="V-1")

        assert await door.budget() == (0, 0)

    run(story())


def test_raising_a_limit_lets_work_go_on():
    async def story():
        door = await a_priced_door("1.00", budget=DOLLAR // 2)
        with pytest.raises(BudgetExhausted):
            await door.call("model__chat")

        await door.store.commit(Commit((), (OpenBalance(f"mission/{MISSION}", DOLLAR),)))
        await door.call("model__chat")

        assert await door.budget() == (DOLLAR // 4, 0)

    run(story())


def test_an_agents_own_balance_is_opened_once_and_keeps_what_was_used_over_a_restart():
    async def story():
        door = await a_priced_door()
        await door.call("model__chat", n=1)
        door.door.opened.clear()
        await door.crashed()
        await door.call("model__chat", n=2)

        assert await door.budget(AGENT) == (DOLLAR // 2, 0)

    run(story())


def test_free_calls_touch_no_budget():
    async def story():
        door = await a_door(a_tool("erp__read"), transport=FakeTransport())
        await door.store.commit(Commit((), (MoveBalance(f"mission/{MISSION}", used=100 * DOLLAR),)))

        await door.call("erp__read")

        assert len(door.transport.calls) == 1

    run(story())


def test_what_is_narrowed_from_one_token_shares_what_that_token_may_spend():
    async def story():
        door = await a_door(a_tool("erp__read", cost=Money(2 * DOLLAR, "USD")))
        await door.store.commit(Commit((), (OpenBalance("token/root", 5 * DOLLAR),)))
        one, other = (Bounds(token=name, budget_usd_micros=4 * DOLLAR, tokens_above=("root",)) for name in "ab")

        await door.call("erp__read", 1, caller={"bounds": one})
        await door.call("erp__read", 2, caller={"bounds": other})
        with pytest.raises(BudgetExhausted) as spent:
            await door.call("erp__read", 3, caller={"bounds": other})

        assert spent.value.balance == "token/root"
        assert [await door.budget(f"token/{name}") for name in ("root", "a", "b")] == [
            (4 * DOLLAR, 0),
            (2 * DOLLAR, 0),
            (2 * DOLLAR, 0),
        ]
        permits = await door.entries("call.permitted")
        assert [BudgetPath.from_json(permit.payload["budget"]).above for permit in permits] == [("root",)] * 2

    run(story())
