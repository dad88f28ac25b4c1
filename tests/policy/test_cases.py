"""The cases of `tests/policies`, and what cases as data can say."""

from pathlib import Path

import pytest

from remit.policy import PolicySet, explain
from remit.policy.cases import Basis, judge, read_cases
from remit.tools import Role, Tier, Tool

from .builders import a_policy

CASES = sorted((Path(__file__).parent.parent / "policies").glob("case_*.yaml"))
NOTHING = Basis(PolicySet.compile((), None, ()))
PAY = Tool(
    "bank__pay", "bank", "", {}, Tier.CRITICAL,
    roles=tuple(Role(name, name, frozenset()) for name in ("amount", "currency", "payee")),
)  # fmt: skip
BASIS = Basis(PolicySet.compile([a_policy("require_approval_if_over: 50")], None, {"payer"}), {"bank__pay": PAY})


def judged(text, basis=BASIS):
    cases, problems = read_cases([("cases.yaml", text)])
    assert not problems, problems
    return [judge(case, basis) for case in cases]


def faults(text, basis=BASIS):
    (one,) = judged(text, basis)
    return list(one.faults)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_case_is_decided_as_it_says(path):
    (one,) = judged(path.read_text(encoding="utf-8"), NOTHING)

    assert not one.faults, explain(one.decision)


def test_there_are_cases():
    assert len(CASES) >= 25


def test_amount_and_payee_are_read_from_the_arguments_as_the_door_reads_them():
    call = "tool: bank__pay\nrequest: {agent: payer, arguments: {amount: '50.01', currency: USD, payee: V-1}}\n"

    assert faults(f"{call}expected: {{answer: ask, asks: [require_approval_if_over, critical_tier]}}") == []
    assert faults(f"{call}expected: {{answer: permit}}") == ["answer: expected permit, got ask"]


def test_each_expectation_that_is_not_met_is_told():
    text = (
        "tool: bank__pay\nrequest: {agent: payer, amount: USD 60, payee: V-1}\nexpected:\n  answer: permit\n"
        "  denies: [deny_tools]\n  asks: []\n  says: [max_turns]\n  message: never said\n  shadow: deny\n"
        "  obliges: [[require_approval_if_over, [treasurer]]]\n"
    )

    told = faults(text)

    assert [fault.split(":")[0] for fault in told] == [
        "answer", "denies", "asks", "says", "obliges", "message", "shadow",
    ]  # fmt: skip


def test_several_cases_share_what_stands_above_them():
    one, two = judged(
        "policies: [{name: p, agents: [payer], allowed_vendors: [V-1], require_approval_if_over: 100}]\n"
        "tool: {name: bank__pay, roles: {amount: $.sum, payee: $.to}}\n"
        "request: {agent: payer, arguments: {sum: '5', to: V-1}}\n"
        "cases:\n"
        "  - {description: one, expected: {answer: permit}}\n"
        "  - {description: two, request: {arguments: {sum: '5', to: V-2}}, expected: {answer: deny}}\n",
        NOTHING,
    )

    assert [one.faults, two.faults] == [(), ()]
    assert (one.case.description, one.case.line) == ("one", 5)


def test_a_tool_that_is_not_known_and_an_amount_that_is_none_fail_the_case():
    assert "no tool 'bank__pay'" in faults("tool: bank__pay\nrequest: {agent: a}\nexpected: {answer: deny}", NOTHING)[0]
    told = faults("tool: bank__pay\nrequest: {agent: payer, arguments: {amount: much}}\nexpected: {answer: deny}")
    assert "the amount cannot be read" in told[0]


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("request: {agnt: payer}", "agnt", "did you mean 'agent'?"),
        ("request: {agent: a, amount: 5}", "amount", "expected CURRENCY AMOUNT"),
        ("request: {agent: a, amount: USD x}", "amount", "is not a decimal amount"),
        ("expected: {answer: maybe}", "expected.answer", "'permit', 'deny' or 'ask'"),
        ("expected: {answer: deny, obliges: [[x, [y]]]}", "expected.obliges", "obliges to nothing"),
        ("tool: {name: pay}", "tool.name", "pattern"),
        ("policies: [{name: p, max_turns: 0}]", "max_turns", "greater than or equal to 1"),
        ("rates: {EUR: no}", "rates.EUR", "expected a decimal above zero"),
        ("expectd: {}", "expectd", "did you mean 'expected'?"),
    ],
)
def test_a_wrong_case_is_told_at_its_line_and_not_decided(line, where, message):
    field = line.split(":")[0]
    whole = {"tool": "bank__pay", "request": "{agent: payer}", "expected": "{answer: deny}"}
    text = "\n".join([line, *(f"{name}: {value}" for name, value in whole.items() if name != field)])

    cases, problems = read_cases([("cases.yaml", text)])

    assert cases == []
    assert any(problem.where == where and message in problem.message for problem in problems), problems
    assert all(problem.line == 1 for problem in problems)


@pytest.mark.parametrize("left_out", ["tool", "expected"])
def test_a_case_must_name_a_tool_and_expect_something(left_out):
    whole = {"tool": "bank__pay", "request": "{agent: payer}", "expected": "{answer: deny}"}
    text = "\n".join(f"{name}: {value}" for name, value in whole.items() if name != left_out)

    _, (problem,) = read_cases([("cases.yaml", text)])

    assert f"`{left_out}`" in problem.message
