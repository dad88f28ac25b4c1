"""What is told of policies that contradict each other, are shadowed, or can never matter."""

import pytest

from remit.policy import Surroundings, check

from .builders import a_policy, a_tool

AROUND = Surroundings(
    tools={
        tool.name: tool
        for tool in (
            a_tool(),
            a_tool("bank__refund", tier="restricted-write", roles=("amount",)),
            a_tool("erp__orders", tier="read-only", roles=()),
        )
    },
    granted={"payer": ("bank__*", "erp__orders"), "payer-v1": ("bank__*",), "reader": ("erp__*",), "gone": ()},
    agents={"payer", "reader", "gone"},
    skills={"pay-invoice"},
    people={"anna", "owner"},
    built_in={"model"},
)
EVERYONE = "['*']"


def warned(*policies, around=None):
    return [(problem.line, problem.where, problem.message) for problem in check(policies, around)]


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


# --- within one policy


@pytest.mark.parametrize(
    ("fields", "where", "told"),
    [
        ("tools: ['bank__*', bank__pay]", "tools[1]", "adds nothing to 'bank__*'"),
        ("tools: [bank__pay, bank__pay]", "tools[1]", "adds nothing"),
        ("deny_tools: [erp__x, 'erp__*']\ntools: [bank__pay]", "deny_tools[0]", "take it out"),
        ("require_approval: ['*']\nrequire_approval_if_over: 5", "require_approval_if_over", "never gives leave"),
        ("conditions: [{name: a, when: '1 > 0', effect: deny}]", "conditions[0].when", "it always denies"),
        ("conditions: [{name: a, when: '\"a\" == \"b\"', effect: ask}]", "conditions[0].when", "it never speaks"),
        ("conditions:\n- {name: a, when: amount > 5.0, effect: deny}\n- {name: b, when: amount > 5.0, effect: ask}",
         "conditions[1].when", "condition 'a' has the same"),
    ],
)  # fmt: skip
def test_what_never_matters_within_a_policy_is_told_with_what_to_do(fields, where, told):
    found = [(place, message) for _, place, message in warned(a_policy(fields)) if place == where]

    assert len(found) == 1
    assert told in found[0][1]


def test_a_condition_on_the_call_is_not_constant():
    conditions = "conditions: [{name: a, when: \"payee.startsWith('x')\", effect: deny}]"

    assert warned(a_policy(conditions)) == []


# --- beside others


@pytest.mark.parametrize(
    ("fields", "other", "where", "told"),
    [
        ("tools: [bank__pay]", ("deny_tools: ['bank__*']", "[payer, reader]"), "tools[0]", "never permitted"),
        ("require_approval_if_over: 5", ("require_approval: ['*']", EVERYONE), "require_approval_if_over", "asks each"),
        ("allowed_vendors: [A, B]", ("allowed_vendors: [C]", EVERYONE), "allowed_vendors", "no payee is allowed"),
        ("allowed_accounts: [A]", ("allowed_accounts: [C]", "[payer]"), "allowed_accounts", "no account is allowed"),
        ("allowed_vendors: [A, B]", ("allowed_vendors: [B]", EVERYONE), "allowed_vendors", "is narrower"),
        ("spending_limit_usd: 10", ("spending_limit_usd: 9", EVERYONE), "spending_limit_usd", "take this one out"),
        (
            "require_approval_if_over: 10",
            ("require_approval_if_over: 9", EVERYONE),
            "require_approval_if_over",
            "USD 9",
        ),
        ("max_turns: 10", ("max_turns: 9", EVERYONE), "max_turns", "10 never matters"),
        ("reflection_loop_cap: 10", ("reflection_loop_cap: 10", EVERYONE), "reflection_loop_cap", "'other' has 10"),
    ],
)
def test_contrary_and_shadowed_rules_of_two_policies_are_told_with_what_to_do(fields, other, where, told):
    beside = a_policy(other[0], name="other", agents=other[1])

    found = [(place, message) for _, place, message in warned(a_policy(fields), beside) if place == where]

    assert any(told in message and "'other'" in message for _, message in found), found


@pytest.mark.parametrize(
    "other",
    [
        ("deny_tools: ['bank__*']", "[reader]"),
        ("deny_tools: [erp__orders]", EVERYONE),
        ("mode: shadow\ndeny_tools: ['bank__*']", EVERYONE),
        ("tools: [erp__orders]\nspending_limit_usd: 9", EVERYONE),
        ("spending_limit: {amount: '9', currency: EUR}", EVERYONE),
    ],
    ids=str,
)
def test_policies_that_do_not_meet_say_nothing_of_each_other(other):
    mine = a_policy("tools: [bank__pay]\nspending_limit_usd: 10")

    assert warned(mine, a_policy(other[0], name="other", agents=other[1])) == []


def test_a_version_meets_the_policies_of_its_agent():
    mine = a_policy("tools: [bank__pay]", agents="[payer-v1]")
    other = a_policy("deny_tools: [bank__pay]", name="other")

    assert [where for _, where, _ in warned(mine, other)] == ["tools[0]"]


# --- against what is registered


@pytest.mark.parametrize(
    ("fields", "agents", "where", "told"),
    [
        ("tools: [bank__pai]", "[payer]", "tools[0]", "fits no registered tool"),
        ("deny_tools: ['crm__*']\ntools: [erp__orders]", "[payer]", "deny_tools[0]", "fits no registered tool"),
        ("tools: [bank__refund]", "[reader]", "tools[0]", "granted to no version of reader"),
        ("tools: [erp__orders]", "[gone]", "tools[0]", "granted to no version of gone"),
        ("tools: [erp__orders]\nspending_limit_usd: 5", "[payer]", "spending_limit_usd", "only reads"),
        ("tools: [bank__refund]\nallowed_vendors: [A]", "[payer]", "allowed_vendors", "denies every call"),
        ("approvers: [anna, treasurer]", "[payer]", "approvers[1]", "nobody could answer"),
        ("escalation: treasurer", "[payer]", "escalation", "nobody could answer"),
        ("conditions: [{name: a, when: skill == 'pay', effect: deny}]", "[payer]", "conditions[0].when",
         "skill is never 'pay'"),
        ("conditions: [{name: a, when: \"agent in ['payer', 'payr']\", effect: deny}]", "[payer]",
         "conditions[0].when", "agent is never 'payr'"),
        ("conditions: [{name: a, when: tool == 'bank__pai', effect: deny}]", "[payer]", "conditions[0].when",
         "tool is never 'bank__pai'"),
    ],
)  # fmt: skip
def test_what_fits_nothing_that_is_registered_is_told_with_what_to_do(fields, agents, where, told):
    found = [one for one in warned(a_policy(fields, agents=agents), around=AROUND) if one[1] == where]

    assert len(found) == 1
    assert told in found[0][2]


@pytest.mark.parametrize(
    "fields",
    [
        "tools: [bank__pay]\nspending_limit_usd: 5\nallowed_vendors: [A]\napprovers: [anna, owner, approver]",
        "tools: [model__chat]\nmax_turns: 5",
        "escalation: human_review",
        "conditions: [{name: a, when: skill == 'pay-invoice' && args.skill == 'x', effect: deny}]",
        "conditions: [{name: a, when: tool == 'bank__pay' || tool != 'x__y', effect: deny}]",
    ],
)
def test_nothing_is_said_of_what_fits(fields):
    assert warned(a_policy(fields), around=AROUND) == []
