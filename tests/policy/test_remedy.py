"""Each denial comes with YAML that would permit the call: followed, it does."""

import pytest
import yaml

from remit.policy import PolicySet, remedy
from remit.resources import RawResource, read_resources

from .builders import a_request, a_tool, load

HEAD = {"apiVersion": "remit/v1", "kind": "Policy", "name": "pay", "agents": ["payer"]}
PAYEE = "Maria Muster"


def compiled(fields):
    policies, problems = load(yaml.safe_dump({**HEAD, **fields}))
    assert not [problem for problem in problems if problem.severity == "error"], problems
    return PolicySet.compile(policies, None, {"payer"})


def told(policy_set, request):
    return remedy(policy_set.decide(request), request, policy_set.policies)


DENIED = [
    ({"deny_tools": ["bank__*", "erp__*"]}, {}),
    ({"spending_limit_usd": 50}, {}),
    ({"spending_limit": {"amount": "99.99", "currency": "USD"}}, {}),
    ({"spending_limit_usd": 150}, {"mission_spent": {"USD": 100}}),
    ({"allowed_vendors": ["Vendor_A"]}, {}),
    ({"reflection_loop_cap": 2}, {"reflections": 3}),
    ({"max_turns": 2}, {"turns": 4}),
    ({"conditions": [{"name": "big", "when": "amount > 5.0", "effect": "deny"}]}, {}),
    ({"conditions": [{"name": "odd", "when": "args.none == 1", "effect": "deny"}], "max_turns": 1}, {"turns": 2}),
]


@pytest.mark.parametrize(("fields", "changes"), DENIED[:-1], ids=str)
def test_what_is_told_permits_the_call_once_it_is_followed(fields, changes):
    request = a_request(payee=PAYEE, **changes)
    assert not compiled(fields).decide(request).permit

    (change,) = yaml.safe_load_all(told(compiled(fields), request))

    assert (change.pop("kind"), change.pop("name")) == ("Policy", "pay")
    for condition in change.get("conditions", ()):
        condition["when"] = fields["conditions"][0]["when"]
    followed = yaml.safe_load(yaml.safe_dump({**fields, **change}).replace("PAYEE", PAYEE))
    assert compiled(followed).decide(request).permit


def test_without_a_policy_a_whole_one_is_told():
    request = a_request(agent="payer", tool=a_tool("bank__pay", tier="restricted-write"))
    policies, problems = load(told(PolicySet.compile([], None, {"payer"}), request))

    assert not problems
    assert PolicySet.compile(policies, None, {"payer"}).decide(request).answer == "permit"


def test_a_policy_in_shadow_is_named_before_a_new_one():
    assert "mode: enforce" in told(compiled({"mode": "shadow"}), a_request())


def test_every_rule_that_denies_is_told():
    policy_set = compiled(DENIED[-1][0])

    documents = list(yaml.safe_load_all(told(policy_set, a_request(turns=2))))

    assert [sorted(document) for document in documents] == [
        ["kind", "max_turns", "name"],
        ["conditions", "kind", "name"],
    ]


@pytest.mark.parametrize(
    ("field", "role"), [("spending_limit_usd", "amount"), ("allowed_vendors", "payee"), ("allowed_accounts", "account")]
)
def test_a_role_that_is_not_declared_is_asked_for_at_its_source(field, role):
    policy_set = compiled({field: 5 if field == "spending_limit_usd" else ["V"]})

    (change,) = yaml.safe_load_all(told(policy_set, a_request(tool=a_tool(roles=()))))

    assert (change["kind"], change["name"]) == ("ToolSource", "bank")
    assert change["tools"] == {"pay": {"roles": {role: "$.ARGUMENT"}}}


def test_a_value_that_the_call_did_not_give_is_said_to_be_missing():
    assert "No resource would permit it" in told(compiled({"spending_limit_usd": 5}), a_request(amount=None))


def test_a_permit_needs_none():
    assert told(compiled({}), a_request()) == ""


@pytest.mark.parametrize(("fields", "changes"), DENIED, ids=str)
def test_no_payee_account_or_argument_stands_in_it(fields, changes):
    secret = {"account": "DE89370400440532013000", "note": "call me at 555"}
    fields = {**fields, "allowed_accounts": ["X"]}
    tool = a_tool(roles=("amount", "payee", "account"))

    text = told(compiled(fields), a_request(payee=PAYEE, arguments=secret, tool=tool, **changes))

    assert "ACCOUNT" in text
    assert not [value for value in (PAYEE, *secret.values()) if value in text]


def test_it_can_be_read_back_as_resources_read():
    text = told(PolicySet.compile([], None, {"payer"}), a_request())

    (raw,), problems = read_resources(text, "remedy.yaml")

    assert isinstance(raw, RawResource)
    assert problems == []
