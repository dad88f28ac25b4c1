"""Each rule of a policy as a function of a request, made once when policies are compiled.

A rule gives what it has to say, or None. It is made for one tool, so that what can be known of the tool's declaration
(no such role, a call that only reads) is decided before any request comes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from remit.policy.conditions import Condition
from remit.policy.decision import Effect, Request, Spoken
from remit.policy.document import Policy
from remit.policy.patterns import matching
from remit.quantities import MICROS, Money, Rates
from remit.tools import Tool

Rule = Callable[[Request], Spoken | None]

#: The name under which a policy's approval limit gives leave for a critical call.
LEAVE = "within_approval_limit"


def rules_for(policy: Policy, tool: Tool, rates: Rates | None) -> tuple[list[Spoken], list[Rule]]:
    """What `policy` always says of `tool`, and what it says depending on the request."""
    fixed: list[Spoken] = []
    rules: list[Rule] = []
    denied = matching(policy.deny_tools, tool.name)
    if denied is not None:
        fixed.append(Spoken(policy.name, "deny_tools", "deny", f"{tool.name} is refused by {denied!r}"))
    covered = matching(policy.tools, tool.name)
    if covered is None:
        return fixed, rules
    fixed.append(Spoken(policy.name, "tools", "permit", f"{tool.name} is permitted by {covered!r}"))
    asked = matching(policy.require_approval, tool.name)
    if asked is not None:
        fixed.append(Spoken(policy.name, "require_approval", "ask", f"{tool.name} always asks, by {asked!r}"))
    rules += _caps(policy)
    for told in _sink_rules(policy, tool, rates) if tool.sink else ():
        if isinstance(told, Spoken):
            fixed.append(told)
        else:
            rules.append(told)
    rules += [_condition(policy, condition, tool, rates) for condition in policy.conditions]
    return fixed, rules


def _sink_rules(policy: Policy, tool: Tool, rates: Rates | None) -> Iterator[Rule | Spoken]:
    """The rules on money and payees; a call that only reads is not their business."""

    def needs(role: str, rule: str) -> Spoken | None:
        if tool.role(role) is not None:
            return None
        message = f"{rule} needs the role {role!r}, which {tool.name} does not declare"
        return Spoken(policy.name, "undeclared_role", "deny", message)

    if policy.spending_limit is not None:
        yield needs("amount", "spending_limit") or _spending(policy, policy.spending_limit, rates)
    if policy.approval_limit is not None:
        yield needs("amount", "require_approval_if_over") or _approval(policy, policy.approval_limit, rates)
    if policy.allowed_vendors is not None:
        yield needs("payee", "allowed_vendors") or _vendors(policy, frozenset(policy.allowed_vendors))
    if policy.allowed_accounts is not None:
        allowed = frozenset(map(plain_account, policy.allowed_accounts))
        yield needs("account", "allowed_accounts") or _accounts(policy, allowed, tool)


# --- Money ----------------------------------------------------------------------------------------------------------


def _spending(policy: Policy, limit: Money, rates: Rates | None) -> Rule:
    name, most, currency, shown = policy.name, limit.micros, limit.currency, str(limit)
    absent = Spoken(name, "missing_value", "deny", f"spending_limit {shown} needs an amount, and the call gives none")

    def rule(request: Request) -> Spoken | None:
        amount = request.amount
        if amount is None:
            return absent
        total, unknown = spent_with(request.mission_spent, amount, currency, rates)

        def told() -> str:
            compared = f"the mission's total with this call is {currency} {_text(total)}, the limit {shown}"
            return f"{unknown}; of the rest {compared}" if unknown and total <= most else compared

        return Spoken(name, "spending_limit", "deny" if total > most else "ask" if unknown else "note", told)

    return rule


def _approval(policy: Policy, limit: Money, rates: Rates | None) -> Rule:
    name, most, currency, shown = policy.name, limit.micros, limit.currency, str(limit)
    over = "require_approval_if_over"
    absent = Spoken(name, "missing_value", "deny", f"{over} {shown} needs an amount, and the call gives none")

    def rule(request: Request) -> Spoken | None:
        amount = request.amount
        if amount is None:
            return absent
        payee = request.payee
        # Where the tool names no payee, all that the mission spent might have gone to this one.
        spent = request.payee_spent if payee else request.mission_spent
        total, unknown = spent_with(spent, amount, currency, rates)

        def told() -> str:
            who = payee or "the mission"
            compared = f"with this call {who!r} gets {currency} {_text(total)} in all, the limit is {shown}"
            return f"{unknown}; of the rest {compared}" if unknown and total <= most else compared

        if total > most or unknown:
            return Spoken(name, over, "ask", told)
        return Spoken(name, LEAVE, "permit", told)

    return rule


def spent_with(spent: Mapping[str, int], amount: Money, currency: str, rates: Rates | None) -> tuple[int, str]:
    """`spent` and `amount` in micros of `currency`, and in words what could not be counted.

    What is below zero counts as nothing, so that no credit makes room under a limit.
    """
    if amount.currency == currency and amount.micros >= 0 and (not spent or (len(spent) == 1 and currency in spent)):
        return max(spent.get(currency, 0), 0) + amount.micros, ""
    total = 0
    unknown = ""
    sums = {**spent, amount.currency: max(spent.get(amount.currency, 0), 0) + max(amount.micros, 0)}
    for one, micros in sums.items():
        if one == currency:
            total += max(micros, 0)
        elif micros > 0:
            converted = rates.convert(Money(micros, one), currency) if rates is not None else None
            if converted is None:
                unknown = f"there is no rate from {one} to {currency} for {one} {_text(micros)}"
            else:
                total += converted.micros
    if amount.micros < 0:
        unknown = f"the amount {amount} is below zero"
    return total, unknown


def _text(micros: int) -> str:
    """Like `Money.text`, quick for whole cents (up to where a float has them exactly)."""
    if micros % 10_000 or micros >= 2**53:
        return Money(micros, "").text
    return f"{micros / MICROS:.2f}"


# --- Payees ---------------------------------------------------------------------------------------------------------


def _vendors(policy: Policy, allowed: frozenset[str]) -> Rule:
    name = policy.name
    absent = Spoken(name, "missing_value", "deny", "allowed_vendors needs a payee, and the call gives none")
    listed = ", ".join(sorted(allowed)[:5]) + (f" and {len(allowed) - 5} more" if len(allowed) > 5 else "") or "nobody"

    ready = {one: Spoken(name, "allowed_vendors", "note", f"{one!r} is an allowed vendor") for one in allowed}

    def rule(request: Request) -> Spoken | None:
        payee = request.payee
        if payee is None:
            return absent
        if payee in ready:
            return ready[payee]
        if request.payee_name in allowed:
            return Spoken(name, "allowed_vendors", "note", f"{payee!r} is {request.payee_name!r}, an allowed vendor")
        shown = repr(payee) if request.payee_name is None else f"{payee!r} ({request.payee_name})"
        told = f"{shown} is not an allowed vendor; allowed: {listed}"
        return Spoken(name, "allowed_vendors", "deny", told, "the value of the role payee is not an allowed vendor")

    return rule


def _accounts(policy: Policy, allowed: frozenset[str], tool: Tool) -> Rule:
    name, role = policy.name, tool.role("account")
    assert role is not None
    argument = role.argument
    absent = Spoken(name, "missing_value", "deny", "allowed_accounts needs an account, and the call gives none")

    def rule(request: Request) -> Spoken | None:
        account = request.arguments.get(argument)
        if not isinstance(account, str):
            return absent
        if plain_account(account) in allowed:
            return Spoken(name, "allowed_accounts", "note", f"{account!r} is an allowed account")
        told = f"{account!r} is not an allowed account"
        return Spoken(name, "allowed_accounts", "deny", told, "the value of the role account is not an allowed account")

    return rule


def plain_account(written: str) -> str:
    """Accounts are grouped by spaces in print and not in data."""
    return "".join(written.split())


# --- Loops and conditions -------------------------------------------------------------------------------------------


def _caps(policy: Policy) -> Iterator[Rule]:
    if policy.reflection_loop_cap is not None:
        yield _cap(policy, "reflection_loop_cap", policy.reflection_loop_cap, lambda request: request.reflections)
    if policy.max_turns is not None:
        yield _cap(policy, "max_turns", policy.max_turns, lambda request: request.turns)


def _cap(policy: Policy, rule_name: str, cap: int, counted: Callable[[Request], int]) -> Rule:
    name, word = policy.name, "reflection" if rule_name == "reflection_loop_cap" else "turn"

    def told(count: int) -> Spoken:
        return Spoken(name, rule_name, "deny" if count > cap else "note", f"{word} {count} of at most {cap}")

    # Sentences are costly beside a comparison, and these are nearly always the same few.
    ready = [told(count) for count in range(min(cap, 50) + 1)]

    def rule(request: Request) -> Spoken | None:
        count = counted(request)
        return ready[count] if 0 <= count < len(ready) else told(count)

    return rule


def _condition(policy: Policy, condition: Condition, tool: Tool, rates: Rates | None) -> Rule:
    name, rule_name = policy.name, f"condition:{condition.name}"
    limit = policy.approval_limit or policy.spending_limit
    currency = None if limit is None else limit.currency
    effect: Effect = condition.effect
    told = condition.message or f"because {condition.when}"

    def rule(request: Request) -> Spoken | None:
        values = _values(request, currency, rates)
        if not tool.sink and not condition.needs <= values.keys():
            return None
        try:
            if not condition.holds(values):
                return None
        except ValueError as error:
            plain = f"it cannot be told whether {condition.when}"
            return Spoken(name, rule_name, "deny", f"{plain}: {error}", plain)
        compared = ", ".join(f"{key} {values[key]!r}" for key in sorted(condition.needs & values.keys()))
        return Spoken(name, rule_name, effect, f"{told} ({compared})" if compared else told, told)

    return rule


def _values(request: Request, currency: str | None, rates: Rates | None) -> dict[str, Any]:
    """What a condition sees; a value that the call does not have is absent, and speaking of it is an error."""
    values: dict[str, Any] = {
        "agent": request.agent,
        "tool": request.tool.name,
        "tier": str(request.tool.tier),
        "principal": request.principal,
        "mission": request.mission,
        "skill": request.skill,
        "args": dict(request.arguments),
    }
    amount = request.amount
    if amount is not None:
        values["currency"] = amount.currency
        if currency is not None and amount.currency != currency:
            amount = rates.convert(amount, currency) if rates is not None else None
        if amount is not None:
            values["amount"] = amount.micros / MICROS
    if request.payee is not None:
        values["payee"] = request.payee
    return values
