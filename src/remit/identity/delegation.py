"""On whose behalf: the chain from a person over a mission to the agent that calls."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from remit.identity.grants import covers
from remit.identity.principal import Principal


class LinkKind(StrEnum):
    """What stands at one place of the chain."""

    PRINCIPAL = "principal"
    MISSION = "mission"
    AGENT = "agent"


_FOLLOWERS = {
    LinkKind.PRINCIPAL: {LinkKind.MISSION},
    LinkKind.MISSION: {LinkKind.AGENT},
    LinkKind.AGENT: {LinkKind.AGENT},
}


@dataclass(frozen=True, slots=True)
class Link:
    """One who passes leave on, and the tools for which."""

    kind: LinkKind
    #: A principal's id, a mission's id or `NAME@VERSION`.
    name: str
    #: Patterns of the tools that pass this link.
    tools: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Delegation:
    """The chain, outermost first: a person, then a mission, then one agent version or more."""

    links: tuple[Link, ...]

    @classmethod
    def of(cls, principal: Principal) -> "Delegation":
        """The chain that begins with a person; one who is not active passes nothing on."""
        tools = principal.tools if principal.active else ()
        return cls((Link(LinkKind.PRINCIPAL, principal.id, tools),))

    def mission(self, mission: str, tools: Iterable[str]) -> "Delegation":
        """The chain with the mission that acts for the person."""
        return self.extend(Link(LinkKind.MISSION, mission, tuple(tools)))

    def agent(self, ref: str, tools: Iterable[str]) -> "Delegation":
        """The chain with an agent version (`NAME@VERSION`) that acts for the mission, or for the agent before it."""
        return self.extend(Link(LinkKind.AGENT, ref, tuple(tools)))

    def extend(self, link: Link) -> "Delegation":
        """The chain with `link` at its end.

        Raises:
            ValueError: `link` may not stand there: the order is person, mission, agents.
        """
        last = self.links[-1]
        if link.kind not in _FOLLOWERS[last.kind]:
            raise ValueError(f"{link} may not follow {last}: the order is principal, mission, agents")
        return Delegation((*self.links, link))

    @property
    def actor(self) -> str:
        """How the ledger names the one who acts: the innermost agent, else the person."""
        last = self.links[-1]
        return str(last if last.kind is LinkKind.AGENT else self.links[0])

    @property
    def depth(self) -> int:
        """How many agents stand in the chain; 0 before the first."""
        return sum(link.kind is LinkKind.AGENT for link in self.links)

    def refused_by(self, tool: str) -> Link | None:
        """The outermost link that does not pass this tool on; None where all do."""
        return next((link for link in self.links if not covers(link.tools, tool)), None)

    def permits(self, tool: str) -> bool:
        """True where every link passes the tool on: leave is the intersection of all grants."""
        return self.refused_by(tool) is None

    def effective(self, tools: Iterable[str]) -> frozenset[str]:
        """Those of `tools` that the whole chain passes on."""
        return frozenset(tool for tool in tools if self.permits(tool))

    def __str__(self) -> str:
        return " > ".join(map(str, self.links))
