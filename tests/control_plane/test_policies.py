"""What is asked of policies: check, explain, test."""

import json

import pytest
from tests.control_plane.builders import AGENT, POLICY, SOURCE, a_home, me, run

from remit.control_plane.policies import try_cases
from remit.errors import InvalidInput, InvalidResource, NotFound


def test_policies_are_checked_together_with_those_in_force(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            good = await plane.policies.check([])
            bad = await plane.policies.check([("p.yaml", POLICY.replace("pays", "more") + "nonsense: 1\n")])

            assert good["ok"]
            assert not bad["ok"]
            assert any("nonsense" in problem["message"] for problem in bad["problems"])

    run(story())


def test_policy_explains_what_it_would_say_with_the_values_that_it_compared(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            below = await plane.policies.explain("planner", "acme__pay", {"amount": "50.00", "payee": "V-1"})
            over = await plane.policies.explain("planner", "acme__pay", {"amount": "250.00", "payee": "V-1"})

            assert below["permit"]
            assert not below["obligations"]
            assert [owed["rule"] for owed in over["obligations"]] == ["require_approval_if_over"]
            assert "250.00" in json.dumps(over)
            with pytest.raises(NotFound):
                await plane.policies.explain("nobody", "acme__pay", {})

    run(story())


def test_an_amount_that_cannot_be_read_is_told_as_bad_input(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            with pytest.raises(InvalidInput, match="acme__pay"):
                await plane.policies.explain("planner", "acme__pay", {"amount": "a lot", "payee": "V-1"})

    run(story())


def test_explain_asks_what_the_door_asks(tmp_path):
    """A payee's name is not taken from the call, and only a model's call is a turn."""
    vendors = POLICY.replace("pays", "vendors") + "allowed_vendors: [Acme Ltd]\nmax_turns: 1\n"

    async def story():
        async with a_home(tmp_path) as plane:
            await plane.resources.apply([("vendors.yaml", vendors)], me(plane))
            call = {"amount": "5.00", "payee": "V-1", "payee_name": "Acme Ltd"}

            told = await plane.policies.explain("planner", "acme__pay", call)

            assert told["answer"] == "deny"
            spoken = {one["rule"]: one["message"] for one in told["spoken"]}
            assert spoken["max_turns"] == "turn 0 of at most 1"
            assert "allowed_vendors: [PAYEE]" in told["remedy"]

    run(story())


def test_explain_says_where_the_agent_was_not_given_the_tool(tmp_path):
    narrow = AGENT.split("---")[0].replace("plan", "narrow").replace('"acme__*"', "acme__vendor")

    async def story():
        async with a_home(tmp_path) as plane:
            await plane.resources.apply([("narrow.yaml", narrow)], me(plane))

            assert (await plane.policies.explain("narrowner", "acme__vendor", {}))["granted"]
            assert not (await plane.policies.explain("narrowner", "acme__pay", {}))["granted"]

    run(story())


def test_a_condition_on_the_person_is_explained_for_the_person_named(tmp_path):
    mine = POLICY.replace("pays", "mine") + "conditions: [{name: me, when: principal != 'ben', effect: deny}]\n"

    async def story():
        async with a_home(tmp_path) as plane:
            await plane.resources.apply([("mine.yaml", mine)], me(plane))
            call = ("planner", "acme__vendor", {"name": "x"})

            assert (await plane.policies.explain(*call, principal="ben"))["answer"] == "permit"
            assert (await plane.policies.explain(*call, principal="eva"))["answer"] == "deny"

    run(story())


# --- findings


def test_findings_name_the_line_in_the_files_and_the_file_of_what_stands(tmp_path):
    twin = POLICY.replace("pays", "twin").replace("100", "50") + "approvers: [nobody]\ndeny_tools: [crm__x]\n"

    async def story():
        async with a_home(tmp_path) as plane:
            told = [one["message"] for one in (await plane.policies.check([("twin.yaml", twin)]))["problems"]]

            assert any(one.startswith("twin.yaml:7: approvers[0]: 'nobody'") for one in told), told
            assert any(one.startswith("twin.yaml:8: deny_tools[0]: 'crm__x' fits no registered tool") for one in told)
            assert any(
                one.startswith("policy.yaml: require_approval_if_over: USD 100.00 never matters") for one in told
            )

    run(story())


def test_applying_a_policy_warns_of_what_is_found_in_it_and_in_no_other(tmp_path):
    other = POLICY.replace("pays", "other").replace('"acme__*"', '"acme__*", acme__pay')

    async def story():
        async with a_home(tmp_path) as plane:
            told = await plane.resources.apply([("other.yaml", other)], me(plane))
            again = await plane.resources.apply([("third.yaml", POLICY.replace("pays", "a"))], me(plane))

            assert told["applied"]
            assert any(
                "other.yaml:5: tools[1]: 'acme__pay' adds nothing to 'acme__*'" in one for one in told["warnings"]
            )
            assert not any("other.yaml" in one or "tools[1]" in one for one in again["warnings"])

    run(story())


def test_the_company_of_these_tests_has_no_findings(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            assert (await plane.policies.check([]))["problems"] == []

    run(story())


# --- cases

CASES = """\
tool: acme__pay
request: {agent: planner}
cases:
  - description: A small payment goes by itself.
    request: {arguments: {amount: "50.00", payee: V-1}}
    expected: {answer: permit}
  - description: A large one is asked about.
    request: {arguments: {amount: "250.00", payee: V-1}}
    expected: {answer: ask, asks: [require_approval_if_over, critical_tier]}
"""


def test_cases_are_decided_on_what_is_in_force(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            fine = await plane.policies.test([("cases.yaml", CASES)])
            wrong = await plane.policies.test([("cases.yaml", CASES.replace("answer: permit", "answer: deny"))])

            assert (fine["ok"], fine["passed"], fine["failed"]) == (True, 2, 0)
            (failed,) = [case for case in wrong["cases"] if not case["ok"]]
            assert (wrong["ok"], failed["line"], failed["expected"]) == (False, 4, "deny")
            assert failed["faults"] == ["answer: expected deny, got permit"]
            assert {"tools", "within_approval_limit"} == {one["rule"] for one in failed["decision"]["spoken"]}

    run(story())


def test_cases_are_decided_on_files_without_a_home():
    files = [("agents.yaml", AGENT), ("source.yaml", SOURCE), ("policy.yaml", POLICY)]

    assert try_cases([("cases.yaml", CASES)], files)["ok"]
    assert not try_cases([("cases.yaml", CASES)], [*files[:2], ("policy.yaml", POLICY.replace("100", "10"))])["ok"]


def test_files_that_are_wrong_or_hold_no_case_are_refused():
    with pytest.raises(InvalidResource, match=r"policy.yaml:5: tool"):
        try_cases([("cases.yaml", CASES)], [("policy.yaml", POLICY.replace("tools:", "tool:"))])
    with pytest.raises(InvalidResource, match=r"cases.yaml:6: .*expected.answer"):
        try_cases([("cases.yaml", CASES.replace("answer: permit", "answer: yes"))])
    with pytest.raises(InvalidInput, match="no case"):
        try_cases([("cases.yaml", "cases: []")])
