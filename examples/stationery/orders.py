"""A tool that changes something: the order book of the home."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def place_order(
    *, item: str, supplier: str, amount: str, currency: str, idempotency_key: str, context: Mapping[str, str]
) -> dict[str, Any]:
    """Write an order into the order book; the same key orders once.

    Remit passes `idempotency_key` and `context`; no caller can send them.
    """
    book = Path(context["home"]) / "orders.jsonl"
    lines = book.read_text("utf-8").splitlines() if book.exists() else []
    for line in lines:
        placed: dict[str, Any] = json.loads(line)
        if placed["key"] == idempotency_key:
            return placed
    order = {"item": item, "supplier": supplier, "amount": amount, "currency": currency, "key": idempotency_key}
    with book.open("a", encoding="utf-8") as file:
        file.write(json.dumps(order) + "\n")
    return order


TOOLS: Mapping[str, Callable[..., object]] = {"place_order": place_order}
