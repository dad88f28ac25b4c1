"""How long one decision of policy takes, with few and with many policies in force."""

import time
from functools import partial
from typing import Any

from measure import POLICIES, answer, median_us

from remit.policy import Policy, PolicySet, Request
from remit.quantities import Money
from remit.tools import Role, Tier, Tool

TOOL = Tool(
    "bank__pay",
    "bank",
    "",
    {},
    Tier.CRITICAL,
    roles=(Role("amount", "amount", frozenset()), Role("payee", "payee", frozenset())),
)
#: Policies that name the agent that asks; the others name others. With `None` all do.
NAMING = (1, 3, None)


def a_policy(number: int, agent: str) -> Policy:
    return Policy(
        name=f"p{number}",
        agents=(agent,),
        tools=("bank__*", f"erp{number}__*"),
        spending_limit=Money.of("5000", "USD"),
        approval_limit=Money.of("1000", "USD"),
        allowed_vendors=("Vendor_A", "Vendor_B"),
        reflection_loop_cap=5,
    )


def a_request() -> Request:
    return Request(
        agent="payer",
        agent_version="1",
        principal="anna",
        mission="m-1",
        skill="pay-invoice",
        tool=TOOL,
        arguments={},
        amount=Money.of("100", "USD"),
        payee="Vendor_A",
        payee_name=None,
        mission_spent={"USD": 250_000_000},
        payee_spent={"USD": 50_000_000},
        reflections=1,
        turns=1,
    )


def measured(count: int, *, naming: int) -> dict[str, Any]:
    """Decide among `count` policies, of which `naming` name the agent that asks."""
    policies = [a_policy(number, "payer" if number < naming else f"agent-{number}") for number in range(count)]
    known = {"payer"} | {policy.agents[0] for policy in policies}
    chosen = PolicySet.compile(policies, None, known)
    assert not chosen.problems
    request = a_request()
    begin = time.perf_counter()
    decision = chosen.decide(request)
    first = time.perf_counter() - begin
    assert decision.permit
    assert len({spoken.policy for spoken in decision.spoken}) == naming
    return {
        "policies": count,
        "naming": naming,
        "us": median_us(partial(chosen.decide, request)),
        "told_us": median_us(lambda: chosen.decide(request).spoken),
        "first_us": first * 1e6,
    }


def denying(count: int) -> float:
    """Decide among `count` policies for every agent that permit this tool, and each deny another one everywhere."""
    policies = [
        Policy(name=f"p{number}", agents=("*",), tools=("bank__*",), deny_tools=(f"*__wipe_{number}",))
        for number in range(count)
    ]
    chosen, request = PolicySet.compile(policies, None, {"payer"}), a_request()
    assert chosen.decide(request).answer == "ask"
    return median_us(partial(chosen.decide, request))


if __name__ == "__main__":
    decisions = [measured(size, naming=naming or size) for naming in NAMING for size in POLICIES]
    answer({"decisions": decisions, "denying": {str(size): denying(size) for size in POLICIES}})
