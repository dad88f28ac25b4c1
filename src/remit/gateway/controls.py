"""What people set and may change while missions run: registry, policies, halts, standing approvals."""

from dataclasses import dataclass, field

from remit.approvals import StandingApproval
from remit.policy import PolicySet
from remit.quantities import Rates
from remit.registry import Registry


@dataclass(frozen=True, slots=True)
class Controls:
    """One consistent view, replaced as a whole when anything changes."""

    registry: Registry
    policies: PolicySet
    #: Scopes that stand still: `tenant`, `agent/NAME@VERSION`, `agent/NAME`, `tool/NAME`, `mission/ID`.
    halts: frozenset[str] = field(default_factory=frozenset)
    #: Where the stream of halts stood when these were read.
    halts_at: int = 0
    standing: tuple[StandingApproval, ...] = ()
    rates: Rates | None = None

    def halted(self, *, agent: str, tool: str, mission: str) -> str | None:
        """The scope of a halt that holds for this call, or None."""
        if not self.halts:
            return None
        name = agent.split("@", 1)[0]
        for scope in ("tenant", f"agent/{agent}", f"agent/{name}", f"tool/{tool}", f"mission/{mission}"):
            if scope in self.halts:
                return scope
        return None
