"""The same policies for the evaluator of Microsoft's agent governance toolkit. It runs with the peers' Python.

A rule of it has one condition on one field, so each agent's values are fields of their own.
"""

import importlib.metadata

from agent_os.policies import PolicyDocument, PolicyEvaluator
from measure import answer, decisions


def a_document(agent: str) -> PolicyDocument:
    def rule(name, field, operator, value, action, priority):
        condition = {"field": f"{agent}_{field}", "operator": operator, "value": value}
        return {"name": f"{agent}-{name}", "condition": condition, "action": action, "priority": priority}

    return PolicyDocument.model_validate(
        {
            "name": agent,
            "rules": [
                rule("spending", "mission_total", "gt", 5000, "deny", 10),
                rule("vendors", "payee", "not_in", ["Vendor_A", "Vendor_B"], "deny", 10),
                rule("reflections", "reflections", "gt", 5, "deny", 10),
                rule("tools", "tool", "matches", "^bank__", "allow", 0),
            ],
            "defaults": {"action": "deny"},
        }
    )


def deciding(count: int):
    """Decide among `count` agents' policies, of which one names the agent that asks."""
    names = ["payer" if number == 0 else f"agent-{number}" for number in range(count)]
    evaluator = PolicyEvaluator([a_document(name) for name in names])
    context = {
        "payer_tool": "bank__pay",
        "payer_mission_total": 350,
        "payer_payee": "Vendor_A",
        "payer_reflections": 1,
    }

    def decide() -> None:
        told = evaluator.evaluate(context)
        assert told.allowed
        assert told.matched_rule == "payer-tools"

    return decide


if __name__ == "__main__":
    version = importlib.metadata.version("agent-governance-toolkit-core")
    answer(decisions(f"agent-governance-toolkit {version}", deciding))
