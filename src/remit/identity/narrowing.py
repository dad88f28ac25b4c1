"""Passing leave on: what a token may say, given who asks for it. It only ever narrows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from remit.errors import DelegationWidened
from remit.identity.confirmation import ConfirmationKey
from remit.identity.delegation import LinkKind
from remit.identity.grants import covers
from remit.identity.token import SECONDS_DEFAULT, AgentIdentity

#: Agents in one chain.
DEPTH_MAX = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a new token; what is None is as much as may be passed on."""

    skills: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    budget_usd_micros: int | None = None
    seconds: int | None = None
    mission: str | None = None
    #: The key that will sign; without one the token is a bearer token.
    confirmed: ConfirmationKey | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """What the registry grants to an agent version."""

    agent: str
    #: What it offers.
    skills: tuple[str, ...]
    tools: tuple[str, ...]
    #: Skills that anyone offers: the agent may be given leave to ask others for them.
    askable: frozenset[str] = frozenset()


def within_grant(wish: Wish, granted: Granted) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Skills and tools of an agent's first token: those that are wished, all of which must be granted.

    Raises:
        DelegationWidened: a skill is wished that nobody offers, or a tool that the agent's version was not granted.
    """
    skills = granted.skills if wish.skills is None else wish.skills
    tools = granted.tools if wish.tools is None else wish.tools
    _check_inside("skills", [one for one in skills if one not in granted.askable.union(granted.skills)], granted.agent)
    _check_inside("tools", [one for one in tools if not covers(granted.tools, one)], granted.agent)
    return skills, tools


def narrow(parent: AgentIdentity, granted: Granted, wish: Wish, *, token: str, now_us: int) -> AgentIdentity:
    """The identity that `parent` passes on to another agent, for a part of what it may do itself.

    Where nothing is wished, that passes which both the parent's token and the agent's own grant name.

    Raises:
        DelegationWidened: more is wished than the parent has, or the agent was granted; the rule names what.
    """
    agents = parent.agents
    if len(agents) >= DEPTH_MAX:
        raise _widened("depth", f"{DEPTH_MAX} agents stand in the chain already.")
    if wish.mission not in {None, parent.mission}:
        raise _widened("mission", f"The token that it comes from is for {parent.mission or 'no mission'}.")
    skills, tools = wish.skills, wish.tools
    if skills is None:
        skills = tuple(skill for skill in granted.skills if skill in parent.skills)
    if tools is None:
        tools = tuple(dict.fromkeys([*_inside(granted.tools, parent.tools), *_inside(parent.tools, granted.tools)]))
    skills, tools = within_grant(replace(wish, skills=skills, tools=tools), granted)
    _check_inside("skills", [one for one in skills if one not in parent.skills], parent.agent)
    _check_inside("tools", [one for one in tools if not covers(parent.tools, one)], parent.agent)
    if parent.confirmed is not None and wish.confirmed is None:
        raise _widened("key", "A signed token does not pass leave on to a bearer.")
    return replace(
        parent,
        token=token,
        agent=granted.agent,
        chain=(*parent.chain, f"{LinkKind.AGENT}:{granted.agent}"),
        skills=skills,
        tools=tools,
        budget_usd_micros=_budget(parent, wish),
        issued_at_us=now_us,
        expires_at_us=_end(parent, wish, now_us),
        confirmed=wish.confirmed,
        parents=(*parent.parents, parent.token),
        bounded_parents=(*parent.bounded_parents, *([] if parent.budget_usd_micros is None else [parent.token])),
    )


def _inside(patterns: Iterable[str], others: tuple[str, ...]) -> list[str]:
    # A pattern lies inside another where the other covers it as a text: its star is then under the other's star.
    return [pattern for pattern in patterns if covers(others, pattern)]


def _budget(parent: AgentIdentity, wish: Wish) -> int | None:
    bound, wished = parent.budget_usd_micros, wish.budget_usd_micros
    if wished is None or bound is None:
        return bound if wished is None else wished
    if wished > bound:
        raise _widened("budget", f"The token that it comes from has {bound} micro-units.")
    return wished


def _end(parent: AgentIdentity, wish: Wish, now_us: int) -> int:
    if wish.seconds is None:
        return min(parent.expires_at_us, now_us + SECONDS_DEFAULT * 1_000_000)
    end = now_us + max(wish.seconds, 1) * 1_000_000
    if end > parent.expires_at_us:
        left = (parent.expires_at_us - now_us) // 1_000_000
        raise _widened("life", f"The token that it comes from ends in {left} seconds.")
    return end


def _check_inside(what: str, outside: list[str], of: str) -> None:
    if outside:
        raise _widened(what, f"{of} was not granted {', '.join(sorted(outside))}.")


def _widened(what: str, detail: str) -> DelegationWidened:
    return DelegationWidened(detail, rule=f"delegation_{what}")
