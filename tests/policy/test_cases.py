"""The cases of `tests/policies`: what one request gets from a few policies."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from remit.policy import PolicySet, explain
from remit.quantities import Money, Rates

from .builders import a_request, a_tool, load

CASES = sorted((Path(__file__).parent.parent / "policies").glob("case_*.yaml"))


def compiled(case):
    text = case.get("text") or "---\n".join(
        yaml.safe_dump({"apiVersion": "remit/v1", "kind": "Policy", **fields}) for fields in case["policies"]
    )
    policies, problems = load(text)
    assert not [problem for problem in problems if problem.severity == "error"], problems
    rates = case.get("rates")
    table = {currency: Money.of(rate, "USD").micros for currency, rate in (rates or {}).items()}
    return PolicySet.compile(
        policies, Rates("USD", date(2026, 1, 2), table) if rates else None, case.get("agents", ["payer"])
    )


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_case_is_decided_as_it_says(path):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    expected = case["expected"]

    tool = a_tool(**{"roles": [], **case["tool"]}) if "tool" in case else a_tool()
    decision = compiled(case).decide(a_request(tool=tool, **case.get("request", {})))

    said = explain(decision)
    for effect, key in (("deny", "denies"), ("ask", "asks")):
        assert [one.rule for one in decision.spoken if one.effect == effect] == expected.get(key, []), said
    assert decision.permit is expected["permit"], said
    assert {one.rule for one in decision.spoken} >= set(expected.get("says", [])), said
    assert [[one.rule, list(one.approvers)] for one in decision.obligations] == expected.get("obliges", []), said
    assert expected.get("message", "") in said


def test_there_are_cases():
    assert len(CASES) >= 25
