"""The tool and the agent that Remit's benchmark runs: the least that a step can be."""

from collections.abc import Mapping
from typing import Any

from measure import Meter

METER = Meter()


async def work(*, n: int) -> dict[str, int]:
    """Give back what came in."""
    METER.step(n)
    return {"n": n}


async def plan(ctx: Any, given: Mapping[str, Any]) -> dict[str, bool]:
    """A chain of calls, each after the one before."""
    for n in range(given["steps"]):
        ctx.propose(f"s{n}", tool="bench__work", given={"n": n}, after=[f"s{n - 1}"] if n else [])
    return {"planned": True}


TOOLS = {"work": work}
