"""What a call waits for: questions to people, and the leave that answers them."""

from functools import reduce

from remit.errors import PersonNeeded
from remit.gateway.call import Leave, Question, Suspended
from remit.gateway.way import Way
from remit.identity import Right, rights_of
from remit.policy import PATIENT, Decision, Patience, Request
from remit.tools import Tool


def leave_for(way: Way, request: Request, decision: Decision, questions: list[Question]) -> str:
    """What gave leave: an approval or a standing approval; empty where nobody is asked.

    Raises:
        Suspended: a person must answer first.
        PersonNeeded: a person would have to, and this door asks nobody.
    """
    obligations = [o for o in decision.obligations if o.kind == "approval"]
    standing = _standing(way, request) if obligations else None
    if standing:
        obligations = []
    asked = [
        *(Question(o.rule, o.message) for o in obligations),
        *questions,
        *_autonomy_asks(way, request.tool),
        *(Question(rule, "The plan asks for a person's look.") for rule in way.call.ask_rules),
    ]
    if not asked:
        return standing or ""
    # A verdict binds the arguments, the tool's pin and the policy: with any other it is void, and asked anew.
    binds = (way.arguments_digest, request.tool.pin, decision.policy_hash)
    leave: Leave | None = way.call.leave
    if leave is not None and leave.binds == binds:
        return leave.approval
    if not way.door.asks_people:
        raise PersonNeeded(" ".join(question.message for question in asked), rule=asked[0].rule)
    raise Suspended(
        way.call,
        key=way.key,
        binds=binds,
        questions=tuple(asked),
        approvers=tuple(sorted({name for o in obligations for name in o.approvers})),
        expires_hours=min((o.expires_hours for o in obligations), default=24 * 30),
        patience=reduce(Patience.join, (o.patience for o in obligations), PATIENT),
    )


def _autonomy_asks(way: Way, tool: Tool) -> tuple[Question, ...]:
    if not (tool.sink and way.caller.in_the_loop):
        return ()
    return (Question("autonomy", f"{way.caller.agent} works in the loop: a person confirms each of its writes."),)


def _standing(way: Way, request: Request) -> str | None:
    controls = way.door.controls
    if not controls.standing:
        return None
    today = way.door.clock.now().date()
    for standing in controls.standing:
        giver = controls.registry.principals.get(standing.given_by)
        if standing.covers(
            agent=request.agent, tool=request.tool.name, payee=request.payee, amount=request.amount, on=today
        ) and (giver is not None and Right.APPROVE in rights_of(giver)):
            return standing.name
    return None
