"""The code of the recorded homes: an ordering desk. Recorded missions go on with it, so what is here is not changed."""

import json
import os
import signal
from pathlib import Path


async def work(context, given):
    if context.skill == "desk.plan":
        return _PLANS[given["story"]](context)
    if context.skill == "desk.pay":
        seen = await context.call("desk__look", {"item": given["payee"]})
        paid = await context.call("desk__pay", {"payee": given["payee"], "amount": given["amount"], "currency": "USD"})
        return {"seen": seen["item"], "paid": paid["paid"]}
    if context.skill == "desk.order":
        ordered = await context.call("desk__order", {"item": given["item"]})
        return {"ordered": ordered["ordered"]}
    raise ValueError(context.skill)


def _ask(context):
    context.propose("ask", given={"title": "Is the order closed?"}, ask_rules=["order_unclear"])
    context.propose("order", skill="desk.order", given={"item": "ink"}, after=["ask"])
    return {"planned": 2}


def _pay(context):
    context.propose("pay", skill="desk.pay", given={"payee": "V-1", "amount": "900.00"})
    return {"planned": 1}


def _order(context):
    context.propose("order", skill="desk.order", given={"item": "paper"})
    return {"planned": 1}


_PLANS = {"ask": _ask, "pay": _pay, "order": _order}


def look(item: str, *, context: dict):
    """Look an item up."""
    return {"item": item, "home": bool(context["home"])}


def pay(payee: str, amount: str, currency: str, *, idempotency_key: str, context: dict):
    """Pay somebody."""
    _note(context, "paid", {"key": idempotency_key, "payee": payee, "amount": amount, "currency": currency})
    return {"paid": amount}


def order(item: str, *, context: dict):
    """Order an item; a second order is a second delivery."""
    _note(context, "ordered", {"item": item})
    dying = Path(context["home"]) / "dies"
    if dying.exists():
        dying.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"ordered": item}


def cancel(item: str, *, context: dict):
    """Take an order back."""
    _note(context, "cancelled", {"item": item})
    return {"cancelled": item}


def _note(context, what, told):
    with (Path(context["home"]) / f"{what}.jsonl").open("a") as file:
        file.write(json.dumps(told) + "\n")


TOOLS = {"look": look, "pay": pay, "order": order, "cancel": cancel}
