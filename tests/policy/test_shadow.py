"""A policy in shadow is evaluated, and neither permits nor denies."""

from dataclasses import replace

import pytest

from remit.policy import PolicySet, explain, to_json

from .builders import a_policy, a_request, a_tool

OPEN = a_policy("require_approval_if_over: 500")
SHADOWS = [
    a_policy("mode: shadow\ndeny_tools: ['bank__*']", name="new"),
    a_policy("mode: shadow\nrequire_approval: [bank__pay]", name="new"),
    a_policy("mode: shadow\nspending_limit_usd: 50", name="new"),
    a_policy("mode: shadow\nrequire_approval_if_over: 1000000", name="new", agents="['*']"),
]


def decided(*policies, **request):
    return PolicySet.compile(policies, None, {"payer"}).decide(a_request(**request))


@pytest.mark.parametrize("shadow", SHADOWS)
@pytest.mark.parametrize("amount", ["USD 100", "USD 600"])
def test_a_policy_in_shadow_changes_nothing_of_a_decision(shadow, amount):
    alone = decided(OPEN, amount=amount)

    beside = decided(OPEN, shadow, amount=amount)

    assert beside.shadow is not None
    assert replace(beside, shadow=None) == alone


@pytest.mark.parametrize(
    ("shadow", "answer"), [(SHADOWS[0], "deny"), (SHADOWS[1], "ask"), (SHADOWS[2], "deny"), (SHADOWS[3], "permit")]
)
def test_what_it_would_have_done_is_said_with_its_values(shadow, answer):
    told = decided(OPEN, shadow).shadow

    assert (told.answer, told.differs) == (answer, answer != "permit")
    assert {spoken.policy for spoken in told.spoken} == {"new"}


def test_only_policies_in_shadow_are_no_policy():
    told = decided(SHADOWS[3])

    assert not told.permit
    assert [spoken.rule for spoken in told.spoken] == ["no_policy"]
    assert "new would, but is in shadow" in told.spoken[0].message
    assert (told.shadow.answer, told.shadow.differs) == ("permit", True)


def test_a_critical_tool_that_only_a_shadow_permits_would_ask():
    shadow = a_policy("mode: shadow", name="new")

    assert decided(shadow).shadow.answer == "ask"


def test_a_policy_in_shadow_that_says_nothing_of_a_tool_is_not_mentioned():
    shadow = a_policy("mode: shadow\ntools: [erp__orders]", name="new")

    assert decided(OPEN, shadow).shadow is None


def test_taking_a_policy_out_of_shadow_makes_it_rule():
    ruling = a_policy("deny_tools: ['bank__*']", name="new")

    assert not decided(OPEN, ruling).permit
    assert decided(OPEN, ruling).policy_hash != decided(OPEN, SHADOWS[0]).policy_hash


def test_people_read_what_would_have_been():
    decision = decided(OPEN, SHADOWS[2])

    assert "shadow  would be denied" in explain(decision)
    assert "new / spending_limit: the mission's total with this call is USD 100.00" in explain(decision)
    assert to_json(decision)["shadow"]["answer"] == "deny"


def test_a_permit_owes_what_a_policy_wants_redacted():
    policy = replace(OPEN, redact=("email", "iban"), redact_by="tokenise")

    decision = decided(policy, tool=a_tool("crm__read", tier="read-only", roles=()))

    (owed,) = decision.obligations
    assert (owed.kind, owed.data, owed.how, owed.approvers) == ("redact", ("email", "iban"), "tokenise", ())
    assert decision.answer == "permit"
    assert "needs   redact email, iban in the answer must be tokenised" in explain(decision)
