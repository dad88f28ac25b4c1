"""Deciding: which policies hold for a call, what they say, and what follows from it. Pure, and deny by default."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from remit.policy.decision import Decision, Obligation, Request, Shadow, Spoken
from remit.policy.document import APPROVAL_EXPIRES_HOURS, APPROVER, Policy, check_agents
from remit.policy.patterns import matching
from remit.policy.rules import LEAVE, Rule, rules_for
from remit.quantities import Rates
from remit.resources import Problem, content_hash
from remit.tools import Tier, Tool

#: How many pairs of agent and tool keep their rules at hand; beyond it they are made anew.
PLANS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that the policies of one agent have to say of one tool, made ready."""

    tool: Tool
    fixed: tuple[Spoken, ...]
    rules: tuple[Rule, ...]
    #: A rule refuses whatever the request.
    denied: bool
    #: What a critical call owes where no policy gives leave for it.
    critical: tuple[Obligation, ...]
    #: Policy to who may answer and for how many hours.
    approvals: dict[str, tuple[tuple[str, ...], int]]
    #: What a permit owes whatever the request, beside approvals.
    owed: tuple[Obligation, ...]
    hash: str
    #: The same with the policies in shadow enforced, and their names; None where none of them speaks.
    shadow: "tuple[_Plan, frozenset[str]] | None" = None


class PolicySet:
    """The policies in force, indexed by agent and tool.

    The set itself never changes; what it remembers between calls only saves time.
    """

    __slots__ = ("_by_agent", "_everywhere", "_plans", "_rates", "hash", "policies", "problems")

    def __init__(self, policies: Iterable[Policy], rates: Rates | None, problems: Iterable[Problem] = ()) -> None:
        #: The active ones, by name: their order in files does not matter.
        self.policies = tuple(sorted(policies, key=lambda policy: (policy.name, _hash(policy))))
        #: Why a policy is not among them.
        self.problems = tuple(problems)
        #: Of all active policies that are enforced. The rate table is not part of it: rates move daily, and what they
        #: change is decided anew at each call.
        self.hash = _hash_of(policy for policy in self.policies if not policy.shadow)
        self._rates = rates
        self._everywhere = tuple(policy for policy in self.policies if "*" in policy.agents)
        self._by_agent: dict[str, list[Policy]] = {}
        for policy in self.policies:
            for agent in set(policy.agents) - {"*"} if "*" not in policy.agents else ():
                self._by_agent.setdefault(agent, []).append(policy)
        self._plans: dict[tuple[str, str, str], _Plan] = {}

    @classmethod
    def compile(cls, policies: Iterable[Policy], rates: Rates | None, known_agents: Collection[str]) -> "PolicySet":
        """The set of those policies that are active: those that name at least one of `known_agents`, or every agent.

        A policy of several agents stays in force for the known ones, so that taking one agent away never frees another.
        `known_agents` holds names in every form in which a policy may write them: `NAME`, and `NAME-vVERSION` of each
        version.
        """
        known = frozenset(known_agents)
        active: list[Policy] = []
        problems: list[Problem] = []
        names: set[str] = set()
        for policy in policies:
            problems += check_agents(policy, known)
            agents = tuple(agent for agent in policy.agents if agent == "*" or agent in known)
            if agents:
                active.append(replace(policy, agents=agents, hash=_hash(policy)))
            if policy.name in names:
                problems.append(policy.problem(("name",), f"another policy is named {policy.name!r}"))
            names.add(policy.name)
        return cls(active, rates, problems)

    def decide(self, request: Request) -> Decision:
        """Permit or deny, with every rule that spoke and what must be met for the permit to hold."""
        tool = request.tool
        key = (request.agent, request.agent_version, tool.name)
        plan = self._plans.get(key)
        if plan is None or (plan.tool is not tool and plan.tool != tool):
            plan = self._plan(key, tool)
        decision = _decided(plan, request)
        return decision if plan.shadow is None else _beside_shadow(decision, *plan.shadow, request)

    def applying(self, agent: str, agent_version: str) -> tuple[Policy, ...]:
        """The policies that name this agent, by itself, by its version, or with all others; those in shadow too."""
        named = self._by_agent.get(agent, [])
        versioned = self._by_agent.get(f"{agent}-v{agent_version.removeprefix('v')}", [])
        own = [*named, *(policy for policy in versioned if policy not in named), *self._everywhere]
        return tuple(sorted(own, key=lambda policy: policy.name))

    def _plan(self, key: tuple[str, str, str], tool: Tool) -> _Plan:
        applying = self.applying(key[0], key[1])
        enforced = [policy for policy in applying if not policy.shadow]
        shadows = [policy for policy in applying if policy.shadow and any(rules_for(policy, tool, self._rates))]
        plan = _plan(enforced, key[0], tool, self._rates, would=[p.name for p in shadows if _covers(p, tool)])
        if shadows:
            both = _plan(sorted([*enforced, *shadows], key=lambda policy: policy.name), key[0], tool, self._rates)
            plan = replace(plan, shadow=(both, frozenset(policy.name for policy in shadows)))
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[key] = plan
        return plan


