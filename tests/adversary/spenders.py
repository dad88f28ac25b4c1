"""Two hundred agents that spend from one small budget as fast as they can, in processes that are killed meanwhile.

What was truly spent is told by the tool itself: it notes each cost in a file before it answers, as a provider would.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.gateway.builders import TENANT, PricedTransport, a_tool
from tests.missions.test_session import Office

from remit.adapters.sqlite import SqliteStore
from remit.errors import BudgetExhausted, LoopStopped
from remit.gateway import ToolResult, Usage
from remit.ids import MissionId
from remit.ledger import Commit, OpenBalance, Result
from remit.quantities import Money

AGENTS = 200
#: An odd limit, so that no number of calls meets it exactly.
LIMIT_USD_MICROS = 3_000_001
_WORST = Money(50_000, "USD")
_CALLS_EACH = 2
_CHILD_SECONDS = 60


class KillingStore(SqliteStore):
    """The real store, which kills its own process once so many entries were appended in it; 0 for never."""

    def __init__(self, path: Path, kill_at: int) -> None:
        super().__init__(path)
        self.left = kill_at or -1

    def write_group(self, commits: Sequence[Commit]) -> list[Result]:
        """Write a group, and die as soon as it is durable and before anybody was told."""
        results = super().write_group(commits)
        if self.left > 0:
            self.left -= sum(len(result) for result in results if isinstance(result, tuple))
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return results


def _house(home: Path, store: SqliteStore) -> Office:
    chance = random.Random(os.getpid())

    async def chat(**_: Any) -> ToolResult:
        await asyncio.sleep(0)
        cost = chance.randrange(1, _WORST.micros + 1)
        line = os.open(home / "spent", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(line, f"{cost}\n".encode())
        os.close(line)
        return ToolResult({"text": "done"}, usage=Usage(Money(cost, "USD")))

    office = Office([a_tool("model__chat")], store)
    office.transport = PricedTransport(_WORST, chat=chat)
    office._assemble()
    return office


async def _spend(home: Path, kill_at: int) -> None:
    store = KillingStore(home / "store.db", kill_at)
    office = _house(home, store)
    if await store.balance(f"tenant/{TENANT}") is None:
        await store.commit(Commit((), (OpenBalance(f"tenant/{TENANT}", LIMIT_USD_MICROS),)))
    await office.driver.take_over()
    office.ids.count = len(held := [MissionId(key) for key, _ in await store.records("mission")])
    sessions = [await office.begun(mission) for mission in held]
    sessions += [await office.session() for _ in range(AGENTS - len(held))]

    async def work(session: Any) -> None:
        for number in range(_CALLS_EACH):
            try:
                await session.call("model__chat", {"prompt": f"{os.getpid()} {number}"})
            except (BudgetExhausted, LoopStopped):
                return

    await asyncio.gather(*(work(session) for session in sessions))
    await store.close()


def _in_child(home: Path, kill_at: int) -> int:
    """The signal that ended a forked child; 0 where it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(asyncio.wait_for(_spend(home, kill_at), _CHILD_SECONDS))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the child failed by itself")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


async def _balances(home: Path) -> list[dict[str, int]]:
    store = SqliteStore(home / "store.db")
    names = [f"tenant/{TENANT}", *(f"mission/{key}" for key, _ in await store.records("mission"))]
    found = [balance for name in names if (balance := await store.balance(name)) is not None]
    await store.close()
    return [{"limit": one.limit, "used": one.used, "held": one.held} for one in found]


def main(home: Path, kills: Sequence[int]) -> None:
    """Spend through processes that die, then once to the end; tell what stands after each."""
    told = []
    for kill_at in (*kills, 0):
        died = _in_child(home, kill_at)
        spent = [int(line) for line in (home / "spent").read_text("utf-8").split()] if (home / "spent").exists() else []
        told.append(
            {"signal": died, "spent": sum(spent), "calls": len(spent), "balances": asyncio.run(_balances(home))}
        )
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]])
