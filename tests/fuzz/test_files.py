"""Resource files, policies, conditions and cases: whatever stands in them is read, or refused as invalid."""

from pathlib import Path

import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz.shapes import almost, deep, values
from tests.fuzz.target import bounded

from remit.control_plane.resources import kinds
from remit.errors import InvalidResource, VersionExists
from remit.policy.cases import read_cases
from remit.policy.conditions import Condition
from remit.registry import plan_apply
from remit.resources import read_resources

ROOT = Path(__file__).parents[2]
FILES = [
    *sorted((ROOT / "src/remit/packs").rglob("resources/*.yaml")),
    *sorted((ROOT / "examples").rglob("*.yaml")),
]
TEXTS = [path.read_text(encoding="utf-8") for path in FILES]
DOCUMENTS = [one for text in TEXTS for one in yaml.safe_load_all(text) if isinstance(one, dict)]
CASES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/policies").glob("case_*.yaml"))]
POLICY = {
    "apiVersion": "remit/v1", "kind": "Policy", "name": "a", "description": "b", "agents": ["a", "*"],
    "tools": ["a__*"], "deny_tools": ["a__b"], "spending_limit": {"amount": "5.00", "currency": "EUR"},
    "require_approval_if_over": 5, "require_approval": ["a__c"], "allowed_vendors": ["v"], "allowed_accounts": ["w"],
    "reflection_loop_cap": 3, "max_turns": 9, "escalation": "approver", "approval_expires_hours": 5,
    "approval_remind_hours": [2], "approval_escalate_hours": 3, "approval_escalate_to": ["owner"],
    "conditions": [{"name": "c", "when": "amount > 5.0 && args.a == 'b'", "effect": "ask", "message": "d"}],
    "redact": ["email"], "redact_by": "mask", "mode": "shadow",
}  # fmt: skip
TOKENS = ["amount", "args", ".a", "['a']", " > ", " == ", "5.0", "5", "'x'", "(", ")", "!", " && ", " in ", "[", "]",
          "size(", "true", "tool", ".matches('(a+)+$')", "?", ":", "9223372036854775808", "\x00",
          "é", "b'\\xff'"]  # fmt: skip


def planned(text):
    """What applying the file would come to, as `remit apply --dry-run` sees it before any tool is asked."""
    plan = plan_apply([("fuzz.yaml", text)], {}, kinds())
    try:
        plan.require_valid()
    except (InvalidResource, VersionExists):
        assert plan.errors
    assert all(problem.line >= 0 and str(problem) for problem in plan.problems)


def written(document):
    return yaml.safe_dump(document, allow_unicode=True)


@bounded(120)
@given(st.sampled_from(DOCUMENTS).flatmap(lambda document: almost(document, values)))
@example({**DOCUMENTS[0], "description": deep(60)})
def test_a_resource_that_is_wrong_anywhere_is_read_or_refused(document):
    planned(written(document))


@bounded(100)
@given(almost(POLICY, values))
def test_a_policy_that_is_wrong_anywhere_is_read_or_refused(document):
    planned(written(document))


@bounded(120)
@given(st.sampled_from(TEXTS + CASES), st.integers(0, 400), st.integers(0, 9), st.text(max_size=4))
def test_a_file_with_any_characters_changed_is_read_or_refused(text, at, gone, put):
    changed = text[:at] + put + text[at + gone :]
    planned(changed)
    read_cases([("cases.yaml", changed)])


@bounded(120)
@given(st.text(max_size=40) | st.lists(st.sampled_from([*"-:{}[]&*!|>'\"%@`#?,\n\t ", "a", "<<", "---"])).map("".join))
@example("&a [*a, *a]")
@example("? [a]\n: b")
@example("!!python/object:os.system {}")
@example("\ud800")
def test_any_text_is_read_or_refused(text):
    read_resources(text, "fuzz.yaml")
    planned(text)
    read_cases([("cases.yaml", text)])


@bounded(120)
@given(
    st.lists(st.sampled_from(TOKENS), max_size=8).map("".join) | st.text(max_size=20),
    st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2),
)
@example("(" * 1000 + "true" + ")" * 1000, {})
@example("\ud800", {})
@example("args.a > 5.0", {"a": 2**70})
def test_a_condition_is_compiled_and_decided_or_refused_with_a_value_error(when, arguments):
    try:
        condition = Condition.of("c", when, effect="deny")
        answer = condition.holds({"args": arguments, "amount": 5.0, "tool": "a__b"})
    except ValueError:
        return
    assert isinstance(answer, bool)


def test_there_is_something_to_change():
    assert len(DOCUMENTS) > 10
    assert len(CASES) > 20
