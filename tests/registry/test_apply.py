import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.builders import (
    HEAD,
    agent_text,
    applied,
    lines,
    planned,
    principal_text,
    source_text,
    workflow_text,
)

from remit.errors import InvalidResource, StoreCorrupted, VersionExists
from remit.policy import check_agents, load_policy
from remit.registry import KINDS, Kind, StoredResource, plan_apply

ERP = source_text("mcp:\n  command: [python, erp.py]\ntools:\n  pay:\n    tier: critical\n")


def test_a_new_resource_is_created_with_its_file_and_hash():
    plan = planned(agent_text())

    (record,) = plan.records
    assert [str(change) for change in plan.changes] == ["Agent Invoice@1.0.0 created"]
    assert (record.table, record.key) == ("resource", "Agent/Invoice@1.0.0")
    assert record.value["file"] == "0.yaml"
    assert record.value["applied_at_us"] is None
    assert StoredResource.from_json(record.value).hash == record.value["hash"]


def test_only_the_base_name_of_a_file_is_kept():
    plan = plan_apply([("/home/anna/secret/place/agents.yaml", agent_text())], {}, KINDS)

    assert plan.records[0].value["file"] == "agents.yaml"


def test_the_same_files_again_change_nothing():
    texts = [agent_text(), workflow_text(), ERP, principal_text()]

    again = planned(*texts, stored=applied(*texts))

    assert {change.action for change in again.changes} == {"unchanged"}
    assert again.records == ()


def test_a_changed_resource_shows_each_field_that_differs():
    stored = applied(ERP)

    plan = planned(source_text("mcp:\n  command: [python, new.py]\nenv: [ERP_URL]\n"), stored=stored)

    (change,) = plan.changes
    assert change.action == "updated"
    assert [str(difference) for difference in change.differences] == [
        "env: ['ERP_URL'] is new",
        "mcp.command[1]: 'erp.py' -> 'new.py'",
        "tools: {'pay': {'tier': 'critical'}} is gone",
    ]


def test_true_in_place_of_one_is_a_change():
    stored = applied(agent_text(), workflow_text(inputs="{type: object, properties: {n: {const: 1}}}"))

    plan = planned(
        workflow_text(inputs="{type: object, properties: {n: {const: true}}}") + "", agent_text(), stored=stored
    )

    assert [change.action for change in plan.changes if change.kind == "Workflow"] == ["updated"]


def test_what_is_stored_and_stands_in_no_file_stays():
    stored = applied(agent_text())

    plan = planned(workflow_text(), stored=stored)

    assert plan.errors == ()
    assert [record.key for record in plan.records] == ["Workflow/payables"]


# --- One error means that nothing is applied --------------------------------------------------------------------


def test_one_bad_file_keeps_every_good_one_from_being_applied():
    plan = planned(agent_text(), f"{HEAD}kind: Workflow\nname: broken\n")

    assert plan.errors
    assert (plan.changes, plan.records) == ((), ())
    with pytest.raises(InvalidResource, match=r"1\.yaml:1"):
        plan.require_valid()


def test_broken_yaml_is_named_at_its_line():
    plan = planned(agent_text(), "apiVersion: remit/v1\nkind: Agent\nname: [x\n")

    assert lines(plan)[0][0] == "1.yaml"
    assert "not YAML" in plan.errors[0].message


def test_an_unknown_field_is_named_at_its_line_with_the_nearest_known_one():
    plan = planned(agent_text(max_turn="3"))

    (problem,) = plan.errors
    assert (problem.line, problem.where) == (10, "max_turn")
    assert "did you mean 'max_turns'?" in problem.message


def test_an_unknown_field_deep_in_a_tool_is_named_at_its_line():
    plan = planned(source_text("mcp:\n  command: [x]\ntools:\n  pay:\n    tier: critical\n    idempotnt: true\n"))

    (problem,) = plan.errors
    assert (problem.line, problem.where) == (9, "tools.pay.idempotnt")
    assert "did you mean 'idempotent'?" in problem.message


def test_every_error_of_every_file_is_named_in_one_go():
    plan = planned(
        agent_text(max_turns="'3'", autonomy="wild"), workflow_text(start="payables.raed"), f"{HEAD}kind: X\n"
    )

    assert lines(plan) == [("0.yaml", 10), ("0.yaml", 11), ("1.yaml", 4), ("2.yaml", 1)]


def test_text_is_no_number():
    (problem,) = planned(agent_text(max_turns="'3'")).errors

    assert "integer" in problem.message


@pytest.mark.parametrize("kind", ["Mission", "Dataset", "Tenant"])
def test_a_kind_that_is_planned_says_that_it_is_not_built(kind):
    (problem,) = planned(f"{HEAD}kind: {kind}\nname: x\n").errors

    assert "is not built in this release" in problem.message


def test_an_unknown_kind_is_refused_with_the_nearest_known_one():
    (problem,) = planned(f"{HEAD}kind: Agnet\nname: x\n").errors

    assert problem.message == "unknown kind 'Agnet'; did you mean 'Agent'?"


