"""Small builders: a tool, a request, a policy, each with what a test does not care about filled in."""

from remit.policy import Policy, Request, load_policy
from remit.quantities import Money
from remit.resources import Problem, read_resources
from remit.tools import Role, Tier, Tool


def a_tool(name="bank__pay", *, tier="critical", roles=("amount", "payee")):
    declared = tuple(Role(role, role, frozenset()) for role in roles)
    return Tool(name, name.split("__", maxsplit=1)[0], "", {}, Tier(tier), roles=declared)


def money(text):
    """`USD 5.00` as money."""
    currency, amount = text.split()
    return Money.of(amount, currency)


def spent(written):
    return {currency: Money.of(str(amount), currency).micros for currency, amount in written.items()}


def a_request(*, tool=None, amount="USD 100", mission_spent=None, payee_spent=None, **changes):
    fields = {
        "agent": "payer",
        "agent_version": "1",
        "principal": "anna",
        "mission": "m-1",
        "skill": "pay-invoice",
        "tool": tool or a_tool(),
        "arguments": {},
        "amount": None if amount is None else money(amount),
        "payee": "Vendor_A",
        "payee_name": None,
        "mission_spent": spent(mission_spent or {}),
        "payee_spent": spent(payee_spent or {}),
        "reflections": 1,
        "turns": 1,
    }
    return Request(**{**fields, **changes})


def load(text) -> tuple[list[Policy], list[Problem]]:
    """Every policy in `text`, and all that is wrong with them."""
    resources, problems = read_resources(text, "policies.yaml")
    policies = []
    for raw in resources:
        policy, found = load_policy(raw)
        problems += found
        policies += [policy] if policy else []
    return policies, problems


def a_policy(fields="", *, name="pay", agents="[payer]") -> Policy:
    """A policy from YAML lines of its fields.

    The document must be without error.
    """
    text = f"apiVersion: remit/v1\nkind: Policy\nname: {name}\nagents: {agents}\n{fields}\n"
    policies, problems = load(text)
    assert not [problem for problem in problems if problem.severity == "error"], problems
    return policies[0]
