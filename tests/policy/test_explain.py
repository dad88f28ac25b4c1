"""What people read about decisions."""

import orjson

from remit.policy import PolicySet, explain, to_json

from .builders import a_policy, a_request


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
