"""A small company for these tests: its agents and its tools."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remit.missions import StepContext


async def plan(context: StepContext, given: Mapping[str, Any]) -> dict[str, Any]:
    """Look a vendor up and propose the payment."""
    found = await context.call("acme__vendor", {"name": given["vendor"]})
    context.propose("pay", tool="acme__pay", given={"amount": given["amount"], "payee": found["id"]})
    return {"vendor": found["id"]}


async def wait_for_file(context: StepContext, given: Mapping[str, Any]) -> dict[str, Any]:
    """Propose the payment once a file is there."""
    await context.call("acme__wait", {"file": given["vendor"]})
    context.propose("pay", tool="acme__pay", given={"amount": given["amount"], "payee": "V-1"})
    return {}


async def look(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Ask the far server, and be done."""
    return await context.call("far__look", {"name": given["vendor"]})


async def front(context: StepContext, given: Mapping[str, Any]) -> dict[str, Any]:
    """Hand the question on to another of the company's agents."""
    context.propose("ask", skill="ask", given={"text": given["text"]})
    return {}


async def ask(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Ask an agent of another company."""
    return await context.call("clerk__orders.find", {"text": given["text"]})


def vendor(name: str) -> dict[str, str]:
    """Who a vendor is."""
    return {"id": "V-1", "name": name}


def pay(amount: str, payee: str, context: Any, idempotency_key: str) -> dict[str, str]:
    """Pay, once for each key."""
    book = Path(context["home"]) / "payments.txt"
    held = book.read_text().splitlines() if book.exists() else []
    if not any(line.startswith(idempotency_key) for line in held):
        with book.open("a") as file:
            file.write(f"{idempotency_key} {amount} {payee}\n")
    return {"paid": amount}


async def wait(file: str, context: Any) -> dict[str, bool]:
    """Say that it has begun, and answer when a file of this name appears."""
    print("begun", flush=True)
    while not (Path(context["home"]) / file).exists():
        await asyncio.sleep(0.01)
    return {"there": True}


TOOLS = {"vendor": vendor, "pay": pay, "wait": wait}
