"""The buyer of the week on Temporal, in two versions: what it writes says which one did it."""

from collections.abc import Mapping
from typing import Any

from remit.missions import StepContext


async def first(context: StepContext, given: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1.0.0."""
    return await _work(context, given, "1.0.0")


async def second(context: StepContext, given: Mapping[str, Any]) -> dict[str, Any]:
    """Version 2.0.0."""
    return await _work(context, given, "2.0.0")


async def _work(context: StepContext, given: Mapping[str, Any], version: str) -> dict[str, Any]:
    if context.skill == "week.offers":
        return {"offers": 2, "by": version}
    await context.call("erp__pay", {"invoice": given["invoice"], "seconds": 0})
    return {"by": version}
