"""Deciding and folding, without any world around them."""

import random
from dataclasses import replace

import pytest

from remit.errors import AlreadyAnswered, AnswerNotAllowed, ApprovalExpired, MissionEnded, NotFound, StoreTooNew
from remit.ids import ApprovalId, MissionId, StepId
from remit.ledger import Entry
from remit.missions import (
    Answer,
    Cancel,
    MissionState,
    Proceed,
    Submit,
    control_events,
    decide,
    events,
    evolve,
    flow_events,
    notice_events,
    undo_events,
)
from remit.missions.decide import wake_at_us
from remit.planning import Step, StepKind

NOW_US = 1_000_000_000
HOUR_US = 3600 * 1_000_000
DEADLINE_US = NOW_US + 168 * HOUR_US
APPROVAL = ApprovalId("apr-1")


def a_step(name, *, after=(), kind=StepKind.SKILL, target="work", attempts_max=3):
    waits = tuple(StepId(other) for other in after)
    return Step(StepId(name), kind, target, "input", waits, attempts_max=attempts_max)


def submitted(**changes):
    fields = {
        "workflow": "work", "principal": "anna", "inputs": "in", "tools": ("*",), "budget_usd_micros": 1,
        "steps_max": 9, "deadline_at_us": DEADLINE_US, "reader": "rules", "known": (), "steps": (a_step("plan"),),
    }  # fmt: skip
    return events.MissionSubmitted(**{**fields, **changes})


def started(step, *, attempt=1, run=1):
    return events.StepStarted(step, attempt, run, 1, "agent@1")


def succeeded(step, *, attempt=1, run=1):
    return events.StepSucceeded(step, attempt, run, f"output of {step}", trusted=True)


def failed(step, *, attempt=1, run=1, retryable=False, refused=False):
    return events.StepFailed(step, attempt, run, "agent_failed", ("r",), refused, retryable, "why")


def suspended(step, *, run=1, proposed=(), about="approval", approval=APPROVAL, answers=("approve", "reject", "steer")):
    expires = NOW_US + HOUR_US
    return events.StepSuspended(
        step, 1, run, approval, proposed, "key" if proposed else "", about, ("critical_tier",), ("bound",),
        ("approver",), expires, answers, "case",
    )  # fmt: skip


def answered(step, verdict="approve", approval=APPROVAL):
    return events.ApprovalAnswered(approval, step, verdict, "anna", "", "", ("bound",), ())


def folded(*told):
    """The state after a submission and these events, or groups of them."""
    state = MissionState(MissionId("m"))
    for one in (submitted(), *told):
        for event in one if isinstance(one, tuple) else (one,):
            state = after(state, event)
    return state


def after(state, event, *, version=None):
    seq = state.version + 1
    entry = Entry(
        "default", "mission/m", seq, event.kind, version or event.version, event.payload(), "remit", NOW_US, None,
        None, event.closes, None, "", "", seq,
    )  # fmt: skip
    return evolve(state, entry)


def planned(*steps):
    return events.PlanProposed("plan", steps), events.PlanExtended("plan", len(steps))


def proceed(state, *, now_us=NOW_US, skills=("work",), tools=()):
    return decide(state, Proceed(now_us, lambda skill: skill in skills, lambda tool: tool in tools))


def status(state, step="plan"):
    return state.steps[StepId(step)].status.value


# --- folding


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ([], "ready"),
        ([started("plan")], "running"),
        ([started("plan"), succeeded("plan")], "succeeded"),
        ([started("plan"), failed("plan")], "failed"),
        ([started("plan"), failed("plan", refused=True)], "refused"),
        ([started("plan"), failed("plan", retryable=True)], "pending"),
        ([started("plan"), failed("plan", retryable=True), events.StepRetried("plan", 2, 0)], "ready"),
        ([started("plan"), events.StepInterrupted("plan", 1, 1, "halted")], "ready"),
        ([started("plan"), suspended("plan")], "waiting"),
        ([started("plan"), suspended("plan", proposed=(a_step("plan~1"),))], "blocked"),
        ([suspended("plan"), answered("plan")], "ready"),
        ([suspended("plan"), answered("plan", "reject")], "refused"),
        ([suspended("plan"), events.ApprovalExpired(APPROVAL, "plan")], "refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(event.kind for event in value) or "nothing",
)
def test_each_event_leads_to_its_state(told, ends):
    assert status(folded(*told)) == ends


