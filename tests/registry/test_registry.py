import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.builders import agent_text, applied, lines, planned, principal_text, source_text, workflow_text

from remit.errors import NotFound, RightsExceeded, StoreCorrupted, UnknownSkill, UnknownTool
from remit.quantities import Money
from remit.registry import Autonomy, Registry, Semver, StoredResource, tools_of

ERP = source_text("mcp: {command: [x]}\ntools: {read: {tier: read-only, poll: true}, pay: {}}\n")


def a_registry(*texts):
    stored = applied(*texts).values()
    sources = Registry.build(stored).sources.values()
    definitions = [{"name": name, "inputSchema": {"type": "object"}} for name in ("read", "pay")]
    return Registry.build(stored, [tool for source in sources for tool in tools_of(source, definitions)])


def test_a_skill_resolves_to_the_highest_production_version():
    registry = a_registry(
        agent_text(version="1.9.0"),
        agent_text(version="1.10.0"),
        agent_text(version="2.0.0", stage="staging"),
        agent_text(version="3.0.0", stage="retired"),
    )

    assert registry.resolve("payables.read").ref == "Invoice@1.10.0"


def test_a_skill_that_the_current_version_dropped_is_not_served_by_an_older_one():
    registry = a_registry(agent_text(version="1.0.0"), agent_text(version="2.0.0", skill="payables.other"))

    with pytest.raises(UnknownSkill, match=r"in another stage or superseded: Invoice@1\.0\.0"):
        registry.resolve("payables.read")


def test_an_unknown_skill_is_told_the_nearest_one():
    with pytest.raises(UnknownSkill, match=r"'payables\.raed'; did you mean 'payables\.read'\?"):
        a_registry(agent_text()).resolve("payables.raed")


def test_the_name_of_the_articles_agent_is_a_valid_name():
    registry = a_registry(agent_text("Procurement-Agent-v2"))

    assert registry.agent("Procurement-Agent-v2").ref == "Procurement-Agent-v2@1.0.0"
    assert registry.names.agents == {"Procurement-Agent-v2", "Procurement-Agent-v2-v1.0.0"}


def test_an_agent_version_carries_what_its_file_says():
    version = a_registry(
        agent_text(description="Reads", tools="['erp__*']", prompts="{a: text}", autonomy="in_the_loop")
    ).agent("Invoice@1.0.0")

    assert (version.python, version.tools) == ("acme.agents:run", ("erp__*",))
    assert (version.prompts, version.autonomy, version.stage) == ({"a": "text"}, Autonomy.IN_THE_LOOP, "production")
    assert (version.max_turns, version.reflection_cap, version.actor) == (20, None, "agent:Invoice@1.0.0")
    assert version.skill("payables.read").description == "does it"
    assert a_registry(agent_text(reflection_cap=3)).agent("Invoice@1.0.0").reflection_cap == 3


def test_the_hash_of_a_version_does_not_hang_on_its_stage_but_on_its_prompts():
    def hash_of(**fields):
        return a_registry(agent_text(**fields)).agent("Invoice@1.0.0").hash

    assert hash_of() == hash_of(stage="staging")
    assert hash_of() != hash_of(prompts="{a: text}")


def test_an_agent_that_is_not_in_production_says_which_versions_there_are():
    with pytest.raises(NotFound, match=r"no agent .* in production; there are Invoice@1\.0\.0"):
        a_registry(agent_text(stage="staging")).agent("Invoice")


def test_an_unknown_tool_is_told_the_nearest_one():
    with pytest.raises(UnknownTool, match="did you mean 'erp__pay'"):
        a_registry(ERP).tool("erp__pya")


def test_a_tool_that_nobody_accepted_is_unknown():
    with pytest.raises(UnknownTool):
        Registry.build(applied(ERP).values()).tool("erp__pay")


def test_only_what_agent_and_workflow_were_both_granted_is_granted():
    registry = a_registry(ERP, agent_text(tools="['erp__*']"))
    version = registry.resolve("payables.read")

    assert list(registry.tools_granted(version, ("erp__read", "mail__*"))) == ["erp__read"]
    assert registry.tools_granted(version, ()) == {}
    assert registry.tools_granted(version, ("*",)) is registry.tools_granted(version, ("*",))


def test_only_tools_that_are_declared_to_poll_do():
    registry = a_registry(ERP)

    assert [registry.polls(name) for name in ("erp__read", "erp__pay", "nobody__knows")] == [True, False, False]


