"""A directory: what the company itself knows about its shelf. Totals are computed here, not by the agent."""

import csv
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

_STOCK = Path(__file__).with_name("stock.csv")


def read_stock(*, packs: int) -> dict[str, Any]:
    """Every item with what is left, the level below which it is ordered, its supplier, and what `packs` packs cost."""
    with _STOCK.open(encoding="utf-8", newline="") as file:
        items = [{**row, "amount": str(Decimal(row["price"]) * packs)} for row in csv.DictReader(file)]
    return {"items": items}


TOOLS: Mapping[str, Callable[..., object]] = {"read_stock": read_stock}
