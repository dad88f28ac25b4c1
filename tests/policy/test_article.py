"""The policy document that the requirements print: it loads as it stands there, byte for byte."""

import os
from pathlib import Path

import pytest

from remit.policy import PolicySet
from remit.quantities import Money

from .builders import a_request, load

ARTICLES = Path(__file__).parents[3] / "shared" / "brief"

LITERAL = (
    "policy:\n"
    "\u00a0 agent: Procurement-Agent-v2\n"
    "\u00a0 spending_limit_usd: 10000\n"
    "\u00a0 require_approval_if_over: 5000\n"
    "\u00a0 allowed_vendors:\n"
    "\u00a0\u00a0\u00a0 \u2013 Vendor_A\n"
    "\u00a0\u00a0\u00a0 \u2013 Vendor_B\n"
    "\u00a0 reflection_loop_cap: 25\n"
    "\u00a0 escalation: human_review\n"
)


def the_printed_document():
    found = sorted(ARTICLES.glob("003*"))
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"the article is not at {ARTICLES}")
        pytest.skip(f"the article is not at {ARTICLES}")
    text = found[0].read_bytes().decode()
    start = text.index("\npolicy:\n") + 1
    return text[start : text.index("\n\n", start) + 1]


@pytest.fixture(params=["printed", "literal"])
def document(request):
    return the_printed_document() if request.param == "printed" else LITERAL


@pytest.mark.shared
def test_the_literal_copy_is_what_is_printed():
    assert the_printed_document() == LITERAL


@pytest.mark.shared
def test_it_loads_with_warnings_only(document):
    policies, problems = load(document)

    (policy,) = policies
    assert {problem.severity for problem in problems} == {"warning"}
    assert policy.name == "procurement-agent-v2-policy"
    assert policy.agents == ("Procurement-Agent-v2",)
    assert policy.spending_limit == Money.of(10000, "USD")
    assert policy.approval_limit == Money.of(5000, "USD")
    assert policy.allowed_vendors == ("Vendor_A", "Vendor_B")
    assert policy.reflection_loop_cap == 25
    assert policy.approvers == ("approver",)


def test_each_mended_line_is_named():
    _, problems = load(LITERAL)

    mended = {(problem.line, problem.message) for problem in problems if problem.line > 1}
    assert {line for line, message in mended if "no-break" in message} == set(range(2, 10))
    assert {line for line, message in mended if "en dash" in message} == {6, 7}


@pytest.mark.parametrize(
    ("changes", "permit", "rule"),
    [
        ({"amount": "USD 5000"}, True, "within_approval_limit"),
        ({"amount": "USD 5000.01"}, True, "require_approval_if_over"),
        ({"amount": "USD 10000.01"}, False, "spending_limit"),
        ({"payee": "Vendor_C"}, False, "allowed_vendors"),
        ({"reflections": 26}, False, "reflection_loop_cap"),
    ],
)
def test_each_of_its_rules_speaks(changes, permit, rule):
    policies, _ = load(LITERAL)
    policy_set = PolicySet.compile(policies, None, {"Procurement-Agent-v2"})

    decision = policy_set.decide(a_request(agent="Procurement-Agent-v2", **changes))

    assert decision.permit is permit
    assert rule in {told.rule for told in decision.spoken}


def test_while_its_agent_is_unknown_it_is_inactive_with_a_warning():
    policies, _ = load(LITERAL)

    policy_set = PolicySet.compile(policies, None, set())

    assert policy_set.policies == ()
    (problem,) = policy_set.problems
    assert (problem.severity, problem.line, problem.where) == ("warning", 2, "agent")