@pytest.mark.parametrize(
    "late",
    [
        started("plan", run=2),
        succeeded("plan", run=2),
        failed("plan", run=2),
        failed("plan", run=2, retryable=True),
        events.StepInterrupted("plan", 1, 2, "halted"),
        suspended("plan", run=2),
        suspended("plan", run=2, proposed=(a_step("plan~1"),)),
    ],
    ids=lambda event: event.kind,
)
@pytest.mark.parametrize("end", [succeeded("plan"), failed("plan")], ids=lambda event: event.kind)
def test_what_comes_after_a_steps_end_changes_nothing(end, late):
    ended = folded(started("plan"), end)

    state = after(ended, late)

    assert state.steps == ended.steps
    assert (state.open_steps, dict(state.ready), dict(state.running)) == (0, {}, {})
    assert not state.approvals


@pytest.mark.parametrize(
    "stale", [failed("plan", run=1, retryable=True), events.StepInterrupted("plan", 1, 1, "halted")]
)
def test_the_end_of_an_earlier_run_does_not_stop_a_later_one(stale):
    state = after(folded(started("plan", run=1), started("plan", run=2)), stale)

    assert status(state) == "running"
    assert not state.failed


def test_a_late_outcome_answers_the_question_whether_it_took_effect():
    asked = folded(started("plan"), suspended("plan", about="effect_uncertain"))

    state = after(asked, succeeded("plan"))

    assert status(state) == "succeeded"
    assert not state.approvals
    with pytest.raises(AlreadyAnswered):
        decide(state, Answer(APPROVAL, "reject", "anna", NOW_US))


def test_a_step_is_ready_when_the_last_of_those_it_waits_for_has_ended_well_or_not():
    state = folded(succeeded("plan"), planned(a_step("a"), a_step("b"), a_step("c", after=("a", "b"))))

    one = after(state, succeeded("a"))
    both = after(one, failed("b"))

    assert [status(s, "c") for s in (state, one, both)] == ["pending", "pending", "ready"]


def test_a_proposed_call_that_has_ended_lets_its_proposer_go_on():
    blocked = folded(started("plan"), suspended("plan", proposed=(a_step("plan~1", kind=StepKind.TOOL),)))
    assert (status(blocked), status(blocked, "plan~1"), blocked.open_steps) == ("blocked", "waiting", 2)

    state = after(after(blocked, answered("plan~1")), succeeded("plan~1"))

    assert (status(state), state.open_steps) == ("ready", 1)


def test_a_steer_replaces_the_input():
    steer = replace(answered("plan", "steer"), input="steered")

    state = folded(suspended("plan"), steer)

    assert state.steps[StepId("plan")].step.input == "steered"
    assert state.steps[StepId("plan")].verdict.steered


def test_a_newer_version_of_an_event_is_not_folded():
    with pytest.raises(StoreTooNew):
        after(folded(), started("plan"), version=events.StepStarted.version + 1)


def test_a_mission_that_an_older_release_recorded_was_asked_for_by_a_person():
    new = submitted().payload()
    late = (
        "chain", "parent", "token", "token_budget_usd_micros", "ancestry", "confidentiality", "source", "trusted",
        "parent_step", "above", "written", "result", "tokens_above",
    )  # fmt: skip
    old = {name: value for name, value in new.items() if name not in late}

    upcast = events.MissionSubmitted.upcast(old, 1)

    assert {name: list(value) if isinstance(value, tuple) else value for name, value in upcast.items()} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in new.items()
    }


def test_a_plan_that_an_older_release_recorded_joins_as_it_did_then():
    proposed = after(folded(), events.PlanProposed("plan", (a_step("a"),)))
    told = {"by": "plan", "steps": [a_step("a").to_json()]}
    entry = Entry(
        "default", "mission/m", 3, "plan.extended", 1, told, "remit", NOW_US, None, None, False, None, "", "", 3
    )

    assert evolve(proposed, entry) == after(proposed, events.PlanExtended("plan", 1))


