"""What would have to stand in policies for a call that they deny: YAML for a person to look at.

It names agents, tools, policies and limits. Payees and accounts may be people's, so they are placeholders in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from remit.policy.decision import Decision, Request, Spoken
from remit.policy.document import Policy
from remit.policy.patterns import fits, matching
from remit.policy.rules import spent_with
from remit.quantities import Money, Rates
from remit.resources import sketch
from remit.tools import Tier, Tool

#: Rules that need a role, the field that makes them, and the role.
_NEEDS = (
    ("spending_limit", "amount"),
    ("approval_limit", "amount"),
    ("allowed_vendors", "payee"),
    ("allowed_accounts", "account"),
)


def remedy(decision: Decision, request: Request, policies: Iterable[Policy], rates: Rates | None = None) -> str:
    """YAML that would permit the call, a document for each rule that denies it; empty where none does."""
    named = {policy.name: policy for policy in policies}
    documents: dict[str, None] = {}
    for told in decision.spoken:
        if told.effect == "deny":
            policy = named.get(told.policy)
            documents.update(dict.fromkeys(_documents(told, policy, request, named, rates)))
    return "---\n".join(documents)


def _documents(
    told: Spoken, policy: Policy | None, request: Request, named: Mapping[str, Policy], rates: Rates | None
) -> Iterator[str]:
    if told.rule == "no_policy":
        yield from _new_policy(request, named)
    elif policy is None:
        return
    elif told.rule == "undeclared_role":
        yield _roles(policy, request.tool)
    elif told.rule == "missing_value":
        yield f"# No resource would permit it: policy {policy.name!r} needs a value that the call does not give.\n"
    elif told.rule.startswith("condition:"):
        fields = {"conditions": [{"name": told.rule.removeprefix("condition:"), "effect": "ask"}]}
        yield sketch("Policy", policy.name, fields, "The condition with effect `ask`: a person is asked instead.")
    elif told.rule in _CHANGES:
        fields, note = _CHANGES[told.rule](policy, request, rates)
        yield sketch("Policy", policy.name, fields, note)


def _new_policy(request: Request, named: Mapping[str, Policy]) -> Iterator[str]:
    shadows = [
        p for p in named.values() if p.shadow and _for_agent(p, request) and matching(p.tools, request.tool.name)
    ]
    if shadows:
        yield sketch("Policy", shadows[0].name, {"mode": "enforce"}, "It is in shadow; enforced it would permit.")
        return
    note = "A policy of its own for this agent and this tool."
    if request.tool.tier is Tier.CRITICAL:
        note += (
            "\nThe tool is critical: a person is asked each time, or beyond `require_approval_if_over` where it stands."
        )
    name = f"{request.agent}-{request.tool.name}".replace("__", "-")
    yield sketch("Policy", name, {"agents": [request.agent], "tools": [request.tool.name]}, note, whole=True)


def _for_agent(policy: Policy, request: Request) -> bool:
    version = f"{request.agent}-v{request.agent_version.removeprefix('v')}"
    return bool({"*", request.agent, version} & set(policy.agents))


def _roles(policy: Policy, tool: Tool) -> str:
    missing = {
        role: "$.ARGUMENT" for field, role in _NEEDS if getattr(policy, field) is not None and not tool.role(role)
    }
    note = f"Say which argument is meant: policy {policy.name!r} has a limit on it."
    return sketch("ToolSource", tool.source, {"tools": {tool.local_name: {"roles": missing}}}, note)


# --- One rule each: the fields to change, and what to say of them


def _without_denial(policy: Policy, request: Request, _rates: Rates | None) -> tuple[dict[str, Any], str]:
    tool = request.tool.name
    left = [pattern for pattern in policy.deny_tools if not fits(pattern, tool)]
    out = ", ".join(repr(pattern) for pattern in policy.deny_tools if fits(pattern, tool))
    return {"deny_tools": left}, f"Without {out}; other tools that it covers are no longer denied either."


def _spending(policy: Policy, request: Request, rates: Rates | None) -> tuple[dict[str, Any], str]:
    limit, amount = policy.spending_limit, request.amount
    assert limit is not None
    assert amount is not None
    total, _ = spent_with(request.mission_spent, amount, limit.currency, rates)
    needed = Money(total, limit.currency)
    written = policy.source.fields if policy.source is not None else {}
    if "spending_limit_usd" in written:
        return {"spending_limit_usd": float(needed.text)}, "The least limit that covers this call in this mission."
    fields = {"spending_limit": {"amount": needed.text, "currency": needed.currency}}
    return fields, "The least limit that covers this call in this mission."


def _listed(field: str, placeholder: str) -> Callable[[Policy, Request, Rates | None], tuple[dict[str, Any], str]]:
    def change(_policy: Policy, _request: Request, _rates: Rates | None) -> tuple[dict[str, Any], str]:
        told = f"Beside those that stand there; {placeholder} is that of this call, which `remit why` shows."
        return {field: [placeholder]}, told

    return change


def _cap(field: str) -> Callable[[Policy, Request, Rates | None], tuple[dict[str, Any], str]]:
    def change(_policy: Policy, request: Request, _rates: Rates | None) -> tuple[dict[str, Any], str]:
        reached = request.turns if field == "max_turns" else request.reflections
        return {field: reached}, "The least cap that takes this call."

    return change


_CHANGES: Mapping[str, Callable[[Policy, Request, Rates | None], tuple[dict[str, Any], str]]] = {
    "deny_tools": _without_denial,
    "spending_limit": _spending,
    "allowed_vendors": _listed("allowed_vendors", "PAYEE"),
    "allowed_accounts": _listed("allowed_accounts", "ACCOUNT"),
    "reflection_loop_cap": _cap("reflection_loop_cap"),
    "max_turns": _cap("max_turns"),
}
