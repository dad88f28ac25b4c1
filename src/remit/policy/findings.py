"""What in a set of policies contradicts itself, is shadowed or can never matter: warnings, with what to do.

Only what is certain is told. Without `Surroundings` the documents alone are looked at.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from remit.policy import conditions
from remit.policy.document import APPROVER, Policy
from remit.policy.patterns import fits, matching
from remit.resources import Path, Problem
from remit.tools import Tool

Finding = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is registered, as far as policies speak of it."""

    #: Accepted tools by full name.
    tools: Mapping[str, Tool]
    #: Patterns of tools that each agent is granted, by every name under which a policy knows it; retired versions give
    #: none.
    granted: Mapping[str, tuple[str, ...]]
    agents: Collection[str]
    skills: Collection[str]
    #: Principals, and the roles that some principal holds.
    people: Collection[str]
    #: Sources that come and go with a setting; patterns of theirs are never dead.
    built_in: Collection[str] = field(default_factory=frozenset)


def check(policies: Iterable[Policy], around: Surroundings | None = None) -> list[Problem]:
    """Findings as warnings at the lines concerned."""
    policies = sorted(policies, key=lambda policy: policy.name)
    ruling = [policy for policy in policies if not policy.shadow]
    problems = []
    for policy in policies:
        found = [*_within(policy), *_beside(policy, [other for other in ruling if other is not policy])]
        if around is not None:
            found += _around(policy, around)
        problems += [policy.problem(path, message, "warning") for path, message in dict.fromkeys(found)]
    return problems


# --- Within one policy


def _within(policy: Policy) -> Iterator[Finding]:
    yield from _dead_tools(policy)
    yield from _repeated(policy)
    yield from _conditions(policy)
    spending, approval = policy.spending_limit, policy.approval_limit
    if spending and approval and spending.currency == approval.currency and approval.micros >= spending.micros:
        told = f"never asks over {approval}: the spending limit of {spending} denies first; lower it or take it out"
        yield ("require_approval_if_over",), told
    if approval and policy.tools and all(matching(policy.require_approval, tool) for tool in policy.tools):
        told = (
            "never gives leave: require_approval has every tool, so a person is asked each time; take one of them out"
        )
        yield ("require_approval_if_over",), told
    if policy.allowed_vendors == ():
        yield ("allowed_vendors",), "the list is empty: no payee is allowed"
    if policy.allowed_accounts == ():
        yield ("allowed_accounts",), "the list is empty: no account is allowed"


def _dead_tools(policy: Policy) -> Iterator[Finding]:
    for index, pattern in enumerate(policy.deny_tools):
        if pattern in policy.tools and pattern != "*":
            yield ("deny_tools", index), f"{pattern!r} stands in tools as well: deny wins; take it out of one of them"
    for index, pattern in enumerate(policy.tools):
        cover = matching(policy.deny_tools, pattern)
        if cover is not None and cover != pattern:
            yield (
                ("tools", index),
                f"{pattern!r} is never permitted: deny_tools has {cover!r}; take it out of one of them",
            )
    for index, pattern in enumerate(policy.require_approval):
        if not any(_touch(pattern, tool) for tool in policy.tools):
            yield ("require_approval", index), f"{pattern!r} never asks: tools does not permit it; add it there"
    if not policy.tools and not policy.deny_tools:
        yield ("tools",), "the policy permits nothing and denies nothing; name tools or take it out"


def _repeated(policy: Policy) -> Iterator[Finding]:
    """Patterns that another one of the same list covers."""
    lists = (("tools", policy.tools), ("deny_tools", policy.deny_tools), ("require_approval", policy.require_approval))
    for name, patterns in lists:
        for index, pattern in enumerate(patterns):
            others = [*patterns[:index], *(other for other in patterns[index + 1 :] if other != pattern)]
            cover = matching(others, pattern)
            if cover is not None:
                yield (name, index), f"{pattern!r} adds nothing to {cover!r}; take it out"


def _conditions(policy: Policy) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for index, condition in enumerate(policy.conditions):
        always = conditions.constant(condition)
        if always is not None:
            does = f"always {'denies' if condition.effect == 'deny' else 'asks'}" if always else "never speaks"
            yield ("conditions", index, "when"), f"it is {str(always).lower()} whatever the call is: it {does}"
        elif condition.when in first:
            told = f"condition {first[condition.when]!r} has the same `when`; keep one of them"
            yield ("conditions", index, "when"), told
        first.setdefault(condition.when, condition.name)


