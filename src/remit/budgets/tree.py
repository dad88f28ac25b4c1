"""The path of one call through the budget tree, as movements for the journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from remit.ledger import MoveBalance, OpenBalance, Write

#: Budgets are kept in this currency; other amounts are converted before they are held.
CURRENCY = "USD"
_OF_TOKEN = "token/"  # noqa: S105 -- how the names of such balances begin, no secret


def tenant_balance(tenant: str) -> str:
    """The name of a tenant's balance."""
    return f"tenant/{tenant}"


def mission_balance(mission: str) -> str:
    """The name of a mission's balance."""
    return f"mission/{mission}"


def token_balance(token: str) -> str:
    """The name of the balance of all that is spent under a token, and under those that were narrowed from it."""
    return f"{_OF_TOKEN}{token}"


@dataclass(frozen=True, slots=True)
class BudgetPath:
    """Tenant, mission and agent, the call's token and those above it, and the mission that asked for this one.

    Each must cover the call.
    """

    tenant: str
    mission: str
    agent: str
    #: Empty where no token bounds the call.
    token: str = ""
    #: The mission that began this one, or whose agent asked for it; empty where a person did.
    parent: str = ""
    #: The missions above that one, the nearest first.
    further: tuple[str, ...] = ()
    #: The tokens that bound spending and from which `token` was narrowed: all that come from one share what it has.
    above: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, told: Sequence[str]) -> "BudgetPath":
        """Read a path back from an entry."""
        tenant, mission, agent, token, parent = [*told, "", ""][:5]
        tokens = tuple([name.removeprefix(_OF_TOKEN) for name in told[5:] if name.startswith(_OF_TOKEN)])
        return cls(tenant, mission, agent, token, parent, tuple(told[5 : len(told) - len(tokens)]), tokens)

    @property
    def _shared(self) -> tuple[str, ...]:
        """The balances that are no single agent's."""
        above = tuple([mission_balance(mission) for mission in (self.parent, *self.further) if mission])
        return (mission_balance(self.mission), *above, tenant_balance(self.tenant))

    @property
    def names(self) -> tuple[str, ...]:
        """The balances on the path, leaf first, so that the shared one is touched last."""
        shared = (self.agent_balance, *self._shared)
        return (*map(token_balance, (self.token, *self.above)), *shared) if self.token else shared

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
        rest = [*self.further, *map(token_balance, self.above)]
        bounds = [self.token, self.parent] if self.parent or rest else [self.token] if self.token else []
        return [self.tenant, self.mission, self.agent, *bounds, *rest]

    def hold(self, worst_micros: int) -> tuple[Write, ...]:
        """Hold the worst case everywhere, or nowhere: the journal refuses the commit as a whole."""
        return _moves(self, 0, worst_micros)

    def keep(self, usd_micros: int) -> tuple[Write, ...]:
        """Hold for later calls of any agent in the mission, or (below zero) let go of it."""
        return tuple([MoveBalance(name, 0, usd_micros) for name in self._shared])

    def hold_drawing(self, worst_micros: int, drawn_micros: int) -> tuple[Write, ...]:
        """Hold the worst case, of which so much is held already for the mission's later calls."""
        shared = self._shared
        return tuple(
            [MoveBalance(name, 0, worst_micros - (drawn_micros if name in shared else 0)) for name in self.names]
        )

    def settle(self, held_micros: int, used_micros: int) -> tuple[Write, ...]:
        """Turn a hold into what was used; the rest is free again."""
        used = min(used_micros, held_micros)  # what was held is the most that may be booked: zero overshoot
        return _moves(self, used, -held_micros)


@lru_cache(maxsize=1024)
def _moves(path: BudgetPath, used: int, held: int) -> tuple[Write, ...]:
    # The calls of one mission mostly hold and settle the same few amounts.
    return tuple([MoveBalance(name, used, held) for name in path.names])
