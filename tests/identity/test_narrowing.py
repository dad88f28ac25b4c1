import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.identity.tokens import NOW, a_signer, an_identity

from remit.errors import DelegationWidened
from remit.identity import Granted, Wish, covers, narrow, within_grant

READER = Granted("reader@2.0.0", ("read", "translate"), ("erp__read_*", "files__*"))


def narrowed(wish=None, *, parent=None, granted=READER, at=NOW):
    return narrow(parent or an_identity(), granted, wish or Wish(), token="tok-2", now_us=at * 1_000_000)


def refused(wish, **more):
    with pytest.raises(DelegationWidened) as no:
        narrowed(wish, **more)
    return no.value.rule


def test_unasked_a_token_passes_on_what_both_sides_have():
    passed = narrowed()

    assert passed.skills == ("read",)
    assert passed.tools == ("erp__read_*",)
    assert passed.budget_usd_micros == 5_000_000
    assert passed.mission == "msn-1"
    assert passed.expires_at_us == an_identity().expires_at_us


def test_the_chain_grows_and_names_where_it_came_from():
    passed = narrowed()
    third = narrow(passed, Granted("reader@3.0.0", ("read",), ("*",)), Wish(), token="tok-3", now_us=NOW * 10**6)

    assert third.chain == (
        "principal:anna", "mission:msn-1", "agent:clerk@1.0.0", "agent:reader@2.0.0", "agent:reader@3.0.0",
    )  # fmt: skip
    assert (third.parents, third.root) == (("tok-1", "tok-2"), "tok-1")
    assert third.tools == ("erp__read_*",)
    assert third.agents == ("clerk@1.0.0", "reader@2.0.0", "reader@3.0.0")


def test_asi03_no_tool_is_passed_on_that_the_giver_or_the_agent_was_not_granted():
    assert refused(Wish(tools=("files__read",))) == "delegation_tools"
    assert refused(Wish(tools=("erp__*",))) == "delegation_tools"
    assert refused(Wish(tools=("*",))) == "delegation_tools"
    assert refused(Wish(tools=("bank__pay",))) == "delegation_tools"
    assert narrowed(Wish(tools=("erp__read_order",))).tools == ("erp__read_order",)


def test_asi03_no_skill_is_passed_on_that_the_giver_does_not_have():
    assert refused(Wish(skills=("translate",))) == "delegation_skills"
    assert narrowed(Wish(skills=())).skills == ()


def test_asi03_no_more_money_is_passed_on_than_there_is():
    assert refused(Wish(budget_usd_micros=5_000_001)) == "delegation_budget"
    assert narrowed(Wish(budget_usd_micros=1)).budget_usd_micros == 1
    assert narrowed(Wish(budget_usd_micros=1), parent=an_identity(budget_usd_micros=None)).budget_usd_micros == 1


def test_asi03_no_token_outlives_the_one_that_it_comes_from():
    assert refused(Wish(seconds=601)) == "delegation_life"
    assert refused(Wish(seconds=301), at=NOW + 300) == "delegation_life"
    assert narrowed(Wish(seconds=60)).expires_at_us == (NOW + 60) * 10**6
    assert narrowed(at=NOW + 300).expires_at_us == (NOW + 600) * 10**6


def test_asi03_no_token_moves_to_another_mission():
    assert refused(Wish(mission="msn-2")) == "delegation_mission"
    assert refused(Wish(mission="msn-2"), parent=an_identity(mission=None)) == "delegation_mission"


def test_asi03_a_signed_token_does_not_become_a_bearer_token():
    parent = an_identity(confirmed=a_signer().public)
    mine = a_signer().public

    assert refused(Wish(), parent=parent) == "delegation_key"
    assert narrowed(Wish(confirmed=mine), parent=parent).confirmed == mine


def test_a_chain_has_an_end():
    parent = an_identity()
    for number in range(7):
        parent = narrow(parent, READER, Wish(), token=f"tok-{number}", now_us=NOW * 10**6)

    assert refused(Wish(), parent=parent) == "delegation_depth"


def test_a_first_token_says_no_more_than_the_registry_grants():
    granted = Granted("clerk@1.0.0", ("pay",), ("erp__*",), frozenset({"read"}))

    assert within_grant(Wish(), granted) == (("pay",), ("erp__*",))
    assert within_grant(Wish(("read",), ("erp__read_*", "erp__x")), granted) == (("read",), ("erp__read_*", "erp__x"))
    for wish in (Wish(tools=("*",)), Wish(tools=("bank__pay",)), Wish(skills=("fly",))):
        with pytest.raises(DelegationWidened):
            within_grant(wish, granted)


PATTERNS = st.lists(st.text("ab_*", min_size=1, max_size=6), max_size=4).map(tuple)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATTERNS, st.none() | PATTERNS, st.text("abc_", min_size=1, max_size=8))
def test_asi03_whatever_is_wished_no_tool_is_won(held, granted, wished, tool):
    try:
        passed = narrowed(
            Wish(tools=wished), parent=an_identity(tools=held), granted=Granted("reader@2.0.0", ("read",), granted)
        )
    except DelegationWidened:
        return

    assert not passed.permits(tool) or (covers(held, tool) and covers(granted, tool))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 10**7), st.none() | st.integers(0, 10**7), st.none() | st.integers(-10, 2000), st.integers(0, 599)
)
def test_asi03_whatever_is_wished_no_money_and_no_time_is_won(held, wished, seconds, later):
    parent = an_identity(budget_usd_micros=held)
    try:
        passed = narrowed(Wish(budget_usd_micros=wished, seconds=seconds), parent=parent, at=NOW + later)
    except DelegationWidened:
        return

    assert 0 <= passed.budget_usd_micros <= held
    assert passed.issued_at_us < passed.expires_at_us <= parent.expires_at_us