# --- Beside other policies


def _beside(policy: Policy, others: list[Policy]) -> Iterator[Finding]:
    for other in others:
        shared = _shared_agents(policy, other)
        if not shared:
            continue
        everyone = _covers_agents(other, policy)
        yield from _refused_elsewhere(policy, other, "" if everyone else f" to {shared}")
        yield from _asked_elsewhere(policy, other, "" if everyone else f" of {shared}")
        yield from _no_common_payee(policy, other)
        if everyone and all(matching(other.tools, pattern) for pattern in policy.tools):
            yield from _covered_limits(policy, other)


def _refused_elsewhere(policy: Policy, other: Policy, whom: str) -> Iterator[Finding]:
    for index, pattern in enumerate(policy.tools):
        cover = matching(other.deny_tools, pattern)
        if cover is not None:
            told = f"{pattern!r} is never permitted{whom}: policy {other.name!r} denies {cover!r}; change one of them"
            yield ("tools", index), told


def _asked_elsewhere(policy: Policy, other: Policy, whom: str) -> Iterator[Finding]:
    if policy.approval_limit is None or not policy.tools:
        return
    if all(matching(other.require_approval, pattern) for pattern in policy.tools):
        told = f"never gives leave for calls{whom}: policy {other.name!r} asks each time; change one of them"
        yield ("require_approval_if_over",), told


def _no_common_payee(policy: Policy, other: Policy) -> Iterator[Finding]:
    if not any(_touch(one, two) for one in policy.tools for two in other.tools):
        return
    for name in ("allowed_vendors", "allowed_accounts"):
        mine, theirs = getattr(policy, name), getattr(other, name)
        if mine and theirs and not set(mine) & set(theirs):
            what = "payee" if name == "allowed_vendors" else "account"
            told = f"no {what} is allowed by this and by policy {other.name!r}, which both hold; let them share one"
            yield (name,), told


def _covered_limits(policy: Policy, other: Policy) -> Iterator[Finding]:
    """Limits that stricter ones of `other` always reach first; of two that are alike the later name's is told."""
    for path, attribute in (
        (_spending_path(policy), "spending_limit"),
        (("require_approval_if_over",), "approval_limit"),
    ):
        mine, theirs = getattr(policy, attribute), getattr(other, attribute)
        if mine is None or theirs is None or mine.currency != theirs.currency:
            continue
        if _stricter(theirs.micros, mine.micros, other, policy):
            yield path, f"{mine} never matters: policy {other.name!r} has {theirs}; take this one out"
    for name in ("max_turns", "reflection_loop_cap"):
        mine, theirs = getattr(policy, name), getattr(other, name)
        if mine is not None and theirs is not None and _stricter(theirs, mine, other, policy):
            yield (name,), f"{mine} never matters: policy {other.name!r} has {theirs}; take this one out"
    for name in ("allowed_vendors", "allowed_accounts"):
        mine, theirs = getattr(policy, name), getattr(other, name)
        if mine and theirs and set(theirs) < set(mine):
            yield (name,), f"the list never matters: that of policy {other.name!r} is narrower; take this one out"


def _stricter(theirs: int, mine: int, other: Policy, policy: Policy) -> bool:
    return theirs < mine or (theirs == mine and other.name < policy.name)


def _spending_path(policy: Policy) -> Path:
    written = policy.source is not None and "spending_limit" in policy.source.fields
    return ("spending_limit" if written else "spending_limit_usd",)


# --- Against what is registered


