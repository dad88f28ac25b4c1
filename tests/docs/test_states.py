"""The state diagrams are what the code does: each arrow is driven through `evolve`."""

import pytest
from immutables import Map

from remit.ids import ApprovalId, MissionId, StepId, StreamId
from remit.ledger.entry import GENESIS, Entry
from remit.missions import control_events, events, flow_events, undo_events
from remit.missions.evolve import evolve
from remit.missions.state import MissionState, MissionStatus, StepState, StepStatus
from remit.planning import Step, StepKind

from .test_reference import generator

GENERATOR = generator()
S1, S2, ASKED = StepId("s1"), StepId("s2"), ApprovalId("apr")


def a_step(name, status, **fields):
    return StepState(Step(name, StepKind.SKILL, "some.skill", "cid"), status, **fields)


def suspended(step, *, about="approval", proposed=()):
    asked = (step, 1, 1, ASKED, proposed, "key" if proposed else "", about, ("rule",), (), (), 0, ("approve",), "case")
    return events.StepSuspended(*asked)


def a_mission(before, kind, note):
    """A mission whose step S1 stands where the arrow begins; S2 is the step that the note speaks of."""
    steps = {S1: a_step(S1, before)}
    fields = {}
    if note == "of the last step that it waited for":
        steps = {S1: a_step(S1, before, unmet=1), S2: a_step(S2, StepStatus.RUNNING)}
        fields = {"dependents": Map({S2: (S1,)})}
    elif note == "of the step that carried the call out":
        steps[S2] = a_step(S2, StepStatus.RUNNING, answers_step=S1, answers_call="key")
    elif kind.startswith("approval."):
        fields = {"approvals": Map({ASKED: suspended(S1)})}
    return MissionState(MissionId("m"), status=MissionStatus.WORKING, steps=Map(steps), open_steps=len(steps), **fields)


def an_event(kind, after, note):
    proposed = (Step(StepId("s1~1"), StepKind.TOOL, "some__tool", "cid"),)
    by_kind = {
        "step.started": events.StepStarted(S1, 1, 1, 1, "agent@1"),
        "step.succeeded": events.StepSucceeded(S2 if note.startswith("of the") else S1, 1, 1, "out", trusted=True),
        "step.failed": events.StepFailed(
            S1,
            1,
            1,
            "code",
            ("rule",),
            refused=after is StepStatus.REFUSED,
            retryable=after is StepStatus.PENDING,
            why="why",
        ),
        "step.retried": events.StepRetried(S1, 2, 0),
        "step.interrupted": events.StepInterrupted(S1, 1, 1, "halted"),
        "step.suspended": suspended(S1, proposed=proposed if after is StepStatus.BLOCKED else ()),
        "approval.answered": events.ApprovalAnswered(
            ASKED, S1, "reject" if after is StepStatus.REFUSED else "approve", "anna", "", "", (), ()
        ),
        "approval.expired": events.ApprovalExpired(ASKED, S1),
        "step.skipped": control_events.StepSkipped(S1, "anna", "why"),
        "steps.reopened": control_events.StepsReopened("anna", "why", (S1,), ()),
        "step.prepared": flow_events.StepPrepared(S1, 1, "in", trusted=True, confidentiality="public", known=()),
        "step.ruled_out": flow_events.StepRuledOut(S1, "when"),
        "step.expanded": flow_events.StepExpanded(S1, 1, 1, 2, trusted=True, confidentiality="public"),
        "step.parked": flow_events.StepParked(S1, 1, 1, 7),
        "step.elapsed": flow_events.StepElapsed(S1, "timer" if after is StepStatus.SUCCEEDED else "timeout"),
        "event.occurred": flow_events.EventOccurred(
            S1, "e", "paid", "bank", "out", trusted=False, confidentiality="internal"
        ),
        "plan.rejected": events.PlanRejected(S1, "a cycle"),
        "mission.submitted": events.MissionSubmitted("w", "anna", "in", (), 0, 1, 0, "rules", (), ()),
        "mission.completed": events.MissionCompleted(1),
        "mission.failed": events.MissionFailed("code", "detail"),
        "mission.stopping": undo_events.MissionStopping("failed", "", "code", "detail"),
        "mission.cancelled": events.MissionCancelled("anna"),
    }
    return by_kind[kind]


def an_entry(event):
    return Entry(
        tenant="default",
        stream=StreamId("mission/m"),
        seq=1,
        kind=event.kind,
        version=event.version,
        payload=event.payload(),
        actor="remit",
        at_us=1,
        fact=None,
        cause=None,
        closes=event.closes,
        pinned=None,
        prev=GENESIS,
        hash="",
        idx=1,
    )


@pytest.mark.parametrize(("before", "kind", "after", "note"), GENERATOR.STEP_TRANSITIONS)
def test_a_step_moves_as_its_diagram_says(before, kind, after, note):
    mission = a_mission(before, kind, note)

    moved = evolve(mission, an_entry(an_event(kind, after, note)))

    assert moved.steps[S1].status is after


@pytest.mark.parametrize(("before", "kind", "after", "note"), GENERATOR.MISSION_TRANSITIONS)
def test_a_mission_moves_as_its_diagram_says(before, kind, after, note):
    mission = MissionState(MissionId("m"), status=before)

    assert evolve(mission, an_entry(an_event(kind, after, note))).status is after


def test_every_kind_of_event_is_in_a_diagram_or_changes_no_state():
    shown = {kind for _, kind, _, _ in (*GENERATOR.STEP_TRANSITIONS, *GENERATOR.MISSION_TRANSITIONS)}

    of_plan = {"plan.proposed", "plan.extended", "plan.steered", "step.removed", "step.changed", "undo.planned"}
    of_questions = {"approval.reminded", "approval.escalated"}
    assert set(events.KINDS) - shown == {*of_plan, *of_questions, "mission.paused", "mission.resumed"}


def test_every_state_is_in_a_diagram():
    arrows = (*GENERATOR.STEP_TRANSITIONS, *GENERATOR.MISSION_TRANSITIONS)

    assert {state for before, _, after, _ in arrows for state in (before, after)} == {*StepStatus, *MissionStatus}
