"""Deciding: which policies hold for a call, what they say, and what follows from it. Pure, and deny by default."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from remit.policy.decision import PATIENT, Decision, Obligation, Patience, Request, Shadow, Spoken, acting
from remit.policy.document import APPROVAL_EXPIRES_HOURS, APPROVER, Policy, check_agents
from remit.policy.groups import ASKS, DENIES, LEAVES, Group, groups_for
from remit.policy.patterns import matching, place_of, places_of
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
    #: Weighed at each call; together they come to what `fixed` and `rules` say.
    groups: tuple[Group, ...]
    fixed: tuple[Spoken, ...]
    rules: tuple[Rule, ...]
    #: A rule refuses, or asks, whatever the request.
    denied: bool
    asks: bool
    #: What a critical call owes where no policy gives leave for it.
    critical: tuple[Obligation, ...]
    #: Policy to who may answer, for how many hours, and what happens while nobody does.
    approvals: dict[str, tuple[tuple[str, ...], float, Patience]]
    #: What a permit owes whatever the request, beside approvals.
    owed: tuple[Obligation, ...]
    #: What one owes that no limit and no condition asks about, though the plan does.
    asked: tuple[Obligation, ...]
    #: The tier of a critical call for which no limit gives leave, as it speaks.
    unmet: tuple[Spoken, ...]
    #: A condition has a say.
    conditional: bool
    #: Rules that do more than note where nothing but what is fixed asks: without leave by limits, and with it.
    acting: tuple[str, ...]
    acting_on_leave: tuple[str, ...]
    hash: str
    #: The same with the policies in shadow enforced, and their names; None where none of them speaks.
    shadow: "tuple[_Plan, frozenset[str]] | None" = None


class PolicySet:
    """The policies in force, indexed by agent and tool.

    The set itself never changes; what it remembers between calls only saves time.
    """

    __slots__ = ("_by_agent", "_plans", "_rates", "hash", "policies", "problems")

    def __init__(self, policies: Iterable[Policy], rates: Rates | None, problems: Iterable[Problem] = ()) -> None:
        #: The active ones, by name: their order in files does not matter.
        self.policies = tuple(sorted(policies, key=lambda policy: (policy.name, _hash(policy))))
        #: Why a policy is not among them.
        self.problems = tuple(problems)
        #: Of all active policies that are enforced. The rate table is not part of it: rates move daily, and what they
        #: change is decided anew at each call.
        self.hash = _hash_of(policy for policy in self.policies if not policy.shadow)
        self._rates = rates
        #: By agent (`*` for every one), then by the place of a pattern: most policies concern few tools.
        self._by_agent: dict[str, dict[str, list[Policy]]] = {}
        for policy in self.policies:
            places = {place_of(pattern) for pattern in (*policy.tools, *policy.deny_tools)}
            for agent in {"*"} if "*" in policy.agents else set(policy.agents):
                placed = self._by_agent.setdefault(agent, {})
                for place in places:
                    placed.setdefault(place, []).append(policy)
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
        plan = self._ready(request.agent, request.agent_version, request.tool)
        decision = _decided(plan, request)
        return decision if plan.shadow is None else _beside_shadow(decision, *plan.shadow, request)

    def denies_always(self, agent: str, agent_version: str, tool: Tool) -> bool:
        """True where no call of the tool by this agent would be permitted, whatever its arguments."""
        return self._ready(agent, agent_version, tool).denied

    def applying(self, agent: str, agent_version: str) -> tuple[Policy, ...]:
        """The policies that name this agent, by itself, by its version, or with all others; those in shadow too."""
        return self._in(agent, agent_version, None)

    def _in(self, agent: str, agent_version: str, places: Iterable[str] | None) -> tuple[Policy, ...]:
        """Those of an agent's policies that stand in these places, or in any; each once, by name."""
        found: dict[int, Policy] = {}
        for named in (agent, f"{agent}-v{agent_version.removeprefix('v')}", "*"):
            placed = self._by_agent.get(named, {})
            for place in placed if places is None else places:
                for policy in placed.get(place, ()):
                    found[id(policy)] = policy
        return tuple(sorted(found.values(), key=lambda policy: policy.name))

    def hash_for(self, agent: str, agent_version: str) -> str:
        """The hash of all policies that apply to this agent: another one means that something may be decided anew."""
        return _hash_of(policy for policy in self.applying(agent, agent_version) if not policy.shadow)

    def _ready(self, agent: str, agent_version: str, tool: Tool) -> _Plan:
        key = (agent, agent_version, tool.name)
        plan = self._plans.get(key)
        if plan is None or (plan.tool is not tool and plan.tool != tool):
            plan = self._plan(key, tool)
        return plan

    def _plan(self, key: tuple[str, str, str], tool: Tool) -> _Plan:
        applying = self._in(key[0], key[1], places_of(tool.name))
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
    """What the rules come to, weighed by kind; what each of them says is made when somebody reads it."""
    weighed = 0
    for group in plan.groups:
        weighed |= group(request)

    def tell() -> tuple[Spoken, ...]:
        return _told(plan, request)

    if plan.denied or weighed & DENIES:
        return Decision(False, tell, (), plan.hash)
    if weighed & ASKS:
        return Decision(True, tell, (*_obligations(tell(), plan), *plan.owed), plan.hash)
    leave = bool(weighed & LEAVES)
    obligations = plan.owed
    if plan.asks or (plan.critical and not leave):
        obligations = plan.asked
    # Nothing asks, so every limit that could give leave gave it; what a condition says may be another each time.
    ready = None if plan.conditional else plan.acting_on_leave if leave else plan.acting
    return Decision(True, tell, obligations, plan.hash, ready=ready)