def _decided(plan: _Plan, request: Request) -> Decision:
    spoken = list(plan.fixed)
    denied = plan.denied
    asks = leave = False
    for rule in plan.rules:
        told = rule(request)
        if told is not None:
            spoken.append(told)
            effect = told.effect
            if effect == "deny":
                denied = True
            elif effect == "ask":
                asks = True
            elif effect == "permit" and told.rule == LEAVE:
                leave = True
    if plan.critical and not leave:
        asks = True
        spoken += [Spoken(owed.policy, owed.rule, "ask", owed.message) for owed in plan.critical]
    elif not asks:
        asks = any(told.effect == "ask" for told in plan.fixed)
    obligations: tuple[Obligation, ...] = ()
    if not denied:
        obligations = (*_obligations(spoken, plan), *plan.owed) if asks else plan.owed
    return Decision(not denied, tuple(spoken), obligations, plan.hash)


def _beside_shadow(decision: Decision, both: _Plan, shadows: frozenset[str], request: Request) -> Decision:
    """The same decision, with what the policies in shadow would have made of it."""
    would = _decided(both, request)
    spoken = tuple(told for told in would.spoken if told.policy in shadows)
    return replace(decision, shadow=Shadow(would.answer, would.answer != decision.answer, spoken))


def _covers(policy: Policy, tool: Tool) -> bool:
    return matching(policy.tools, tool.name) is not None


def _plan(
    policies: Iterable[Policy], agent: str, tool: Tool, rates: Rates | None, *, would: Collection[str] = ()
) -> _Plan:
    """What `policies` say of the tool; `would` names those that would permit it, but are in shadow."""
    fixed: list[Spoken] = []
    rules: list[Rule] = []
    speaking: list[Policy] = []
    covering: list[Policy] = []
    for policy in policies:
        always, depending = rules_for(policy, tool, rates)
        fixed += always
        rules += depending
        if always or depending:
            speaking.append(policy)
        if any(told.effect == "permit" for told in always):
            covering.append(policy)
    if not covering:
        told = f"no active policy permits {agent} to use {tool.name}"
        told += f"; {', '.join(would)} would, but is in shadow" if would else ""
        fixed.append(Spoken("", "no_policy", "deny", told))
    return _Plan(
        tool=tool,
        fixed=tuple(fixed),
        rules=tuple(rules),
        denied=any(told.effect == "deny" for told in fixed),
        critical=tuple(_critical(covering, tool)) if tool.tier is Tier.CRITICAL else (),
        approvals={
            policy.name: (policy.approvers or (APPROVER,), policy.approval_expires_hours) for policy in covering
        },
        owed=tuple(_redactions(covering)),
        hash=_hash_of(speaking),
    )


def _critical(covering: list[Policy], tool: Tool) -> Iterable[Obligation]:
    """What a critical call owes: an answer by those whom each policy names, or by an approver where none names any."""
    message = f"{tool.name} is critical, and no policy gives standing leave for this call"
    for policy in [policy for policy in covering if policy.approvers is not None] or covering[:1]:
        approvers, hours = policy.approvers or (APPROVER,), policy.approval_expires_hours
        yield Obligation("approval", "critical_tier", policy.name, message, approvers, hours)


def _redactions(covering: list[Policy]) -> Iterable[Obligation]:
    for policy in covering:
        if policy.redact:
            done = "tokenised" if policy.redact_by == "tokenise" else "masked"
            message = f"{', '.join(policy.redact)} in the answer must be {done}"
            yield Obligation("redact", "redact", policy.name, message, (), 0, policy.redact, policy.redact_by)


def _obligations(spoken: list[Spoken], plan: _Plan) -> tuple[Obligation, ...]:
    """One for each rule that asks; where one of them asks a person anyway, a critical call owes nothing beyond it."""
    owed = []
    for told in spoken:
        if told.effect == "ask" and told.rule != "critical_tier":
            approvers, hours = plan.approvals.get(told.policy, ((APPROVER,), APPROVAL_EXPIRES_HOURS))
            owed.append(Obligation("approval", told.rule, told.policy, told.message, approvers, hours))
    return tuple(owed) or plan.critical


def _hash(policy: Policy) -> str:
    return policy.hash or content_hash({"policy": repr(policy)})


def _hash_of(policies: Iterable[Policy]) -> str:
    return sha256("\n".join(sorted(f"{policy.name} {_hash(policy)}" for policy in policies)).encode()).hexdigest()
