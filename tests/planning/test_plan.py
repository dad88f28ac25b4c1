"""Whether steps can join a plan; every fault is named, not only the first."""

import pytest

from remit.errors import InvalidPlan
from remit.ids import StepId
from remit.planning import Step, StepKind, check_plan


def a_step(name, *, skill="read", tool="", after=(), **fields):
    kind = StepKind.TOOL if tool else StepKind.SKILL if skill else StepKind.QUESTION
    return Step(StepId(name), kind, tool or skill, "input", tuple(StepId(n) for n in after), **fields)


def faults(*steps, known=("plan",), steps_max=10):
    try:
        check_plan(
            steps,
            known={StepId(name) for name in known},
            has_skill=lambda skill: skill == "read",
            has_tool=lambda tool: tool == "bank__pay",
            steps_max=steps_max,
        )
    except InvalidPlan as invalid:
        return invalid.detail
    return ""


def test_skills_tools_and_questions_may_wait_for_each_other_and_for_what_is_there():
    steps = [
        a_step("a", after=["plan"]),
        a_step("b", tool="bank__pay", after=["a", "c"]),
        a_step("c", skill="", after=["a"]),
    ]

    assert not faults(*steps)


def test_nothing_at_all_is_a_plan():
    assert not faults()


def test_every_fault_is_named_at_once():
    told = faults(a_step("A"), a_step("b", skill="fly"), a_step("c", tool="bank__steal"), a_step("d", after=["x"]))

    for fault in ("'A' is not a step's name", "the skill fly", "the tool bank__steal", "waits for x"):
        assert fault in told


@pytest.mark.parametrize("name", ["", "-a", "a b", "Ä", "a/b", "a@1", "a" * 81, "../a", "a\n"])
def test_names_that_could_be_read_as_something_else_are_refused(name):
    assert "is not a step's name" in faults(a_step(name))


@pytest.mark.parametrize("name", ["a", "0", "a.b_c~d-1", "a" * 80])
def test_plain_names_are_taken(name):
    assert not faults(a_step(name))


def test_a_step_is_there_once():
    assert "step a stands twice" in faults(a_step("a"), a_step("a"))
    assert "step plan stands twice" in faults(a_step("plan"))


@pytest.mark.parametrize(
    "steps",
    [
        [a_step("a", after=["a"])],
        [a_step("a", after=["b"]), a_step("b", after=["a"])],
        [a_step("a", after=["c"]), a_step("b", after=["a"]), a_step("c", after=["b"])],
    ],
    ids=len,
)
def test_steps_that_wait_for_each_other_are_refused(steps):
    assert "wait for each other" in faults(*steps)


def test_the_whole_mission_counts_for_the_limit():
    steps = [a_step(f"s{n}") for n in range(9)]

    assert not faults(*steps, steps_max=10)
    assert "10 steps are more than the 9" in faults(*steps, steps_max=9)


def test_a_step_reads_back_as_it_was_written():
    step = a_step("a", after=["plan"], ask="case", ask_rules=("r",), attempts_max=1)

    assert Step.from_json(step.to_json()) == step
