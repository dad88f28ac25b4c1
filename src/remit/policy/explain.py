"""For people: what was decided and why, and what in a set of policies cannot work as written."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from remit.policy.decision import Decision
from remit.policy.document import Policy
from remit.policy.patterns import fits, matching
from remit.resources import Path, Problem

_MARKS = {"permit": "permits", "deny": "DENIES", "ask": "asks", "note": "notes"}
_WOULD = {"deny": "denied", "ask": "permitted once approved", "permit": "permitted"}


def explain(decision: Decision) -> str:
    """The decision in lines of text: the answer, every rule that spoke, and who must be asked."""
    lines = [_WOULD[decision.answer]]
    lines += [
        f"  {_MARKS[told.effect]:<8}{told.policy or '(built in)'} / {told.rule}: {told.message}"
        for told in decision.spoken
    ]
    for owed in decision.obligations:
        how = f"by {' or '.join(owed.approvers)} within {owed.expires_hours} h" if owed.approvers else owed.message
        lines.append(f"  needs   {owed.kind} {how} ({owed.policy} / {owed.rule})")
    if decision.shadow is not None:
        lines.append(f"  shadow  would be {_WOULD[decision.shadow.answer]}")
        lines += [
            f"    {_MARKS[told.effect]:<8}{told.policy} / {told.rule}: {told.message}"
            for told in decision.shadow.spoken
        ]
    lines.append(f"  policy  {decision.policy_hash[:16]}")
    return "\n".join(lines)


def to_json(decision: Decision) -> dict[str, Any]:
    """The same as plain values."""
    shadow = decision.shadow
    return {
        "answer": decision.answer,
        "permit": decision.permit,
        "spoken": [told.to_json() for told in decision.spoken],
        "obligations": [asdict(owed) for owed in decision.obligations],
        "policy_hash": decision.policy_hash,
        "shadow": shadow
        and {
            "answer": shadow.answer,
            "differs": shadow.differs,
            "spoken": [told.to_json() for told in shadow.spoken],
        },
    }


def check(policies: Iterable[Policy]) -> list[Problem]:
    """What contradicts itself or can never matter, as warnings at the lines concerned.

    Only what is certain from the documents alone: a condition in CEL is not looked into.
    """
    policies = sorted(policies, key=lambda policy: policy.name)
    problems = [policy.problem(path, message, "warning") for policy in policies for path, message in _within(policy)]
    denying = [policy for policy in policies if policy.deny_tools]
    limiting = [policy for policy in policies if policy.spending_limit is not None]
    for policy in policies:
        problems += [policy.problem(*found, "warning") for found in _refused_elsewhere(policy, denying)]
        problems += [policy.problem(*found, "warning") for found in _limited_elsewhere(policy, limiting)]
    return problems


def _within(policy: Policy) -> Iterator[tuple[Path, str]]:
    yield from _dead_tools(policy)
    spending, approval = policy.spending_limit, policy.approval_limit
    if spending and approval and spending.currency == approval.currency and approval.micros >= spending.micros:
        told = f"never asks over {approval}: the spending limit of {spending} denies first"
        yield ("require_approval_if_over",), told
    if policy.allowed_vendors == ():
        yield ("allowed_vendors",), "the list is empty: no payee is allowed"
    if policy.allowed_accounts == ():
        yield ("allowed_accounts",), "the list is empty: no account is allowed"


def _dead_tools(policy: Policy) -> Iterator[tuple[Path, str]]:
    for index, pattern in enumerate(policy.deny_tools):
        if pattern in policy.tools and pattern != "*":
            yield ("deny_tools", index), f"{pattern!r} stands in tools as well: deny wins"
    for index, pattern in enumerate(policy.tools):
        cover = matching(policy.deny_tools, pattern)
        if cover is not None and cover != pattern:
            yield ("tools", index), f"{pattern!r} is never permitted: deny_tools has {cover!r}"
    for index, pattern in enumerate(policy.require_approval):
        if not any(_touch(pattern, tool) for tool in policy.tools):
            yield ("require_approval", index), f"{pattern!r} never asks: tools does not permit it"
    if not policy.tools and not policy.deny_tools:
        yield ("tools",), "the policy permits nothing and denies nothing"


def _refused_elsewhere(policy: Policy, denying: list[Policy]) -> Iterator[tuple[Path, str]]:
    """Tools that another policy refuses to all agents of this one."""
    for other in denying:
        if other is policy or not _covers_agents(other, policy):
            continue
        for index, pattern in enumerate(policy.tools):
            cover = matching(other.deny_tools, pattern)
            if cover is not None:
                yield ("tools", index), f"{pattern!r} is never permitted: policy {other.name!r} denies {cover!r}"


def _limited_elsewhere(policy: Policy, limiting: list[Policy]) -> Iterator[tuple[Path, str]]:
    """A spending limit under which another policy's lower one always lies."""
    mine = policy.spending_limit
    for other in limiting if mine is not None else ():
        lower = other.spending_limit
        assert mine is not None
        assert lower is not None
        if other is policy or lower.currency != mine.currency or lower.micros >= mine.micros:
            continue
        if _covers_agents(other, policy) and all(matching(other.tools, pattern) for pattern in policy.tools):
            field = "spending_limit" if _written(policy, "spending_limit") else "spending_limit_usd"
            yield (field,), f"{mine} never matters: policy {other.name!r} allows only {lower}"
            return


def _written(policy: Policy, field: str) -> bool:
    return policy.source is not None and field in policy.source.fields


def _covers_agents(wider: Policy, narrower: Policy) -> bool:
    return "*" in wider.agents or set(narrower.agents) <= set(wider.agents)


def _touch(one: str, other: str) -> bool:
    """True where some tool may fit both patterns (certain only where one is no narrower pattern of the other)."""
    if "*" in one and "*" in other:
        first, second = one.split("*", 1)[0], other.split("*", 1)[0]
        return first.startswith(second) or second.startswith(first)
    return fits(one, other) or fits(other, one)
