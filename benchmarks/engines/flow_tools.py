"""The tools of Remit's flows: each tells that it has begun, and gives back what came in."""

from collections.abc import Callable


def nothing() -> None:
    """What is told where nobody listens."""


#: Called when a step that was waited for begins.
begun: list[Callable[[], None]] = [nothing]


async def work(*, n: int) -> dict[str, int]:
    begun[0]()
    return {"n": n}


async def sign(*, n: int) -> dict[str, int]:
    begun[0]()
    return {"n": n}


async def join(*, results: list[dict[str, int]]) -> dict[str, int]:
    return {"sum": sum(result["n"] for result in results)}


TOOLS = {"work": work, "join": join, "sign": sign}
