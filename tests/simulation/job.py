"""The job of a simulated life: what is applied, and the agent that plans and pays."""

import asyncio
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

from remit.ids import StepId
from remit.missions import StepContext
from remit.planning import Compensation, Step, StepKind, Terms
from remit.policy import PolicySet, Request, load_policy
from remit.quantities import Money
from remit.resources import read_resources
from remit.tools import Role, Tier, Tool

#: Approval limits of the policies that replace one another, in whole US dollars.
LIMITS = (5_000, 200, 20_000)
#: What the standing approval of some lives covers: up to this, for this payee, until this day.
STANDING_UP_TO, STANDING_PAYEE, STANDING_UNTIL = 6_000, "V1", "2026-01-20"

_RESOURCES = """\
apiVersion: remit/v1
kind: Principal
name: owner
roles: [owner]
---
apiVersion: remit/v1
kind: Principal
name: clerk
roles: [operator]
---
apiVersion: remit/v1
kind: Budget
name: tenant
limit: {{amount: "{tenant}", currency: USD}}
---
apiVersion: remit/v1
kind: ToolSource
name: sim
python: {{module: simulated}}
tools:
  find: {{tier: read-only, directory: true}}
  read: {{tier: read-only, extracts: {{$.amount: number}}, cost: {{amount: "0.001", currency: USD}}}}
  pay:
    tier: critical
    idempotent: true
    roles:
      amount: $.amount
      currency: {{path: $.currency, from: [directory]}}
      payee: $.vendor
      account: {{path: $.account, from: [directory], strict: true}}
  post: {{tier: restricted-write}}
  book: {{tier: restricted-write, idempotent: true}}
  unbook: {{tier: restricted-write, idempotent: true, cost: {{amount: "0.0001", currency: USD}}}}
---
apiVersion: remit/v1
kind: Agent
name: planner
version: 1.0.0
skills: [{{name: sim.plan, description: plans}}, {{name: sim.settle, description: pays inside a step}}]
run: {{python: "simulated:agent"}}
tools: ["sim__*"]
---
apiVersion: remit/v1
kind: Policy
name: letters
agents: [planner]
tools: [sim__post, sim__book, sim__unbook]
---
apiVersion: remit/v1
kind: Workflow
name: sim
start: sim.plan
tools: ["sim__*"]
budget: {{amount: "{mission}", currency: USD}}
deadline_hours: 8784
"""
_STANDING = f"""\
apiVersion: remit/v1
kind: StandingApproval
name: rent
given_by: owner
agent: planner
tool: sim__pay
payee: {STANDING_PAYEE}
up_to: "{STANDING_UP_TO}"
currency: USD
until: {STANDING_UNTIL}
"""


def files(random: Random) -> list[tuple[str, str]]:
    """What a life's home is given first: now and then hardly any money, now and then a standing approval."""
    mission = random.choice(["0.05", "0.05", "0.05", "0.0025", "0.0012"])
    tenant = random.choice(["1.00", "1.00", "1.00", "0.004"])
    found = [("sim.yaml", _RESOURCES.format(mission=mission, tenant=tenant)), policy_file(LIMITS[0])]
    return [*found, ("standing.yaml", _STANDING)] if random.random() < 0.25 else found


def policy_file(limit: int) -> tuple[str, str]:
    """The one policy, with this approval limit."""
    return (
        "policy.yaml",
        f"""\
apiVersion: remit/v1
kind: Policy
name: sim
agents: [planner]
tools: [sim__find, sim__read, sim__pay]
require_approval_if_over: {limit}
approval_remind_hours: [1, 3]
approval_escalate_hours: 2
approval_escalate_to: [owner]
""",
    )


@cache
def limit_by_hash() -> dict[str, int]:
    """The hash that a decision about a payment names, to the approval limit under which it was taken, in micros."""
    tool = Tool("sim__pay", "sim", "", {}, tier=Tier.CRITICAL, roles=(Role("amount", "amount", frozenset()),))
    amount = Money.of("1", "USD")
    request = Request("planner", "1.0.0", "", "", "", tool, {}, amount, None, None, {}, {}, 0, 0)
    found = {}
    for limit in LIMITS:
        (raw,), _ = read_resources(policy_file(limit)[1], "policy.yaml")
        policy, problems = load_policy(raw)
        assert policy is not None, problems
        found[PolicySet.compile([policy], None, frozenset(["planner"])).decide(request).policy_hash] = limit * 1_000_000
    return found


def _booking(context: StepContext, reference: str, number: int, after: str) -> Step:
    """A step that is undone where its mission ends otherwise than well."""
    recipe = context._seal({"with": {"reference": reference}})
    terms = Terms(compensate=Compensation(StepKind.TOOL, "sim__unbook", recipe))
    given = context._seal({"reference": reference})
    return Step(StepId(f"book-{number}"), StepKind.TOOL, "sim__book", given, (StepId(after),), terms=terms)


async def agent(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Plans a small mission, or pays inside its own step with several calls at once and a broad handler."""
    vendor = given.get("vendor", "V1")
    if context.skill == "sim.plan":
        for number, amount in enumerate(given["amounts"]):
            step, reference = f"pay-{number}", f"{given['name']}/{number}"
            context.propose(
                step, skill="sim.settle", given={"amount": amount, "reference": reference, "vendor": vendor}
            )
        context.propose("letter", tool="sim__post", given={"reference": given["name"]}, after=["pay-0"])
        context.propose("really", given={"title": "Go on?", "answers": {"approve": "yes", "reject": "no"}})
        context.propose("last", skill="sim.settle", given={"amount": "7.00", "reference": f"{given['name']}/last"},
                        after=["really", "letter"])  # fmt: skip
        for number, after in enumerate(["pay-0", "really"]):
            context.proposed.append(_booking(context, f"{given['name']}/{number}", number, after))
        return {"planned": len(given["amounts"])}
    found, read = await asyncio.gather(
        context.call("sim__find", {"vendor": vendor}), context.call("sim__read", {"amount": given["amount"]})
    )
    call = {
        "vendor": vendor,
        "account": found["account"],
        "amount": read["amount"],
        "currency": found["currency"],
        "reference": given["reference"],
    }
    return await context.call("sim__pay", call)
