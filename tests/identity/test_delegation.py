import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.identity import Delegation, Principal, covers
from remit.ids import PrincipalId


def a_person(*tools, active=True):
    return Principal(PrincipalId("anna"), "Anna", frozenset({"operator"}), tools or ("*",), active=active)


def test_a_chain_reads_from_the_person_to_the_agent_that_calls():
    chain = Delegation.of(a_person()).mission("m-1", ["*"]).agent("Meta@1.0.0", ["*"]).agent("Invoice@2.0.0", ["*"])

    assert str(chain) == "principal:anna > mission:m-1 > agent:Meta@1.0.0 > agent:Invoice@2.0.0"
    assert chain.actor == "agent:Invoice@2.0.0"
    assert chain.depth == 2


def test_before_the_first_agent_the_person_is_the_actor():
    chain = Delegation.of(a_person()).mission("m-1", ["*"])

    assert (chain.actor, chain.depth) == ("principal:anna", 0)


def test_leave_is_the_intersection_of_every_link():
    chain = Delegation.of(a_person("erp__*", "mail__*")).mission("m", ["erp__*"]).agent("A@1.0.0", ["*__read"])

    assert chain.effective(["erp__read", "erp__write", "mail__read", "docs__read"]) == {"erp__read"}


def test_the_outermost_link_that_does_not_pass_a_tool_on_is_named():
    chain = Delegation.of(a_person()).mission("m", ["erp__*"]).agent("A@1.0.0", [])

    assert str(chain.refused_by("mail__send")) == "mission:m"
    assert str(chain.refused_by("erp__read")) == "agent:A@1.0.0"


def test_someone_who_has_left_passes_nothing_on():
    assert not Delegation.of(a_person(active=False)).permits("erp__read")


def test_an_agent_does_not_act_without_a_mission():
    with pytest.raises(ValueError, match=r"agent:A@1.0.0 may not follow principal:anna"):
        Delegation.of(a_person()).agent("A@1.0.0", ["*"])


def test_a_mission_does_not_stand_below_an_agent():
    chain = Delegation.of(a_person()).mission("m", ["*"]).agent("A@1.0.0", ["*"])

    with pytest.raises(ValueError, match="may not follow"):
        chain.mission("n", ["*"])


@pytest.mark.parametrize(
    ("patterns", "tool", "covered"),
    [
        (["erp__*"], "erp__pay", True),
        (["erp__*"], "ERP__pay", False),
        (["erp__pay"], "erp__pay_all", False),
        (["*"], "anything__at_all", True),
        (["erp_*"], "erp__pay", True),
        ([], "erp__pay", False),
    ],
)
def test_a_pattern_covers_whole_names_only(patterns, tool, covered):
    assert covers(patterns, tool) is covered


_PATTERNS = st.lists(st.sampled_from(["*", "a__*", "b__*", "a__x", "*__x", "b__y"]), max_size=3)
_TOOLS = st.frozensets(st.sampled_from(["a__x", "a__y", "b__x", "b__y"]))


@settings(deadline=None)
@given(person=_PATTERNS, mission=_PATTERNS, agents=st.lists(_PATTERNS, max_size=3), tools=_TOOLS)
def test_no_link_ever_adds_to_what_the_links_before_it_have(person, mission, agents, tools):
    chain = Delegation.of(a_person(*person)).mission("m", mission)

    for patterns in agents:
        longer = chain.agent("A@1.0.0", patterns)
        assert longer.effective(tools) <= chain.effective(tools)
        chain = longer
