"""The path of one call through the budget tree, as movements for the journal."""

from dataclasses import dataclass
from functools import lru_cache

from remit.ledger import MoveBalance, OpenBalance, Write

#: Budgets are kept in this currency; other amounts are converted before they are held.
CURRENCY = "USD"


def tenant_balance(tenant: str) -> str:
    """The name of a tenant's balance."""
    return f"tenant/{tenant}"


def mission_balance(mission: str) -> str:
    """The name of a mission's balance."""
    return f"mission/{mission}"


@dataclass(frozen=True, slots=True)
class BudgetPath:
    """Tenant, mission and agent, the token that the call came with, and the mission that asked for this one.

    Each must cover the call.
    """

    tenant: str
    mission: str
    agent: str
    #: Empty where no token bounds the call.
    token: str = ""
    #: The mission of the agent that asked for this one; empty where a person did.
    parent: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The balances on the path, leaf first, so that the shared one is touched last."""
        above = (mission_balance(self.parent),) if self.parent else ()
        shared = (self.agent_balance, mission_balance(self.mission), *above, tenant_balance(self.tenant))
        return (f"token/{self.token}", *shared) if self.token else shared

    @property
    def agent_balance(self) -> str:
        """The name of the agent's balance in this mission."""
        return f"agent/{self.mission}/{self.agent}"

    def open_agent(self, limit_micros: int) -> Write:
        """Open the agent's balance in this mission, bounded by the mission's limit."""
        return OpenBalance(self.agent_balance, limit_micros)

    def open_token(self, limit_micros: int) -> Write:
        """Open the token's balance, bounded by what it was issued for."""
        return OpenBalance(self.names[0], limit_micros)

    def to_json(self) -> list[str]:
        """The path as it stands in an entry."""
        bounds = [self.token, self.parent] if self.parent else [self.token] if self.token else []
        return [self.tenant, self.mission, self.agent, *bounds]

    def hold(self, worst_micros: int) -> tuple[Write, ...]:
        """Hold the worst case everywhere, or nowhere: the journal refuses the commit as a whole."""
        return _moves(self, 0, worst_micros)

    def settle(self, held_micros: int, used_micros: int) -> tuple[Write, ...]:
        """Turn a hold into what was used; the rest is free again."""
        used = min(used_micros, held_micros)  # what was held is the most that may be booked: zero overshoot
        return _moves(self, used, -held_micros)


@lru_cache(maxsize=1024)
def _moves(path: BudgetPath, used: int, held: int) -> tuple[Write, ...]:
    # The calls of one mission mostly hold and settle the same few amounts.
    return tuple([MoveBalance(name, used, held) for name in path.names])