# --- Names that stand twice --------------------------------------------------------------------------------------


def test_two_resources_with_one_name_name_each_other():
    plan = planned(principal_text(), principal_text(full_name="Another"))

    (problem,) = plan.errors
    assert (problem.file, problem.line) == ("1.yaml", 3)
    assert "stands here a second time; the first is 0.yaml:1" in problem.message


def test_two_versions_with_one_number_and_other_content_name_each_other():
    plan = planned(agent_text(), agent_text(max_turns=3))

    (problem,) = plan.errors
    assert (problem.file, problem.line, problem.where) == ("1.yaml", 4, "version")
    assert "version '1.0.0' of agent 'Invoice' stands here with other content; the first is 0.yaml:1" in problem.message


def test_a_version_that_exists_keeps_its_content():
    stored = applied(agent_text())

    plan = planned(agent_text(max_turns=3, tools="['erp__*']"), stored=stored)

    (problem,) = plan.errors
    assert problem.line == 4
    assert "exists (from 0.yaml) and differs in max_turns, tools" in problem.message
    assert "give the new content a new version number" in problem.message
    assert plan.records == ()
    with pytest.raises(VersionExists):
        plan.require_valid()


def test_two_numbers_of_one_agent_stand_beside_each_other():
    stored = applied(agent_text(), agent_text(version="1.1.0", max_turns=3))

    assert sorted(stored) == ["Agent/Invoice@1.0.0", "Agent/Invoice@1.1.0"]


def test_the_stage_of_a_version_may_change():
    stored = applied(agent_text())

    plan = planned(agent_text(stage="retired"), stored=stored)

    assert [change.action for change in plan.changes] == ["updated"]


def test_one_account_acts_as_one_principal():
    stored = applied(principal_text(os_user="anna"))

    (problem,) = planned(principal_text("bert", os_user="anna"), stored=stored).errors

    assert problem.message == "account 'anna' is bound to principal 'anna' already"


def test_an_account_is_free_again_when_its_principal_is_not_active():
    stored = applied(principal_text(os_user="anna", active="false"))

    assert planned(principal_text("bert", os_user="anna"), stored=stored).errors == ()


# --- References ---------------------------------------------------------------------------------------------------


def test_a_workflow_may_start_with_a_skill_of_a_file_or_of_the_store():
    assert planned(workflow_text(), agent_text()).errors == ()
    assert planned(workflow_text(), stored=applied(agent_text())).errors == ()


def test_a_workflow_that_starts_with_an_unknown_skill_is_refused_with_the_nearest_one():
    (problem,) = planned(agent_text(), workflow_text(start="payables.raed")).errors

    assert problem.line == 4
    assert problem.message == "no production agent offers the skill 'payables.raed'; did you mean 'payables.read'?"


def test_an_agent_in_staging_does_not_start_a_workflow():
    assert lines(planned(agent_text(stage="staging"), workflow_text())) == [("1.yaml", 4)]


def test_retiring_the_agent_that_a_stored_workflow_starts_with_is_refused():
    stored = applied(agent_text(), workflow_text())

    (problem,) = planned(agent_text(stage="retired"), stored=stored).errors

    assert "for which workflow 'payables' asks" in problem.message


def test_two_agents_do_not_offer_one_skill_in_production():
    (problem,) = planned(agent_text("Other"), stored=applied(agent_text())).errors

    assert problem.line == 6
    assert "offered by agent 'Invoice' too" in problem.message


def test_a_skill_moves_to_another_agent_when_the_first_is_retired_in_the_same_files():
    stored = applied(agent_text(), workflow_text())

    assert planned(agent_text("Other"), agent_text(stage="retired"), stored=stored).errors == ()


def test_a_pattern_that_stands_for_no_known_tool_is_a_warning():
    plan = planned(agent_text(tools="['erp__*', 'epr__pay', '*']"), ERP)

    (problem,) = plan.problems
    assert (problem.severity, problem.where) == ("warning", "tools[1]")
    assert "did you mean 'erp__pay'?" in problem.message
    assert plan.records


def test_a_built_in_source_may_be_granted_but_not_redefined():
    files = [("0.yaml", agent_text(tools="['models__*']")), ("1.yaml", source_text("mcp: {command: [x]}", "models"))]

    assert plan_apply(files[:1], {}, KINDS, built_in=("models",)).problems == ()
    assert lines(plan_apply(files, {}, KINDS, built_in=("models",))) == [("1.yaml", 3)]


def test_a_kind_of_another_folder_brings_its_own_check_which_sees_all_names():
    seen = []

    def check(raw, names):
        seen.append(names)
        return [raw.problem(("agent",), "no")] if raw.fields["agent"] not in names.agents else []

    kinds = {**KINDS, "Policy": Kind("Policy", None, check)}
    text = f"{HEAD}kind: Policy\nname: p\nagent: "

    assert planned(text + "Invoice", agent_text(), kinds=kinds).errors == ()
    assert planned(text + "Invoice-v1.0.0", agent_text(), kinds=kinds).errors == ()
    assert lines(planned(text + "Nobody", agent_text(), kinds=kinds)) == [("0.yaml", 4)]
    assert seen[0].skills == {"payables.read": frozenset({"Invoice"})}


