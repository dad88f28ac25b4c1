"""For people: what was decided and why."""

from dataclasses import asdict
from typing import Any

from remit.policy.decision import Decision

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