def test_every_event_reads_back_as_it_was_written():
    every = [
        submitted(), *planned(a_step("a")), events.PlanRejected("plan", "x"), events.StepRetried("plan", 2, 7),
        answered("plan"), events.ApprovalExpired(APPROVAL, "plan"), events.MissionCompleted(1),
        events.MissionFailed("c", "d"), events.MissionCancelled("anna"), started("plan"), succeeded("plan"),
        failed("plan"), events.StepInterrupted("plan", 1, 1, "c"),
        suspended("plan", proposed=(a_step("a"),)), control_events.MissionPaused("anna", "", stop_clock=True),
        control_events.MissionResumed("anna", "", 7), control_events.StepSkipped("a", "anna", "why"),
        control_events.StepsReopened("anna", "why", ("a",), ("b",)),
        control_events.PlanSteered("anna", "why", (a_step("c"),), ("known",)),
        notice_events.ApprovalReminded(APPROVAL, "plan", 1),
        notice_events.ApprovalEscalated(APPROVAL, "plan", ("owner",)),
        control_events.StepRemoved("c", "anna", "why"), control_events.StepChanged("a", 2, "anna", "why", "in", ()),
        flow_events.StepPrepared("a", 1, "in", True, "public", ("k",)), flow_events.StepRuledOut("a", "when"),
        flow_events.StepExpanded("a", 1, 1, 2, True, "public"), flow_events.StepParked("a", 1, 1, 7),
        flow_events.StepElapsed("a", "timer"), undo_events.MissionStopping("failed", "", "code", "detail"),
        undo_events.UndoPlanned((a_step("a~undo"),), ("a",)),
        flow_events.EventOccurred("a", "e", "paid", "bank", "out", False, "internal", ("k",)),
    ]  # fmt: skip
    assert {type(event) for event in every} == set(events.KINDS.values())

    for event in every:
        entry = Entry(
            "t", "s", 1, event.kind, event.version, event.payload(), "", 0, None, None, False, None, "", "", 1
        )
        assert events.read_event(entry) == event


# --- deciding


def test_a_mission_is_submitted_once():
    command = Submit(submitted())

    assert decide(MissionState(MissionId("m")), command) == (submitted(),)
    assert decide(folded(), command) == ()


def test_nothing_is_decided_while_work_is_under_way():
    assert proceed(folded()) == ()
    assert proceed(folded(started("plan"))) == ()


def test_when_every_step_has_ended_the_mission_has():
    assert proceed(folded(succeeded("plan"))) == (events.MissionCompleted(1),)


def test_a_mission_whose_first_step_did_not_end_well_has_failed():
    assert proceed(folded(failed("plan"))) == (events.MissionFailed("agent_failed", ""),)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 1), (2, 5), (3, 30), (4, 120), (5, 600), (6, 600)], ids=lambda value: f"{value}"
)
def test_each_retry_waits_longer(attempt, seconds):
    state = folded()
    plan = state.steps[StepId("plan")]._replace(step=a_step("plan", attempts_max=9), attempt=attempt)
    state = state._replace(steps=state.steps.set(StepId("plan"), plan))

    decided = proceed(after(state, failed("plan", attempt=attempt, retryable=True)))

    assert decided == (events.StepRetried("plan", attempt + 1, NOW_US + seconds * 1_000_000),)


def test_the_last_attempt_is_the_last():
    state = folded(
        failed("plan", retryable=True), events.StepRetried("plan", 3, 0), failed("plan", attempt=3, retryable=True)
    )

    assert status(state) == "failed"
    assert not state.failed


def test_a_good_plan_joins_and_a_bad_one_is_rejected_with_its_faults():
    good = events.PlanProposed("plan", (a_step("a"),))
    bad = events.PlanProposed("plan", (a_step("a", target="fly"),))

    assert proceed(folded(good)) == (events.PlanExtended("plan", 1),)
    (rejected,) = proceed(folded(bad))
    assert "no production agent offers the skill fly" in rejected.faults