def _check_policy(raw, names):
    policy, problems = load_policy(raw)
    return [*problems, *(check_agents(policy, names.agents) if policy else [])]


POLICY_KINDS = {**KINDS, "Policy": Kind("Policy", None, _check_policy)}


def test_a_policy_that_names_an_unknown_agent_is_refused_at_its_line():
    text = f"{HEAD}kind: Policy\nname: p\nagent: Nobody\nspending_limit_usd: 10\n"

    assert lines(planned(text, kinds=POLICY_KINDS)) == [("0.yaml", 4)]


def test_a_bare_policy_that_names_an_unknown_agent_is_stored_with_a_warning():
    plan = planned("policy:\n  agent: Procurement-Agent-v2\n  spending_limit_usd: 10000\n", kinds=POLICY_KINDS)

    (record,) = plan.records
    assert plan.errors == ()
    assert any("no agent 'Procurement-Agent-v2' is registered" in problem.message for problem in plan.warnings)
    assert (record.key, record.value["bare"]) == ("Policy/procurement-agent-v2-policy", True)


# --- Prompts ------------------------------------------------------------------------------------------------------


def test_the_text_of_a_prompt_file_is_part_of_the_version():
    text = agent_text(prompts="{read: {file: read.md}}")

    stored = applied(text, prompts={"read.md": "Read it."})

    assert stored["Agent/Invoice@1.0.0"].fields["prompts"] == {"read": "Read it."}
    assert planned(text, stored=stored, prompts={"read.md": "Read it."}).errors == ()
    assert "differs in prompts.read" in planned(text, stored=stored, prompts={"read.md": "Other."}).errors[0].message


def test_a_prompt_file_that_is_not_there_is_named_at_its_line():
    (problem,) = planned(agent_text(prompts="{read: {file: read.md}}")).errors

    assert (problem.line, problem.message) == (10, "there is no readable text file 'read.md' beside this file")


@pytest.mark.parametrize("path", ["../read.md", "/etc/passwd", "a/../../b"])
def test_a_prompt_file_does_not_lead_out_of_its_folder(path):
    (problem,) = planned(agent_text(prompts=f"{{read: {{file: {path}}}}}"), prompts={path: "x"}).errors

    assert "leads out of the folder" in problem.message


# --- The store ----------------------------------------------------------------------------------------------------


def test_a_stored_resource_that_was_altered_is_noticed():
    value = planned(agent_text()).records[0].value
    value["fields"] = {**value["fields"], "max_turns": 999}

    with pytest.raises(StoreCorrupted):
        StoredResource.from_json(value)


# --- Properties ---------------------------------------------------------------------------------------------------

_SKILLS = st.sampled_from(["a.one", "a.two", "a.three"])
_AGENTS = st.builds(
    agent_text,
    name=st.sampled_from(["One", "Two"]),
    version=st.sampled_from(["1.0.0", "1.1.0", "2.0.0-rc.1"]),
    skill=_SKILLS,
    stage=st.sampled_from(["production", "staging", "retired"]),
    max_turns=st.sampled_from([1, 2, "x"]),
)
_TEXTS = st.lists(
    st.one_of(
        _AGENTS,
        st.builds(workflow_text, name=st.sampled_from(["w", "v"]), start=_SKILLS),
        st.builds(principal_text, name=st.sampled_from(["anna", "bert"]), os_user=st.sampled_from(["u", "v"])),
        st.just(ERP),
        st.just("not: [yaml"),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(texts=_TEXTS, seed=st.integers(0, 99))
def test_the_order_of_files_does_not_matter(texts, seed):
    files = [(f"{place}.yaml", text) for place, text in enumerate(texts)]
    shuffled = files.copy()
    random.Random(seed).shuffle(shuffled)

    assert plan_apply(shuffled, {}, KINDS) == plan_apply(files, {}, KINDS)


@settings(deadline=None)
@given(first=_TEXTS, second=_TEXTS)
def test_what_was_applied_is_unchanged_when_it_is_applied_again(first, second):
    stored = {}
    for texts in (first, second):
        plan = planned(*texts, stored=stored)
        if plan.errors:
            assert plan.records == ()
            continue
        stored |= {record.key: StoredResource.from_json(record.value) for record in plan.records_at(1)}
        again = planned(*texts, stored=stored)
        assert again.errors == ()
        assert {change.action for change in again.changes} <= {"unchanged"}
        assert again.records == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (agent_text(model="openai:any"), "model"),
    ],
)
def test_a_bound_that_nothing_would_hold_is_refused_as_not_built(text, place):
    (problem,) = planned(agent_text(name="Other"), text).errors if "kind: Workflow" in text else planned(text).errors

    assert problem.where == place
    assert "not built in this release" in problem.message
