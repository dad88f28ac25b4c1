"""What many rules come to together is what each of them says by itself, and costs no more for being many."""

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.policy import Policy, PolicySet
from remit.policy.decision import acting
from remit.policy.rules import LEAVE
from remit.quantities import Money
from remit.tools import Role, Tool

from .builders import a_policy, a_request, a_tool, spent

TOOLS = [
    a_tool(tier=tier, roles=roles)
    for tier in ("read-only", "restricted-write", "critical")
    for roles in (("amount", "payee", "account"), ("amount", "payee"), ())
]
MONEY = st.builds(
    lambda units, currency: Money.of(str(units), currency), st.integers(1, 60), st.sampled_from(["USD", "EUR"])
)
NAMES = st.sampled_from(["Vendor_A", "Vendor_B", "Other"])
POLICY = st.fixed_dictionaries(
    {},
    optional={
        "spending_limit": MONEY,
        "approval_limit": MONEY,
        "allowed_vendors": st.lists(NAMES, max_size=3).map(tuple),
        "allowed_accounts": st.lists(st.sampled_from(["DE 01", "DE02"]), max_size=2).map(tuple),
        "reflection_loop_cap": st.integers(1, 5),
        "max_turns": st.integers(1, 5),
        "require_approval": st.just(("bank__*",)),
        "deny_tools": st.sampled_from([("bank__pay",), ("erp__*",)]),
        "shadow": st.just(True),
    },
)
REQUEST = st.fixed_dictionaries(
    {
        "tool": st.sampled_from(TOOLS),
        "amount": st.sampled_from([None, "USD 10", "USD 50", "EUR 20", "USD -5"]),
        "payee": st.none() | NAMES,
        "payee_name": st.none() | NAMES,
        "arguments": st.sampled_from([{}, {"account": "DE01"}, {"account": "DE 02"}, {"account": 1}]),
        "mission_spent": st.sampled_from([{}, {"USD": 20}, {"EUR": 5, "USD": 1}]),
        "payee_spent": st.sampled_from([{}, {"USD": 10}]),
        "reflections": st.integers(0, 6),
        "turns": st.integers(0, 6),
    }
)


def compiled(fields, when=()):
    written = [Policy(name=f"p{n}", agents=("payer",), tools=("bank__*",), **one) for n, one in enumerate(fields)]
    return PolicySet.compile([*written, *when], None, {"payer"})


CONDITIONS = [
    a_policy(f"tools: ['bank__*']\nconditions: [{{name: c, when: '{when}', effect: {effect}}}]", name=f"c{n}")
    for n, (when, effect) in enumerate([("amount > 30.0", "deny"), ('payee == "Other"', "ask")])
]


@settings(max_examples=400, deadline=None)
@given(st.lists(POLICY, max_size=6), REQUEST, st.lists(st.sampled_from(CONDITIONS), max_size=2, unique_by=id))
def test_the_answer_is_what_the_rules_that_spoke_say(fields, request_fields, conditions):
    request = a_request(**request_fields)

    decision = compiled(fields, conditions).decide(request)

    effects = {told.effect for told in decision.spoken}
    assert decision.permit == ("deny" not in effects)
    asked = [told for told in decision.spoken if told.effect == "ask"]
    owed = [one for one in decision.obligations if one.kind == "approval"]
    assert bool(owed) == (decision.permit and bool(asked))
    by_rules = {(told.policy, told.rule) for told in asked if told.rule != "critical_tier"}
    if owed and by_rules:
        assert {(one.policy, one.rule) for one in owed} == by_rules
    if request.tool.tier.value == "critical" and "no_policy" not in {told.rule for told in decision.spoken}:
        leave = any(told.rule == LEAVE and told.effect == "permit" for told in decision.spoken)
        assert leave != any(told.rule == "critical_tier" for told in decision.spoken)
    if decision.permit:
        assert decision.rules == acting(decision.spoken)


class Counted(dict):
    """Sums that count how often somebody looks at them."""

    looked = 0

    def get(self, *key):
        self.looked += 1
        return super().get(*key)


def test_a_thousand_limits_on_one_tool_are_weighed_by_looking_once():
    looked = []
    for count in (1, 1000):
        fields = [{"spending_limit": Money.of(str(5000 + n), "USD"), "max_turns": 9} for n in range(count)]
        policies = compiled(fields)
        sums = Counted(spent({"USD": 1}))
        request = a_request(tool=a_tool(tier="restricted-write"))
        object.__setattr__(request, "mission_spent", sums)
        assert policies.decide(request).permit
        looked.append(sums.looked)
        assert len(policies.decide(request).spoken) == 3 * count

    assert looked[0] == looked[1]


def test_of_many_lists_of_vendors_each_must_name_the_payee():
    fields = [{"allowed_vendors": ("Vendor_A", f"Own_{n}")} for n in range(50)]
    tool = Tool(
        "bank__pay", "bank", "", {}, a_tool(tier="restricted-write").tier, roles=(Role("payee", "payee", frozenset()),)
    )

    assert compiled(fields).decide(a_request(tool=tool)).permit
    assert not compiled(fields).decide(a_request(tool=tool, payee="Own_1")).permit
    assert compiled(fields).decide(a_request(tool=tool, payee="V-17", payee_name="Vendor_A")).permit