def test_of_two_plans_with_one_name_the_second_is_rejected():
    one, two = (events.PlanProposed(by, (a_step("same"),)) for by in ("a", "b"))
    state = folded(planned(a_step("a"), a_step("b")), two, one)

    first, second = proceed(state)

    assert first == events.PlanExtended("a", 1)
    assert isinstance(second, events.PlanRejected)
    assert "same stands twice" in second.faults


def test_the_same_state_gives_the_same_decisions_whatever_the_order_it_came_about_in():
    names = [f"s{n}" for n in range(8)]
    base = folded(planned(*(a_step(name) for name in names)))
    told = [failed(name, retryable=True) for name in names[:4]]
    told += [suspended(name, approval=ApprovalId(f"apr-{name}")) for name in names[4:]]

    def decided(seed):
        state = base
        for event in random.Random(seed).sample(told, len(told)):
            state = after(state, event)
        return proceed(state, now_us=NOW_US + 2 * HOUR_US)

    assert len(decided(0)) == 8
    assert all(decided(seed) == decided(0) for seed in range(5))


def test_an_approval_expires_after_its_end_and_not_at_it():
    state = folded(suspended("plan"))

    assert proceed(state, now_us=NOW_US + HOUR_US) == ()
    assert proceed(state, now_us=NOW_US + HOUR_US + 1) == (events.ApprovalExpired(APPROVAL, "plan"),)


def test_a_deadline_ends_what_is_still_open():
    assert proceed(folded(), now_us=DEADLINE_US) == ()
    (ended,) = proceed(folded(), now_us=DEADLINE_US + 1)
    assert ended.code == "deadline_passed"
    assert isinstance(proceed(folded(succeeded("plan")), now_us=DEADLINE_US + 1)[0], events.MissionCompleted)


@pytest.mark.parametrize("expires_us", [NOW_US + HOUR_US, DEADLINE_US + HOUR_US])
def test_time_wakes_a_mission_at_the_first_of_its_questions_ends_and_its_deadline(expires_us):
    state = folded(replace(suspended("plan"), expires_at_us=expires_us))

    assert wake_at_us(state) == min(expires_us, DEADLINE_US)


# --- answers


def an_answer(verdict="approve", *, approval=APPROVAL, now_us=NOW_US, **fields):
    return Answer(approval, verdict, "anna", now_us, **fields)


def test_an_answer_binds_what_was_asked_unless_it_steers():
    state = folded(suspended("plan"))

    (event,) = decide(state, an_answer())
    (steer,) = decide(state, an_answer("steer", binds=("other",), input="steered"))

    assert event.binds == ("bound",)
    assert (steer.binds, steer.input) == (("other",), "steered")


@pytest.mark.parametrize(
    ("told", "command", "refused"),
    [
        ([], an_answer(), NotFound),
        ([suspended("plan"), answered("plan")], an_answer(), AlreadyAnswered),
        ([suspended("plan"), events.ApprovalExpired(APPROVAL, "plan")], an_answer(), AlreadyAnswered),
        ([suspended("plan")], an_answer(now_us=NOW_US + HOUR_US + 1), ApprovalExpired),
        ([suspended("plan", answers=("reject",))], an_answer(), AnswerNotAllowed),
        ([suspended("plan"), events.MissionFailed("deadline_passed", "")], an_answer(), MissionEnded),
    ],
    ids=["unknown", "answered", "expired", "too late", "not offered", "ended"],
)
def test_an_answer_that_cannot_be_taken_says_why(told, command, refused):
    with pytest.raises(refused):
        decide(folded(*told), command)


def test_a_mission_is_cancelled_once():
    state = folded()

    assert decide(state, Cancel("anna")) == (events.MissionCancelled("anna"),)
    with pytest.raises(MissionEnded):
        decide(after(state, events.MissionCancelled("anna")), Cancel("anna"))


@pytest.mark.parametrize(
    "end", [events.MissionCompleted(1), events.MissionFailed("c", ""), events.MissionCancelled("anna")]
)
def test_an_ended_mission_decides_nothing_more(end):
    assert proceed(after(folded(failed("plan", retryable=True)), end)) == ()