def _around(policy: Policy, around: Surroundings) -> Iterator[Finding]:
    yield from _unknown_tools(policy, around)
    yield from _not_granted(policy, around)
    yield from _money_nowhere(policy, around)
    for index, name in enumerate(policy.approvers or ()):
        if name not in around.people and name != APPROVER:
            path: Path = ("approvers", index) if _written(policy, "approvers") else ("escalation",)
            yield path, f"{name!r} is no principal, and no principal has such a role: nobody could answer; name another"
    for index, name in enumerate(policy.patience.escalate_to):
        if name not in around.people and name != APPROVER:
            told = f"{name!r} is no principal, and no principal has such a role: nobody more would be asked"
            yield ("approval_escalate_to", index), told
    known = {"skill": around.skills, "agent": around.agents, "tool": around.tools}
    for index, condition in enumerate(policy.conditions):
        for variable, names in known.items():
            for value in conditions.compared(condition.when, variable):
                if value not in names:
                    told = f"{variable} is never {value!r}: no such {variable} is registered; mend the name"
                    yield ("conditions", index, "when"), told


def _unknown_tools(policy: Policy, around: Surroundings) -> Iterator[Finding]:
    lists = (("tools", policy.tools), ("deny_tools", policy.deny_tools), ("require_approval", policy.require_approval))
    for name, patterns in lists:
        for index, pattern in enumerate(patterns):
            if not _known(pattern, around):
                yield (name, index), f"{pattern!r} fits no registered tool; mend the name, or apply its source"


def _known(pattern: str, around: Surroundings) -> bool:
    if pattern.split("__", 1)[0] in around.built_in:
        return True
    return pattern == "*" or any(fits(pattern, tool) for tool in around.tools)


def _not_granted(policy: Policy, around: Surroundings) -> Iterator[Finding]:
    """Tools that are permitted, and granted to none of the agents named."""
    if "*" in policy.agents:
        return
    granted = [pattern for agent in policy.agents for pattern in around.granted.get(agent, ())]
    if not any(agent in around.granted for agent in policy.agents):
        return  # an unknown agent is told of elsewhere
    for index, pattern in enumerate(policy.tools):
        fitting = [tool for tool in around.tools if fits(pattern, tool)]
        if fitting and not any(matching(granted, tool) for tool in fitting):
            told = (
                f"{pattern!r} is granted to no version of {', '.join(policy.agents)} in use; grant it, or take it out"
            )
            yield ("tools", index), told


def _money_nowhere(policy: Policy, around: Surroundings) -> Iterator[Finding]:
    """Rules on money and payees where no tool writes, or where one that does declares no such role."""
    covered = [tool for tool in around.tools.values() if matching(policy.tools, tool.name)]
    sinks = [tool for tool in covered if tool.sink]
    whole = all(_known(pattern, around) for pattern in policy.tools)
    rules = (
        (_spending_path(policy), policy.spending_limit, "amount"),
        (("require_approval_if_over",), policy.approval_limit, "amount"),
        (("allowed_vendors",), policy.allowed_vendors, "payee"),
        (("allowed_accounts",), policy.allowed_accounts, "account"),
    )
    for path, rule, role in rules:
        if rule is None:
            continue
        if covered and whole and not sinks:
            yield path, "never speaks: every tool that the policy permits only reads; take it out"
        for tool in sinks:
            if tool.role(role) is None and not matching(policy.deny_tools, tool.name):
                told = f"denies every call of {tool.name}, which declares no role {role!r}; declare it, or take one out"
                yield path, told


def _written(policy: Policy, name: str) -> bool:
    return policy.source is not None and name in policy.source.fields


def _covers_agents(wider: Policy, narrower: Policy) -> bool:
    return "*" in wider.agents or set(narrower.agents) <= set(wider.agents)


def _shared_agents(one: Policy, other: Policy) -> str:
    """The agents that both name, in words; empty for none. A version is of its agent."""
    if "*" in one.agents and "*" in other.agents:
        return "every agent"
    if "*" in one.agents or "*" in other.agents:
        return ", ".join(other.agents if "*" in one.agents else one.agents)
    return ", ".join(sorted(a for a in {*one.agents, *other.agents} if _names(one, a) and _names(other, a)))


def _names(policy: Policy, agent: str) -> bool:
    return any(agent == named or agent.startswith(f"{named}-v") for named in policy.agents)


def _touch(one: str, other: str) -> bool:
    """True where some tool may fit both patterns (certain only where one is no narrower pattern of the other)."""
    if "*" in one and "*" in other:
        first, second = one.split("*", 1)[0], other.split("*", 1)[0]
        return first.startswith(second) or second.startswith(first)
    return fits(one, other) or fits(other, one)
