"""Policy: may this agent make this call, and what must be met first?

A policy is a YAML document (`kind: Policy`). `load_policy` checks one and names every error at its line;
`PolicySet.compile` makes an index by agent and tool of those that are active; `PolicySet.decide` answers permit or
deny, purely and by default with deny, listing every rule that spoke with the values that it compared. Anything else
that a rule wants is an obligation on a permit. `explain` tells people what was decided, `check` what in a set of
policies cannot work as written.
"""

from remit.policy.decision import PATIENT, Decision, Effect, Obligation, Patience, PolicyAnswer, Request, Shadow, Spoken
from remit.policy.document import APPROVER, Policy, PolicyFields, check_agents, load_policy
from remit.policy.evaluate import PolicySet
from remit.policy.explain import explain, to_json
from remit.policy.findings import Surroundings, check
from remit.policy.rates import load_rates
from remit.policy.remedy import remedy

__all__ = [
    "APPROVER",
    "PATIENT",
    "Decision",
    "Effect",
    "Obligation",
    "Patience",
    "Policy",
    "PolicyAnswer",
    "PolicyFields",
    "PolicySet",
    "Request",
    "Shadow",
    "Spoken",
    "Surroundings",
    "check",
    "check_agents",
    "explain",
    "load_policy",
    "load_rates",
    "remedy",
    "to_json",
]
