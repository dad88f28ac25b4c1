"""Agents that ask one another over A2A, through the door."""

from collections.abc import Mapping
from typing import Any

from remit.missions import StepContext


async def ping(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Ask the other for the same."""
    return await context.call("ponger__pong", {"data": given})


async def pong(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Ask back while there is a way back; `last` ends it."""
    if given.get("last"):
        return {"heard": given["n"]}
    return await context.call("pinger__ping", {"data": given})


async def ping_down(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Ask the other for one less, until nothing is left."""
    return await _down(context, "ponger__pong", given)


async def pong_down(context: StepContext, given: Mapping[str, Any]) -> Any:
    """The same, back."""
    return await _down(context, "pinger__ping", given)


async def _down(context: StepContext, tool: str, given: Mapping[str, Any]) -> Any:
    if given["n"] == 0:
        return {"end": True}
    return await context.call(tool, {"data": {"n": given["n"] - 1}})
