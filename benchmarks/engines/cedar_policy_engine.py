"""The same policies for cedarpy: parsed once and kept, as its documentation advises. It runs with the peers' Python."""

import importlib.metadata

import cedarpy
from measure import answer, decisions

STATEMENTS = """\
permit (principal == Agent::"{agent}", action == Action::"call", resource) when {{ context.tool like "bank__*" }};
forbid (principal == Agent::"{agent}", action == Action::"call", resource) when {{ context.mission_total > 5000 }};
forbid (principal == Agent::"{agent}", action == Action::"call", resource)
  unless {{ ["Vendor_A", "Vendor_B"].contains(context.payee) }};
forbid (principal == Agent::"{agent}", action == Action::"call", resource) when {{ context.reflections > 5 }};
"""
REQUEST = {
    "principal": 'Agent::"payer"',
    "action": 'Action::"call"',
    "resource": 'Tool::"bank__pay"',
    "context": {"tool": "bank__pay", "mission_total": 350, "payee": "Vendor_A", "reflections": 1},
}


def deciding(count: int):
    """Decide among `count` agents' policies, of which one names the agent that asks."""
    text = "".join(STATEMENTS.format(agent="payer" if number == 0 else f"agent-{number}") for number in range(count))
    policies = cedarpy.PolicySet.from_str(text)
    entities = cedarpy.Entities.from_json_str("[]")

    def decide() -> None:
        told = cedarpy.is_authorized(REQUEST, policies, entities)
        assert told.allowed

    return decide


if __name__ == "__main__":
    answer(decisions(f"cedarpy {importlib.metadata.version('cedarpy')}", deciding))
