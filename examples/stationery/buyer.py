"""The agent: it proposes one order for each item that runs low. It has no way to the world but `context`."""

from collections.abc import Mapping
from typing import Any

from remit.missions import StepContext


async def run(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Look at the shelf and propose orders; Remit makes them, or asks a person first."""
    stock = await context.call("shelf__read_stock", {"packs": given["packs"]})
    low = [item for item in stock["items"] if int(item["left"]) < int(item["order_below"])]
    for item in low:
        order = {name: item[name] for name in ("item", "supplier", "amount", "currency")}
        context.propose(f"order-{item['item']}", tool="orders__place_order", given=order)
    return {"low": [item["item"] for item in low]}
