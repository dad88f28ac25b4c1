"""The case that a person is shown: what is proposed, why they are asked, the evidence, and what each answer does."""

from collections.abc import Mapping
from typing import Any

from remit.gateway import Suspended
from remit.missions.state import ESCALATED
from remit.planning import Step

_UNCERTAIN = {
    "approve": "The call counts as done; nothing is sent again.",
    "reject": "The call counts as not done; the step ends here, unpaid and on record.",
}
#: A yes would lead to the same question: the agent wants another write each time it goes on.
_DIVERGED = {
    "reject": "What is on record stands as it is, and nothing more is sent; the step ends here and says so.",
}
_CALL = {
    "approve": "Remit makes exactly this call, once.",
    "reject": "The call is not made; the step ends here and says so.",
    "steer": "You give other values for the arguments; Remit checks them and makes that call instead.",
}
_FAILED = {
    "approve": "The step is tried once more.",
    "reject": "The step counts as failed; what needs it is skipped.",
}
_QUESTION = {
    "approve": "The mission goes on with your yes.",
    "reject": "The step ends here and says so.",
}


def case_for(step: Step, wait: Suspended, ask: Mapping[str, Any], agent: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The case as JSON and the answers that are open.

    `ask` is what the planner added: `title`, `reasons`, `evidence`, `answers` (a sentence for each that is open).
    """
    asked = dict(ask)
    if wait.about in {"question", ESCALATED}:
        asked = {**wait.call.arguments, **asked}
    standard = {"effect_uncertain": _UNCERTAIN, "question": _QUESTION, ESCALATED: _FAILED}.get(wait.about, _CALL)
    answers = {**standard, **asked.get("answers", {})}
    if any(question.rule == "diverged" for question in wait.questions):
        answers = dict(_DIVERGED)
    if wait.about == "question" and "answers" in asked:
        answers = dict(asked["answers"])
    # What the planner said in its own words is not said again.
    told = {reason.get("rule") for reason in asked.get("reasons", [])}
    reasons = [
        {"rule": question.rule, "message": question.message}
        for question in wait.questions
        if question.message and not (question.rule in told and question.rule in wait.call.ask_rules)
    ]
    case = {
        "title": asked.get("title", f"{wait.call.tool or step.target}"),
        "about": wait.about,
        "step": step.id,
        "proposed_by": agent,
        "action": {"tool": wait.call.tool, "arguments": dict(wait.call.arguments)} if wait.call.tool else None,
        "reasons": [*asked.get("reasons", []), *reasons],
        "evidence": asked.get("evidence", []),
        "answers": answers,
    }
    return case, tuple(answers)
