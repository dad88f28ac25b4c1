"""What always holds of decisions."""

from dataclasses import replace
from datetime import date

import yaml
from hypothesis import given
from hypothesis import strategies as st

from remit.policy import PolicySet, remedy
from remit.quantities import Money, Rates

from .builders import a_policy, a_request, a_tool

RATES = Rates("USD", date(2026, 1, 2), {"EUR": 1_080_000})
READ = a_tool("erp__orders", tier="read-only", roles=())

#: Fields of policies that hold for the calls below in various ways.
FIELDS = [
    "",
    "tools: [erp__orders]",
    "spending_limit_usd: 1000",
    "spending_limit: {amount: '900', currency: EUR}",
    "require_approval_if_over: 500",
    "require_approval_if_over: {amount: '50', currency: CHF}",
    "allowed_vendors: [Vendor_A]",
    "require_approval: [bank__pay]\napprovers: [treasurer]",
    "reflection_loop_cap: 3",
    "conditions: [{name: big, when: 'amount > 700.0', effect: ask}]",
    "conditions: [{name: noted, when: 'args.note == \"x\"', effect: deny}]",
    "tools: []\ndeny_tools: ['bank__*']",
]
POLICIES = [a_policy(fields, name=f"policy-{index}") for index, fields in enumerate(FIELDS)]
DENYING = [POLICIES[-1], a_policy("conditions: [{name: never, when: 'true', effect: deny}]", name="never")]

some_policies = st.lists(st.sampled_from(POLICIES), unique_by=lambda policy: policy.name, max_size=5)
cents = st.integers(0, 200_000)


@st.composite
def requests(draw):
    return a_request(
        tool=draw(st.sampled_from([a_tool(), READ, a_tool("bank__pay", roles=("amount",))])),
        amount=draw(st.sampled_from(["USD 100", "EUR 480", "USD 999.99", "CHF 5", "USD -5", None])),
        payee=draw(st.sampled_from(["Vendor_A", "Vendor_X", None])),
        mission_spent=draw(st.sampled_from([{}, {"USD": 100}, {"EUR": 600, "USD": 1}])),
        payee_spent=draw(st.sampled_from([{}, {"USD": 450}])),
        arguments=draw(st.sampled_from([{}, {"note": "x"}, {"note": "y"}])),
        reflections=draw(st.integers(0, 5)),
    )


def compiled(policies, rates=RATES):
    return PolicySet.compile(policies, rates, {"payer"})


@given(some_policies, st.sampled_from(DENYING), requests())
def test_one_more_denial_never_makes_a_permit(policies, denial, request):
    without = [policy for policy in policies if policy.name != denial.name]

    before = compiled(without).decide(request)
    after = compiled([*without, denial]).decide(request)

    assert before.permit or not after.permit
    if denial.name == "never":
        assert not after.permit


@given(some_policies, some_policies, requests())
def test_policies_in_shadow_change_no_decision_and_say_what_they_would_have_made_of_it(policies, tried, request):
    shadows = [replace(policy, name=f"shadow-{policy.name}", shadow=True) for policy in tried]
    enforced = [replace(policy, shadow=False) for policy in shadows]

    alone = compiled(policies).decide(request)
    beside = compiled([*policies, *shadows]).decide(request)

    told = [spoken for spoken in beside.spoken if spoken.rule != "no_policy"]
    assert told == [spoken for spoken in alone.spoken if spoken.rule != "no_policy"]
    assert (beside.permit, beside.obligations, beside.policy_hash) == (
        alone.permit,
        alone.obligations,
        alone.policy_hash,
    )
    if beside.shadow is not None:
        assert beside.shadow.answer == compiled([*policies, *enforced]).decide(request).answer


@given(some_policies, requests())
def test_a_denial_always_says_what_would_permit_it_and_a_permit_never(policies, request):
    decision = compiled(policies).decide(request)

    told = remedy(decision, request, compiled(policies).policies, RATES)

    assert bool(told) is not decision.permit
    list(yaml.safe_load_all(told))


@given(some_policies, requests(), st.randoms(use_true_random=False))
def test_the_order_of_policies_does_not_matter(policies, request, random):
    shuffled = list(policies)
    random.shuffle(shuffled)

    first, second = compiled(policies), compiled(shuffled)

    assert first.hash == second.hash
    assert first.decide(request) == second.decide(request)


@given(some_policies, requests())
def test_a_decision_explains_itself(policies, request):
    decision = compiled(policies).decide(request)

    assert decision.permit is not any(told.effect == "deny" for told in decision.spoken)
    assert not (decision.obligations and not decision.permit)
    if decision.permit:
        assert bool(decision.obligations) is any(told.effect == "ask" for told in decision.spoken)


@given(st.lists(cents, min_size=1, max_size=8), st.sampled_from(["USD", "EUR", "CHF"]))
def test_splitting_a_payment_never_avoids_the_person(parts, currency):
    policy_set = compiled([a_policy("require_approval_if_over: 1000")])
    limit = Money.of(1000, "USD")

    paid = 0
    asked = False
    for part in parts:
        amount = Money(part * 10_000, currency)
        request = replace(a_request(amount=f"{currency} {amount.text}"), payee_spent={currency: paid})
        asked = asked or bool(policy_set.decide(request).obligations)
        paid += amount.micros

    total = RATES.convert(Money(paid, currency), "USD")
    assert asked is (paid > 0 if total is None else total.micros > limit.micros)


def test_a_critical_call_is_never_permitted_without_leave_or_obligation():
    for policy in POLICIES:
        decision = compiled([policy]).decide(a_request())
        leave = any(told.rule == "within_approval_limit" for told in decision.spoken)
        assert not decision.permit or decision.obligations or leave


def test_the_hash_of_a_decision_is_that_of_the_policies_that_hold():
    own, other = a_policy("max_turns: 5"), a_policy("max_turns: 6", name="other", agents="[reader]")

    alone = PolicySet.compile([own], None, {"payer", "reader"})
    both = PolicySet.compile([own, other], None, {"payer", "reader"})

    assert alone.hash != both.hash
    assert alone.decide(a_request()).policy_hash == both.decide(a_request()).policy_hash
    assert compiled([a_policy("max_turns: 7")]).decide(a_request()).policy_hash != both.decide(a_request()).policy_hash


def test_a_tool_that_was_declared_anew_is_judged_by_its_new_declaration():
    policy_set = compiled([a_policy("require_approval_if_over: 500")])
    assert policy_set.decide(a_request()).permit

    decision = policy_set.decide(a_request(tool=a_tool(roles=())))

    assert not decision.permit


def test_two_policies_of_one_name_both_hold_and_are_reported():
    policy_set = compiled([a_policy("max_turns: 1"), a_policy("reflection_loop_cap: 0")])

    assert ["another policy is named 'pay'" in problem.message for problem in policy_set.problems] == [True]
    assert not policy_set.decide(a_request()).permit


def test_what_cannot_be_evaluated_is_refused_even_where_the_value_is_no_json():
    policy_set = compiled([a_policy("conditions: [{name: odd, when: 'args.n > 1', effect: ask}]")])

    for value in (10**30, object(), None, "x"):
        assert not policy_set.decide(a_request(arguments={"n": value})).permit
