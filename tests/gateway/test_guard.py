"""Loop guards: what goes in circles is stopped, and what gets somewhere is let alone."""

import pytest

from remit.errors import LoopStopped
from remit.gateway import HandOff, LoopGuard, check_hand_offs, check_recursion


class Work:
    """Calls as a mission makes them; each returns the rule that stopped it, or nothing."""

    def __init__(self):
        self.guard = LoopGuard()
        self.progress = 0
        self.way = []

    def call(self, action, result):
        try:
            self.guard.check_action(action, f"{self.progress}")
        except LoopStopped as stopped:
            return stopped.rule
        self.guard.record(action, result, f"{self.progress}")
        return ""

    def hand_off(self, giver, skill):
        """One hand-off further down the same way; what the giver wrote differs with the progress."""
        self.way.append(HandOff(giver, skill, frozenset({("docs__edit", "arguments", f"{self.progress}")})))
        try:
            check_hand_offs(self.way)
        except LoopStopped as stopped:
            return stopped.rule
        return ""


def stopped_at(told):
    """Which call was the first to be stopped, from 1, and by which rule; None where none was."""
    return next(((place, rule) for place, rule in enumerate(told, 1) if rule), None)


def test_the_same_call_with_the_same_result_is_stopped_at_the_fourth_time():
    work = Work()

    assert stopped_at(work.call("poll", "pending") for _ in range(9)) == (4, "R1")


def test_the_same_call_with_ever_other_results_is_stopped_at_the_ninth_time_without_progress():
    work = Work()

    assert stopped_at(work.call("retry", f"noise {n}") for n in range(20)) == (9, "R2")


def test_paging_passes():
    work = Work()

    assert not stopped_at(work.call(f"page {n}", f"rows {n}") for n in range(100))


def test_paging_over_empty_pages_passes():
    work = Work()

    assert not stopped_at(work.call(f"page {n}", "[]") for n in range(100))


def test_an_edit_and_test_cycle_passes():
    work = Work()

    def cycle():
        for n in range(8):
            yield work.call(f"edit {n}", "saved")
            yield work.call("test", f"{8 - n} failed")

    assert not stopped_at(cycle())


def test_an_edit_and_test_cycle_that_changes_nothing_is_stopped():
    work = Work()

    def cycle():
        for n in range(8):
            yield work.call(f"edit {n}", "saved")
            yield work.call("test", "8 failed")

    assert stopped_at(cycle()) == (8, "R1")


def test_the_count_begins_anew_with_progress():
    work = Work()
    told = []
    for _ in range(10):
        told += [work.call("test", "1 failed") for _ in range(3)]
        work.progress += 1

    assert not stopped_at(told)


def test_two_agents_that_hand_one_thing_to_and_fro_are_stopped_at_the_sixth_time():
    work = Work()

    told = (work.hand_off(*way) for _ in range(9) for way in (("A", "b"), ("B", "a")))

    assert stopped_at(told) == (6, "R3")


def test_three_agents_in_a_ring_are_stopped_at_the_ninth_time():
    work = Work()

    told = (work.hand_off(*way) for _ in range(9) for way in (("A", "b"), ("B", "c"), ("C", "a")))

    assert stopped_at(told) == (9, "R3")


def test_a_review_that_changes_something_each_time_passes():
    work = Work()
    told = []
    for _ in range(20):
        told += [work.hand_off("writer", "review"), work.hand_off("reviewer", "write")]
        work.progress += 1

    assert not stopped_at(told)


def test_a_skill_below_itself_for_the_same_input_is_stopped():
    with pytest.raises(LoopStopped) as stopped:
        check_recursion([("match", "in-1"), ("plan", "in-0")], "match", "in-1")

    assert stopped.value.rule == "R4"


def test_a_skill_below_itself_for_another_input_passes():
    check_recursion([("match", "in-1"), ("plan", "in-0")], "match", "in-2")


def test_hand_offs_are_eight_deep_and_no_deeper():
    chain = [(f"skill-{n}", "x") for n in range(8)]

    check_recursion(chain, "next", "x")
    with pytest.raises(LoopStopped) as stopped:
        check_recursion([*chain, ("skill-8", "x")], "next", "x")

    assert stopped.value.rule == "R4"
