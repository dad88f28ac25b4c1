"""What people read about decisions and about sets of policies."""

import orjson

from remit.policy import PolicySet, check, explain, to_json

from .builders import a_policy, a_request


def warned(*policies):
    return [(problem.line, problem.where, problem.message) for problem in check(policies)]


def test_a_decision_names_rules_values_and_who_is_asked():
    decision = PolicySet.compile([a_policy("require_approval_if_over: 50")], None, {"payer"}).decide(a_request())

    text = explain(decision)

    assert text.splitlines()[0] == "permitted once approved"
    assert "require_approval_if_over: with this call 'Vendor_A' gets USD 100.00 in all, the limit is USD 50.00" in text
    assert "needs   approval by approver within 168 h" in text


def test_a_denied_decision_says_so_first():
    assert explain(PolicySet.compile([], None, set()).decide(a_request())).startswith("denied\n")


def test_the_same_as_json():
    decision = PolicySet.compile([a_policy("require_approval_if_over: 50")], None, {"payer"}).decide(a_request())

    plain = orjson.loads(orjson.dumps(to_json(decision)))

    assert plain["permit"] is True
    assert [owed["rule"] for owed in plain["obligations"]] == ["require_approval_if_over"]


def test_nothing_is_said_of_policies_that_work():
    assert warned(a_policy("tools: [bank__pay]\nspending_limit_usd: 10\nrequire_approval_if_over: 5")) == []


def test_a_tool_both_permitted_and_denied_is_found():
    (same,) = warned(a_policy("tools: [bank__pay]\ndeny_tools: [bank__pay]"))
    (wider,) = warned(a_policy("tools: [bank__pay]\ndeny_tools: ['bank__*']"))

    assert same[:2] == (6, "deny_tools[0]")
    assert wider[:2] == (5, "tools[0]")


def test_an_approval_limit_that_never_asks_is_found():
    (found,) = warned(a_policy("spending_limit_usd: 10\nrequire_approval_if_over: 10"))

    assert found[:2] == (6, "require_approval_if_over")


def test_lists_that_allow_nobody_are_found():
    found = warned(a_policy("allowed_vendors: []\nallowed_accounts: []\ntools: []"))

    assert {where for _, where, _ in found} == {"allowed_vendors", "allowed_accounts", "tools"}


def test_an_approval_for_a_tool_that_is_not_permitted_is_found():
    (found,) = warned(a_policy("tools: [erp__orders]\nrequire_approval: [bank__pay, 'erp__*']"))

    assert found[1] == "require_approval[0]"


def test_a_tool_that_another_policy_denies_is_found():
    (found,) = warned(a_policy("tools: [bank__pay]"), a_policy("deny_tools: ['bank__*']", name="no", agents="['*']"))

    assert found[1] == "tools[0]"
    assert "'no'" in found[2]


def test_a_spending_limit_above_another_that_always_holds_is_found():
    (found,) = warned(a_policy("spending_limit_usd: 100"), a_policy("spending_limit_usd: 10", name="b", agents="['*']"))

    assert found[1] == "spending_limit_usd"