def _told(plan: _Plan, request: Request) -> tuple[Spoken, ...]:
    """Every rule that spoke, in the order of policies and of their rules."""
    spoken = [told for rule in plan.rules if (told := rule(request)) is not None]
    if plan.critical and not any(told.rule == LEAVE and told.effect == "permit" for told in spoken):
        spoken += plan.unmet
    return (*plan.fixed, *spoken)


def _beside_shadow(decision: Decision, both: _Plan, shadows: frozenset[str], request: Request) -> Decision:
    """The same decision, with what the policies in shadow would have made of it."""
    would = _decided(both, request)

    def tell() -> tuple[Spoken, ...]:
        return tuple(told for told in would.spoken if told.policy in shadows)

    return replace(decision, shadow=Shadow(would.answer, would.answer != decision.answer, tell))


def _covers(policy: Policy, tool: Tool) -> bool:
    return matching(policy.tools, tool.name) is not None


def _plan(
    policies: Iterable[Policy], agent: str, tool: Tool, rates: Rates | None, *, would: Collection[str] = ()
) -> _Plan:
    """What `policies` say of the tool; `would` names those that would permit it, but are in shadow."""
    fixed: list[Spoken] = []
    rules: list[Rule] = []
    conditions: list[Rule] = []
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
            conditions += depending[len(depending) - len(policy.conditions) :] if policy.conditions else []
    if not covering:
        told = f"no active policy permits {agent} to use {tool.name}"
        told += f"; {', '.join(would)} would, but is in shadow" if would else ""
        fixed.append(Spoken("", "no_policy", "deny", told))
    critical = tuple(_critical(covering, tool)) if tool.tier is Tier.CRITICAL else ()
    plan = _Plan(
        tool=tool,
        groups=tuple(groups_for(covering, conditions, tool, rates)),
        fixed=tuple(fixed),
        rules=tuple(rules),
        denied=any(told.effect == "deny" for told in fixed),
        asks=any(told.effect == "ask" for told in fixed),
        critical=critical,
        approvals={
            policy.name: (policy.approvers or (APPROVER,), policy.approval_expires_hours, policy.patience)
            for policy in covering
        },
        owed=tuple(_redactions(covering)),
        asked=(),
        unmet=tuple(Spoken(owed.policy, owed.rule, "ask", owed.message) for owed in critical),
        conditional=bool(conditions),
        acting=(),
        acting_on_leave=(),
        hash=_hash_of(speaking),
    )
    leaves = [Spoken(p.name, LEAVE, "permit", "") for p in covering if p.approval_limit is not None and tool.sink]
    return replace(
        plan,
        asked=(*_obligations(plan.fixed, plan), *plan.owed),
        acting=acting((*fixed, *plan.unmet)),
        acting_on_leave=acting((*fixed, *leaves)),
    )


def _critical(covering: list[Policy], tool: Tool) -> Iterable[Obligation]:
    """What a critical call owes: an answer by those whom each policy names, or by an approver where none names any."""
    message = f"{tool.name} is critical, and no policy gives standing leave for this call"
    for policy in [policy for policy in covering if policy.approvers is not None] or covering[:1]:
        approvers, hours = policy.approvers or (APPROVER,), policy.approval_expires_hours
        yield Obligation("approval", "critical_tier", policy.name, message, approvers, hours, patience=policy.patience)


def _redactions(covering: list[Policy]) -> Iterable[Obligation]:
    for policy in covering:
        if policy.redact:
            done = "tokenised" if policy.redact_by == "tokenise" else "masked"
            message = f"{', '.join(policy.redact)} in the answer must be {done}"
            yield Obligation("redact", "redact", policy.name, message, (), 0, policy.redact, policy.redact_by)


def _obligations(spoken: Iterable[Spoken], plan: _Plan) -> tuple[Obligation, ...]:
    """One for each rule that asks; where one of them asks a person anyway, a critical call owes nothing beyond it."""
    owed = []
    for told in spoken:
        if told.effect == "ask" and told.rule != "critical_tier":
            named = plan.approvals.get(told.policy, ((APPROVER,), APPROVAL_EXPIRES_HOURS, PATIENT))
            approvers, hours, patience = named
            owed.append(
                Obligation("approval", told.rule, told.policy, told.message, approvers, hours, patience=patience)
            )
    return tuple(owed) or plan.critical


def _hash(policy: Policy) -> str:
    return policy.hash or content_hash({"policy": repr(policy)})


def _hash_of(policies: Iterable[Policy]) -> str:
    return sha256("\n".join(sorted(f"{policy.name} {_hash(policy)}" for policy in policies)).encode()).hexdigest()