def test_a_workflow_carries_what_its_file_says():
    registry = a_registry(
        agent_text(),
        workflow_text(
            tools="['erp__*']", deadline_hours=24, report="{python: 'acme.report:make'}", limits="{max_steps: 9}"
        ),
    )

    workflow = registry.workflow("payables")
    assert (workflow.start, workflow.tools, workflow.deadline_hours) == ("payables.read", ("erp__*",), 24)
    assert (workflow.budget, workflow.report) == (Money.of("5.00", "USD"), "acme.report:make")
    assert (workflow.limits.max_steps, workflow.limits.max_turns) == (9, 1000)


def test_an_unknown_workflow_is_told_the_nearest_one():
    with pytest.raises(NotFound, match="did you mean 'payables'"):
        a_registry(agent_text(), workflow_text()).workflow("payable")


def test_an_active_principal_is_found_by_name_and_by_account():
    registry = a_registry(principal_text(os_user="abeck"))

    assert registry.principal("anna") is registry.principal_of("abeck")
    assert registry.principal_of("root") is None


def test_nothing_is_done_for_someone_who_has_left():
    registry = a_registry(principal_text(os_user="abeck", active="false"))

    with pytest.raises(RightsExceeded, match="is not active"):
        registry.principal("anna")
    assert registry.principal_of("abeck") is None
    assert "anna" in registry.principals


def test_nothing_is_done_for_someone_whom_nobody_knows():
    with pytest.raises(RightsExceeded, match="There is no principal 'bert'"):
        a_registry(principal_text()).principal("bert")


def test_a_stored_document_that_cannot_be_read_is_a_corrupted_store():
    with pytest.raises(StoreCorrupted, match="Agent/X@None"):
        Registry.build([StoredResource("Agent", "X", {"name": "X"})])


def test_kinds_of_other_folders_are_passed_over():
    assert Registry.build([StoredResource("Policy", "p", {"name": "p"})]).names.of("Policy") == {"p"}


# --- Agent files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (agent_text(name="a.b"), 3, "expected letters, digits"),
        (agent_text(version="'1.0'"), 4, "'1.0' is no version: expected MAJOR.MINOR.PATCH"),
        (agent_text(version="1.0.0+build"), 4, "is no version"),
        (agent_text(skill="Pay"), 6, "such as payables.match"),
        (
            agent_text().replace("python: acme.agents:run", "a2a: x"),
            9,
            "`a2a` is not built in this release; `python` or `connected` is",
        ),
        (agent_text().replace("python: acme.agents:run", "http: x"), 9, "not built in this release"),
        (agent_text().replace("acme.agents:run", "acme.agents"), 9, "module:function"),
        (agent_text().replace("\n  python: acme.agents:run", " {}"), 8, "expected `python`"),
        (agent_text(stage="live"), 10, "production"),
        (agent_text(max_turns="true"), 10, "integer"),
        (agent_text(tools="['erp pay']"), 10, "expected SOURCE__TOOL"),
        (agent_text(tools="erp__*"), 10, "list"),
        (agent_text(prompts="{a: {file: x, mode: y}}"), 10, "unknown field"),
        (
            agent_text().replace("description: does it", "input: {type: 3}\n    description: d"),
            7,
            "not a JSON Schema that can be used",
        ),
    ],
)
def test_an_agent_that_cannot_be_used_is_refused_at_its_line(text, line, told):
    plan = planned(text, prompts={"x": ""})

    assert ("0.yaml", line) in lines(plan)
    assert any(told in problem.message for problem in plan.errors), [str(problem) for problem in plan.errors]


def test_a_skill_that_stands_twice_is_refused():
    text = agent_text().replace("run:", "  - {name: payables.read, description: again}\nrun:")

    assert "skill 'payables.read' stands 2 times" in planned(text).errors[0].message


# --- Versions -------------------------------------------------------------------------------------------------------


def test_versions_stand_in_the_order_of_the_standard():
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1"

    assert sorted(ordered.split(), key=Semver.parse, reverse=True)[::-1] == ordered.split()


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0 ", "1.0.0+x", "1.0.٣"]
)
def test_what_is_no_version_is_refused(text):
    with pytest.raises(ValueError, match="is no version"):
        Semver.parse(text)


_PARTS = st.integers(0, 20)


@settings(deadline=None)
@given(a=st.tuples(_PARTS, _PARTS, _PARTS), b=st.tuples(_PARTS, _PARTS, _PARTS))
def test_releases_compare_as_their_numbers_do(a, b):
    assert (Semver.parse("{}.{}.{}".format(*a)) < Semver.parse("{}.{}.{}".format(*b))) is (a < b)
