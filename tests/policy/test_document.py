"""What a policy's author is told."""

import pytest

from remit.policy import check_agents
from remit.quantities import Money

from .builders import a_policy, load

HEAD = "apiVersion: remit/v1\nkind: Policy\nname: pay\nagents: [payer]\n"


def told(fields):
    policies, problems = load(HEAD + fields)
    errors = [problem for problem in problems if problem.severity == "error"]
    assert bool(errors) is not bool(policies)
    return [(problem.line, problem.where, problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("spending_limit_usd: 5000 USD", "spending_limit_usd", "expected a plain number such as 5000"),
        ("spending_limit_usd: '5000'", "spending_limit_usd", "expected a plain number such as 5000"),
        ("spending_limit_usd: true", "spending_limit_usd", "expected a plain number such as 5000"),
        ("spending_limit_usd: -1", "spending_limit_usd", "a limit is not below zero"),
        ("spending_limit_usd: 0.0000001", "spending_limit_usd", "at most six decimals"),
        ("spending_limit: {amount: '1,000', currency: EUR}", "spending_limit", "is not a decimal amount"),
        ("spending_limit: {amount: '1', currency: euro}", "spending_limit", "three-letter currency code"),
        ("spending_limit: {amount: true, currency: EUR}", "spending_limit.amount", "expected a decimal amount"),
        ("spending_limit: {amount: 1, currency: EUR, of: 1}", "spending_limit.of", "known are amount, currency"),
        ("require_approval_if_over: {amount: '1'}", "require_approval_if_over.currency", "this field is missing"),
        ("require_approval_if_over: yes", "require_approval_if_over", "expected a plain number"),
        ("reflection_loop_cap: 2.5", "reflection_loop_cap", "integer"),
        ("reflection_loop_cap: true", "reflection_loop_cap", "integer"),
        ("reflection_loop_cap: -1", "reflection_loop_cap", "greater than or equal to 0"),
        ("max_turns: 0", "max_turns", "greater than or equal to 1"),
        ("allowed_vendors: Vendor_A", "allowed_vendors", "list"),
        ("allowed_vendors: [1]", "allowed_vendors[0]", "string"),
        ("allowed_vendor: [Vendor_A]", "allowed_vendor", "unknown field; did you mean 'allowed_vendors'?"),
        ("tools: [pay]", "tools[0]", "expected SOURCE__TOOL"),
        ("tools: ['bank__[a-z]']", "tools[0]", "is no tool"),
        ("mode: silent", "mode", "'enforce' or 'shadow'"),
        ("redact_by: tokenise", "redact_by", "nothing to redact"),
        ("agent: payer", "agents", "write either agent or agents"),
        ("approvers: []", "approvers", "at least 1 item"),
        ("approval_expires_hours: 0", "approval_expires_hours", "from 0.001 to 8760, not 0"),
        ("approval_remind_hours: [true]", "approval_remind_hours[0]", "number of hours"),
        ("approval_remind_hours: [0.0001]", "approval_remind_hours[0]", "from 0.001 to 8760, not 0.0001"),
        ("approval_remind_hours: [168.5]", "approval_remind_hours[0]", "lapses after 168 hours"),
        ("approval_remind_hours: [1, 168]", "approval_remind_hours[1]", "lapses after 168 hours"),
        ("approval_escalate_hours: 24", "approval_escalate_hours", "approval_escalate_to together"),
        ("approval_escalate_to: [owner]", "approval_escalate_to", "approval_escalate_hours and"),
        ("conditions: [{name: a, when: 'amount > 5', effect: deny}]", "conditions[0].when", "write 5000.0, not 5000"),
        ("conditions: [{name: a, when: 'agnt == \"x\"', effect: deny}]", "conditions[0].when", "known are agent, tool"),
        ("conditions: [{name: a, when: 'agent', effect: deny}]", "conditions[0].when", "true or false"),
        ("conditions: [{name: a, when: '((', effect: deny}]", "conditions[0].when", "no valid condition"),
        ("conditions: [{name: a, when: 'true', effect: permit}]", "conditions[0].effect", "'deny' or 'ask'"),
    ],
)
def test_a_wrong_field_is_refused_at_its_line(line, where, message):
    problems = told(f"description: first\n{line}")

    assert [(at, path) for at, path, _ in problems] == [(4 if where == "agents" else 6, where)]
    assert message in problems[0][2]


def test_every_error_is_reported_together():
    problems = told(
        "spending_limit_usd: many\n"
        "max_turns: 0\n"
        "mode: silent\n"
        "conditions:\n"
        "  - {name: a, when: 'true', effect: deny}\n"
        "  - {name: a, when: 'amount', effect: deny}\n"
    )

    assert sorted({(line, where) for line, where, _ in problems}) == [
        (5, "spending_limit_usd"),
        (6, "max_turns"),
        (7, "mode"),
        (10, "conditions[1].name"),
        (10, "conditions[1].when"),
    ]


def test_two_spending_limits_are_refused():
    problems = told("spending_limit_usd: 1\nspending_limit: {amount: '1', currency: EUR}")

    assert [where for _, where, _ in problems] == ["spending_limit"]


def test_a_policy_without_an_agent_holds_for_all_with_a_warning():
    policies, problems = load("apiVersion: remit/v1\nkind: Policy\nname: all\n")

    assert policies[0].agents == ("*",)
    assert [problem.severity for problem in problems] == ["warning"]


def test_limits_are_exact_money():
    policy = a_policy("spending_limit_usd: 10000.10\nrequire_approval_if_over: {amount: '0.000001', currency: EUR}")

    assert policy.spending_limit == Money(10_000_100_000, "USD")
    assert policy.approval_limit == Money(1, "EUR")


def test_an_unknown_agent_is_an_error_of_a_full_document():
    policy = a_policy("", agents="\n- payer\n- payr")

    (problem,) = check_agents(policy, {"payer"})

    assert (problem.severity, problem.line, problem.where) == ("error", 6, "agents[1]")


def test_every_agent_is_no_unknown_agent():
    assert check_agents(a_policy("", agents="['*']"), set()) == []


def test_the_hash_changes_with_what_is_written():
    assert a_policy("max_turns: 5").hash == a_policy("max_turns:   5").hash != a_policy("max_turns: 6").hash
