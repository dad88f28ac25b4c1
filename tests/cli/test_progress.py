"""How a mission looks to whoever watches, told by its events."""

import pytest

from remit.cli.progress import Progress
from remit.cli.screen import Screen
from remit.cli.views import View

DUE_US = 1_772_443_800_000_000  # 2026-03-02 09:30:00Z


def a_step(name, kind):
    return {"id": name, "target": "", "kind": kind}


def told(progress, *events):
    for seq, event in enumerate(events, 1):
        progress.take({"seq": seq, "at": "2026-03-02T09:00:00.000Z", "actor": "remit", **event})
    return progress


@pytest.fixture
def submitted():
    steps = [a_step("later", "timer"), a_step("told", "event"), a_step("maybe", "question")]
    return told(Progress(), {"kind": "mission.submitted", "steps": steps})


def parked(step, until_us=0):
    return {"kind": "step.parked", "step": step, "until_us": until_us, "mission": ""}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"kind": "step.elapsed", "step": "later", "what": "timer"}, "succeeded"),
        ({"kind": "step.elapsed", "step": "later", "what": "deadline"}, "failed"),
        ({"kind": "event.occurred", "step": "later", "name": "x", "source": "y"}, "succeeded"),
    ],
)
def test_a_step_that_waited_ends_as_its_event_says(submitted, event, status):
    told(submitted, parked("later", DUE_US))
    assert [(step.name, step.status) for step in submitted.open()] == [("later", "parked")]

    told(submitted, event)

    assert (submitted.steps["later"].status, submitted.ended) == (status, 1)


def test_an_event_that_comes_early_ends_nothing_yet(submitted):
    told(submitted, {"kind": "event.occurred", "step": "told", "name": "x", "source": "y"})

    assert submitted.ended == 0


def test_a_step_that_is_left_out_has_ended(submitted):
    told(submitted, {"kind": "step.ruled_out", "step": "maybe", "rule": "when", "of": ""})

    assert (submitted.steps["maybe"].status, submitted.ended) == ("skipped", 1)


def test_each_event_of_a_written_step_is_told_in_words(capsys):
    view = View(Screen(as_json=False))
    events = [
        {
            "kind": "mission.submitted",
            "steps": [a_step("a", "timer")],
            "workflow": "w",
            "principal": "p",
            "reader": "r",
        },
        {"kind": "step.prepared", "step": "a"},
        {"kind": "step.expanded", "step": "a", "count": 2},
        {**parked("a", DUE_US), "mission": "msn-1"},
        {"kind": "step.elapsed", "step": "a", "what": "timeout"},
        {"kind": "event.occurred", "step": "a", "name": "goods.delivered", "source": "trigger/shop"},
        {"kind": "step.ruled_out", "step": "a", "rule": "after_failed", "of": "b"},
    ]
    view.take([{"seq": n, "at": "2026-03-02T09:00:00.000Z", "actor": "", **each} for n, each in enumerate(events, 1)])

    lines = [line.split(maxsplit=2)[2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == [
        "has its input",
        "its list has 2 items",
        "waits for mission msn-1 until 2026-03-02 09:30:00Z",
        "failed: timeout has passed",
        "goods.delivered was told by trigger/shop",
        "left out: b did not end well",
    ]
