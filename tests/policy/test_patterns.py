"""Patterns of tool names are compared by hand and looked up by place: both say what a regular expression would."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.builders import a_policy, a_request, a_tool

from remit.policy import PolicySet
from remit.policy.patterns import fits, place_of, places_of

NAMES = st.text("ab_", min_size=1, max_size=9)
PATTERNS = st.text("ab_*", min_size=1, max_size=9)


@settings(max_examples=500)
@given(PATTERNS, NAMES)
def test_a_name_fits_as_a_regular_expression_says_and_is_found_where_its_pattern_stands(pattern, name):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None

    assert fits(pattern, name) == expected
    if expected:
        assert place_of(pattern) in places_of(name)


def test_of_many_policies_those_that_concern_other_tools_are_not_looked_at():
    few = [a_policy("spending_limit_usd: 1000", name="own"), a_policy("tools: ['bank__*']", name="bank")]
    many = [a_policy(f"tools: [crm{n}__find]\ndeny_tools: ['crm{n}__drop*']", name=f"crm{n}") for n in range(300)]
    request = a_request(tool=a_tool("bank__pay"))

    alone = PolicySet.compile(few, None, {"payer"}).decide(request)
    among = PolicySet.compile([*many, *few], None, {"payer"})

    assert among.decide(request) == alone
    assert {policy.name for policy in among._in("payer", "1", places_of("bank__pay"))} == {"own", "bank"}
    assert len(among.applying("payer", "1")) == 302
