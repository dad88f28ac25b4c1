"""What policy is asked about a call, and what its answer means for it."""

from collections.abc import Mapping
from typing import Any

from remit.errors import LoopStopped, NoPolicy, NotBuilt, PolicyDenied, Refusal
from remit.gateway.way import Way
from remit.policy import Decision, Request
from remit.quantities import Money
from remit.tools import Tool


def check_turns(way: Way, tool: Tool) -> None:
    """R5: the agent version's own caps on turns and the mission's, whatever policy allows.

    Raises:
        LoopStopped: it has had them.
    """
    caller = way.caller
    if tool.model and way.log.turns[f"agent:{caller.agent}"] >= caller.turns_max:
        raise LoopStopped(f"{caller.agent} has had its {caller.turns_max} turns in this mission.", rule="R5")
    most = caller.reflections_max
    if tool.model and most is not None and way.log.turns_in[caller.step] > most:
        raise LoopStopped(f"{caller.agent} has gone over this step {most} times.", rule="reflection_cap")
    if tool.model and caller.mission_turns_max and way.log.turns.total() >= caller.mission_turns_max:
        raise LoopStopped(f"The mission has had its {caller.mission_turns_max} turns.", rule="mission_turns")


def request_of(way: Way, tool: Tool) -> Request:
    """What policy is asked.

    Raises:
        PolicyDenied: the amount cannot be read.
    """
    caller, spent, arguments = way.caller, way.log.spent, way.call.arguments
    amount = _amount(tool, arguments)
    # A turn is one answer of a model; this call is one more where it asks for one.
    turns = way.log.turns[f"agent:{caller.agent}"] + tool.model
    payee = tool.value_of("payee", arguments)
    return Request(
        agent=caller.agent_name,
        agent_version=caller.agent.split("@", 1)[-1],
        principal=caller.principal,
        mission=caller.mission,
        skill=caller.skill,
        tool=tool,
        arguments=arguments,
        amount=amount,
        payee=payee,
        payee_name=None,  # vendor lists would trust it like the payee: only a directory may say it
        mission_spent=spent.total,
        payee_spent=spent.by_payee.get(way.payee(payee), {}),
        reflections=turns,
        turns=turns,
    )


def decided(way: Way, request: Request) -> Decision:
    """Policy's permit.

    Raises:
        Refusal: policy denies, or wants what this door cannot do: an unmet obligation is a deny.
    """
    decision = way.door.controls.policies.decide(request)
    way.asked = decision, request
    if not decision.permit:
        raise _denied(decision)
    for owed in decision.obligations:
        if owed.kind not in {"approval", "redact"}:
            raise NotBuilt(f"{owed.policy} wants more of this call: {owed.message}.", rule=owed.rule)
    return decision


def _denied(decision: Decision) -> Refusal:
    spoke = [s for s in decision.spoken if s.effect == "deny"]
    told = "; ".join(s.public for s in spoke)
    message = f"{told[:1].upper()}{told[1:]}"
    if any(s.rule == "no_policy" for s in spoke):
        return NoPolicy(message, rule="no_policy")
    return PolicyDenied(message, rule=spoke[0].rule if spoke else "policy_denied")


def _amount(tool: Tool, arguments: Mapping[str, Any]) -> Money | None:
    try:
        return tool.amount_of(arguments)
    except ValueError:
        # The cause quotes what was written, which may be anything.
        raise PolicyDenied(
            "The value of the role amount, or of currency, cannot be read: expected decimal text with at most six "
            "decimals, and a code of three letters.",
            rule="amount_unreadable",
        ) from None
