"""The path of a call through the budget tree, on a store that holds every limit."""

import asyncio

import pytest
from pydantic import ValidationError

from remit.adapters.memory import MemoryStore
from remit.budgets import BudgetDocument, BudgetPath, mission_balance, tenant_balance
from remit.errors import BudgetExhausted
from remit.ledger import Commit, OpenBalance

PATH = BudgetPath("acme", "msn-1", "payer")


async def a_store(tenant=100, mission=50, agent=20):
    store = MemoryStore()
    opened = (OpenBalance(tenant_balance("acme"), tenant), OpenBalance(mission_balance("msn-1"), mission))
    await store.commit(Commit((), (*opened, PATH.open_agent(agent))))
    return store


async def standing(store):
    balances = [await store.balance(name) for name in PATH.names]
    return [(balance.used, balance.held) for balance in balances]


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def test_a_hold_stands_on_agent_mission_and_tenant():
    async def story():
        store = await a_store()
        await store.commit(Commit((), PATH.hold(5)))

        assert await standing(store) == [(0, 5)] * 3

    run(story())


@pytest.mark.parametrize("short", ["tenant", "mission", "agent"])
def test_the_smallest_limit_on_the_path_decides_and_nothing_is_held_elsewhere(short):
    async def story():
        store = await a_store(**{short: 4})

        with pytest.raises(BudgetExhausted):
            await store.commit(Commit((), PATH.hold(5)))

        assert await standing(store) == [(0, 0)] * 3

    run(story())


@pytest.mark.parametrize(("used", "booked"), [(0, 0), (3, 3), (5, 5), (9, 5)])
def test_settling_books_what_was_used_and_never_more_than_was_held(used, booked):
    async def story():
        store = await a_store()
        await store.commit(Commit((), PATH.hold(5)))
        await store.commit(Commit((), PATH.settle(5, used)))

        assert await standing(store) == [(booked, 0)] * 3

    run(story())


def test_settling_twice_is_a_bug_that_the_store_does_not_book():
    async def story():
        store = await a_store()
        await store.commit(Commit((), PATH.hold(5)))
        await store.commit(Commit((), PATH.settle(5, 1)))

        with pytest.raises(AssertionError, match="settled twice"):
            await store.commit(Commit((), PATH.settle(5, 1)))

        assert await standing(store) == [(1, 0)] * 3

    run(story())


def test_a_budget_file_names_a_limit_in_dollars():
    document = BudgetDocument.model_validate({"name": "b", "limit": {"amount": "250.00", "currency": "USD"}})

    assert (document.scope, document.limit.amount) == ("tenant", "250.00")


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": {"amount": 250, "currency": "USD"}},
        {"limit": {"amount": "-1", "currency": "USD"}},
        {"limit": {"amount": "1e9", "currency": "USD"}},
        {"limit": {"amount": "1.0000001", "currency": "USD"}},
        {"limit": {"amount": "1", "currency": "EUR"}},
        {"limit": {"amount": "1", "currency": "USD"}, "scope": "mission"},
        {"limit": {"amount": "1", "currency": "USD"}, "more": 1},
        {},
    ],
)
def test_a_budget_file_that_says_anything_else_is_refused(fields):
    with pytest.raises(ValidationError):
        BudgetDocument.model_validate({"name": "b", **fields})


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        BudgetPath("acme", "msn-1", "payer", "tok-1"),
        BudgetPath("acme", "msn-1", "payer", "", "msn-0"),
        BudgetPath("acme", "msn-1", "payer", "tok-1", "", (), ("tok-0",)),
        BudgetPath("acme", "msn-1", "payer", "tok-2", "msn-0", ("msn-a", "msn-b"), ("tok-0", "tok-1")),
    ],
    ids=["plain", "token", "parent", "narrowed", "all"],
)
def test_a_path_reads_back_as_it_was_written(path):
    assert BudgetPath.from_json(path.to_json()) == path
    assert len(set(path.names)) == len(path.names)
