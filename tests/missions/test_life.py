"""A mission's life as an outsider sees it: plan, steps, questions, answers, ends."""

import asyncio

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, open_policy, run

from remit.errors import (
    AlreadyAnswered,
    AnswerNotAllowed,
    ApprovalExpired,
    FlowRefused,
    InvalidArguments,
    InvalidInput,
    MissionEnded,
    NotFound,
    RightsExceeded,
    ToolFailed,
    ToolUnreachable,
    UnknownSkill,
)
from remit.gateway import ToolResult
from remit.ledger import Commit, Draft
from remit.missions import Cancel, decide
from remit.tools import Origin, Role

PAY = {"amount": "10.00", "payee": "V-1"}


def planner(*steps, **output):
    """An agent that proposes these steps and is done."""

    async def plan(context, _given):
        for step in steps:
            context.propose(**step)
        return {"planned": len(steps), **output}

    return plan


def a_call(step="pay", *, tool="bank__pay", given=None, **fields):
    return {"step": step, "tool": tool, "given": given or PAY, **fields}


async def a_waiting_home(*tools, **fields):
    """A home with one mission that waits for leave to make one critical payment."""
    home = await a_home(*(tools or (a_payment(tier="critical"),)), plan=planner(a_call(**fields)))
    mission = await home.submit(payee="V-1", amount="10.00")
    rest = await home.drive(mission)
    assert rest.waiting_for_people == 1
    return home, mission


# --- from goal to end


def test_a_mission_without_steps_of_its_own_ends_with_its_first():
    async def story():
        home = await a_home(plan=planner(said="hello"))
        mission = await home.submit()

        rest = await home.drive(mission)

        assert rest.ended
        assert await home.output(mission) == {"planned": 0, "said": "hello"}
        assert await home.kinds(mission) == [
            "mission.submitted",
            "step.started",
            "step.succeeded",
            "mission.completed",
        ]

    run(story())


def test_steps_run_after_those_that_they_wait_for_and_read_their_outputs():
    order = []

    async def story():
        async def read(context, given):
            order.append(context.step)
            for step in given["from"]:
                ended = await context.output(step)
                assert ended.status == "succeeded"
                order.append(ended.output)
            return context.step.upper()

        steps = [
            {"step": "c", "skill": "read", "given": {"from": ["a", "b"]}, "after": ["a", "b"]},
            {"step": "a", "skill": "read", "given": {"from": []}},
            {"step": "b", "skill": "read", "given": {"from": ["a"]}, "after": ["a"]},
        ]
        home = await a_home(plan=planner(*steps), read=read)
        mission = await home.submit()

        assert (await home.drive(mission)).ended
        assert order == ["a", "b", "A", "c", "A", "B"]

    run(story())


def test_independent_steps_run_at_the_same_time():
    async def story():
        together = asyncio.Barrier(3)

        async def read(_context, _given):
            await together.wait()
            return {}

        home = await a_home(plan=planner(*({"step": n, "skill": "read", "given": {}} for n in "abc")), read=read)
        mission = await home.submit()

        assert (await home.drive(mission)).ended

    run(story())


def test_a_step_may_not_read_what_it_does_not_wait_for():
    async def story():
        async def peek(context, _given):
            return (await context.output("plan")).output

        home = await a_home(plan=planner({"step": "peek", "skill": "peek", "given": {}}), peek=peek)
        mission = await home.submit()
        await home.drive(mission)

        assert (await home.step(mission, "peek")).code == "not_found"

    run(story())


def test_an_agents_clock_and_chance_are_the_same_again_when_its_attempt_goes_on():
    seen = []

    async def story():
        async def plan(context, _given):
            seen.append((context.now, context.random().random()))
            await context.call("bank__pay", PAY)

        home = await a_home(a_payment(tier="critical"), plan=plan)
        mission = await home.submit(**PAY)
        await home.drive(mission)
        home.clock.move(hours=5)
        await home.answer()
        await home.drive(mission)

        assert len(seen) == 2
        assert seen[0] == seen[1]

    run(story())


def test_an_agents_code_reads_the_prompts_of_its_version():
    async def story():
        async def plan(context, _given):
            return dict(context.prompts)

        home = await a_home(plan=plan)
        home.agent_fields = {"prompts": {"read": "Read it."}}
        home.change()
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission) == {"read": "Read it."}

    run(story())


def test_an_unknown_skill_is_said_when_a_mission_is_submitted():
    async def story():
        home = await a_home(plan=planner())

        with pytest.raises(UnknownSkill):
            await home.submit(start="fly")

        assert await home.store.records("mission") == []

    run(story())


def test_someone_without_the_right_submits_nothing():
    async def story():
        home = await a_home(plan=planner())
        home.change(people={**home.people, "audrey": type(home.people["anna"])(
            "Principal", "audrey", {"name": "audrey", "roles": ["auditor"]})})  # fmt: skip

        with pytest.raises(RightsExceeded):
            await home.submit(by="audrey")

    run(story())


def test_a_mission_that_is_not_there_is_not_found():
    async def story():
        home = await a_home(plan=planner())

        with pytest.raises(NotFound):
            await home.state("msn-none")

    run(story())


# --- plans that cannot be carried out


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([{"step": "a", "skill": "fly", "given": {}}], "no production agent offers the skill fly"),
        ([a_call(tool="bank__steal")], "was not given the tool bank__steal"),
        ([a_call("a", after=["b"]), a_call("b", after=["a"])], "wait for each other"),
        ([a_call("a", after=["a"])], "wait for each other"),
        ([a_call("a", after=["x"])], "which is not in the plan"),
        ([a_call("a"), a_call("a")], "stands twice"),
        ([a_call("plan")], "stands twice"),
        ([a_call("A b")], "is not a step's name"),
        ([a_call(f"s{n}") for n in range(20)], "21 steps are more than the 20"),
    ],
    ids=["skill", "tool", "cycle", "itself", "unknown", "twice", "first", "name", "too many"],
)
def test_a_plan_that_cannot_be_carried_out_fails_the_mission_with_its_faults(steps, fault):
    async def story():
        home = await a_home(plan=planner(*steps))
        mission = await home.submit(tools=("bank__pay",))

        assert (await home.drive(mission)).ended
        state = await home.state(mission)

        assert (state.status, state.code) == ("failed", "invalid_plan")
        assert fault in state.detail
        assert home.made == []

    run(story())


def test_two_plans_at_once_do_not_add_one_step_twice():
    async def story():
        together = asyncio.Barrier(2)

        async def propose(context, _given):
            await together.wait()
            context.propose("pay", tool="bank__pay", given=PAY)
            return {}

        steps = [{"step": name, "skill": "propose", "given": {}} for name in ("one", "two")]
        home = await a_home(plan=planner(*steps), propose=propose)
        mission = await home.submit(**PAY)

        assert (await home.drive(mission)).ended
        assert sorted((await home.statuses(mission)).items()) == [
            ("one", "succeeded"),
            ("pay", "succeeded"),
            ("plan", "succeeded"),
            ("two", "failed"),
        ]
        assert home.made == ["pay"]

    run(story())


# --- questions to people


def test_a_payment_that_needs_leave_waits_and_is_made_once_after_a_yes():
    async def story():
        home, mission = await a_waiting_home()
        case = await home.case()
        assert case["action"] == {"tool": "bank__pay", "arguments": PAY}
        assert set(case["answers"]) == {"approve", "reject", "steer"}
        assert [reason["rule"] for reason in case["reasons"]] == ["critical_tier"]
        assert home.made == []

        await home.answer("approve")
        rest = await home.drive(mission)

        assert rest.ended
        assert home.made == ["pay"]
        assert await home.statuses(mission) == {"pay": "succeeded", "plan": "succeeded"}

    run(story())


def test_a_no_ends_the_step_and_the_mission_goes_on_without_it():
    async def story():
        home, mission = await a_waiting_home()

        await home.answer("reject", note="not ours")
        rest = await home.drive(mission)

        assert rest.ended
        assert home.made == []
        step = await home.step(mission, "pay")
        assert (step.status, step.code) == ("refused", "rejected")
        assert "rejected" in step.rules
        assert (await home.state(mission)).status == "completed"

    run(story())


def test_an_answer_may_come_a_week_later_to_another_process():
    async def story():
        home, mission = await a_waiting_home()
        home.clock.move(days=2)
        home = home.restarted()

        await home.answer()
        home = home.restarted()

        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_a_steer_changes_the_arguments_and_that_call_is_made_instead():
    async def story():
        home, mission = await a_waiting_home()

        await home.answer("steer", changes={"amount": "7.50"}, note="agreed rebate")
        await home.drive(mission)

        assert [arguments for _, arguments, _ in home.transport.calls] == [{**PAY, "amount": "7.50"}]
        assert (await home.step(mission, "pay")).verdict.steered

    run(story())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"iban": "DE00"}, InvalidInput),
        ({}, InvalidInput),
        ({"amount": 7}, InvalidArguments),
    ],
    ids=["unknown", "none", "schema"],
)
def test_a_steer_that_does_not_fit_is_said_at_once_and_the_question_stays_open(changes, error):
    async def story():
        schema = {"amount": {"type": "string"}}
        home, mission = await a_waiting_home(a_payment(tier="critical", properties=schema))

        with pytest.raises(error):
            await home.answer("steer", changes=changes)

        assert await home.questions()
        await home.answer("approve")
        assert (await home.drive(mission)).ended

    run(story())


@pytest.mark.parametrize(
    ("origins", "taken"),
    [({Origin.DIRECTORY}, False), ({Origin.DIRECTORY, Origin.PERSON}, True)],
    ids=["directory only", "people too"],
)
def test_a_steer_meets_a_strict_role_like_any_other_value(origins, taken):
    async def story():
        strict = Role("payee", "payee", frozenset(origins), strict=True)
        lookup = a_tool("erp__read", directory=True)
        tool = a_payment(tier="critical", roles={"payee": strict})

        async def plan(context, _given):
            await context.call("erp__read", {})
            context.propose("pay", tool="bank__pay", given={"payee": "V-1"})

        transport = FakeTransport(read=lambda **_: {"vendors": ["V-1", "V-2"]})
        home = await a_home(lookup, tool, plan=plan, transport=transport)
        mission = await home.submit()
        await home.drive(mission)

        if taken:
            await home.answer("steer", changes={"payee": "V-9"})
        else:
            with pytest.raises(FlowRefused):
                await home.answer("steer", changes={"payee": "V-9"})
            await home.answer("steer", changes={"payee": "V-2"})
        await home.drive(mission)

        assert home.transport.calls[-1][1] == {"payee": "V-9" if taken else "V-2"}

    run(story())


def test_an_approval_is_answered_once():
    async def story():
        home, mission = await a_waiting_home()
        question = await home.the_question()
        await home.answer("approve")

        for verdict in ("approve", "reject"):
            with pytest.raises(AlreadyAnswered):
                await home.answer(verdict, approval=question)

        await home.drive(mission)
        assert home.made == ["pay"]

    run(story())


def test_of_two_answers_at_once_one_is_taken():
    async def story():
        home, mission = await a_waiting_home()

        question = await home.the_question()

        told = await asyncio.gather(
            *(home.answer(verdict, approval=question) for verdict in ("approve", "reject")), return_exceptions=True
        )
        await home.drive(mission)

        assert {type(one) for one in told} == {type(None), AlreadyAnswered}  # which of them comes first is not promised
        assert len([kind for kind in await home.kinds(mission) if kind == "approval.answered"]) == 1

    run(story())


def test_someone_without_the_right_answers_nothing():
    async def story():
        home, _ = await a_waiting_home()

        with pytest.raises(RightsExceeded):
            await home.answer(by="oscar")

        assert await home.questions()

    run(story())


def test_a_question_is_answered_only_in_the_ways_it_offers():
    async def story():
        ask = {"title": "Is this a duplicate?", "answers": {"reject": "It stays unpaid."}}
        home = await a_home(plan=planner({"step": "look", "given": {}, "ask": ask}))
        mission = await home.submit()
        await home.drive(mission)

        with pytest.raises(AnswerNotAllowed):
            await home.answer("approve")
        with pytest.raises(InvalidInput):
            await home.answer("maybe")
        await home.answer("reject")

        assert (await home.drive(mission)).ended

    run(story())


def test_a_question_hands_its_answer_to_whoever_waits_for_it():
    async def story():
        async def act(context, _given):
            return (await context.output("look")).output["note"]

        steps = [
            {"step": "look", "given": {"text": "Which cost centre?"}},
            {"step": "act", "skill": "act", "given": {}, "after": ["look"]},
        ]
        home = await a_home(plan=planner(*steps), act=act)
        mission = await home.submit()
        await home.drive(mission)

        await home.answer("approve", note="4711")
        await home.drive(mission)

        assert await home.statuses(mission) == {"act": "succeeded", "look": "succeeded", "plan": "succeeded"}
        assert await home.output(mission, "act") == "4711"

    run(story())


def test_a_question_that_nobody_answers_expires_and_nothing_is_done():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        home.change(policies=[open_policy("approval_expires_hours: 24")])
        mission = await home.submit(**PAY)
        await home.drive(mission)
        question = await home.the_question()
        home.clock.move(days=1, seconds=-1)
        await home.drive(mission)
        assert await home.questions()
        home.clock.move(seconds=2)

        with pytest.raises(ApprovalExpired):
            await home.answer(approval=question)
        rest = await home.drive(mission)

        assert rest.ended
        assert (await home.step(mission, "pay")).code == "approval_expired"
        assert home.made == []

    run(story())


def test_a_changed_policy_voids_a_yes_that_was_not_used_yet():
    async def story():
        home, mission = await a_waiting_home()
        await home.answer("approve")
        home.change(policies=[open_policy("max_turns: 9")])

        assert (await home.drive(mission)).waiting_for_people == 1
        assert home.made == []

        await home.answer("approve")
        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


# --- inside an agent


def test_an_agent_is_suspended_at_a_call_and_goes_on_from_its_tape():
    runs = []

    async def story():
        async def plan(context, _given):
            runs.append("begun")
            try:
                first = await context.call("erp__read", {"n": 1})
                paid = await context.call("bank__pay", PAY)
            except Exception:  # a broad handler must not swallow a wait
                runs.append("swallowed")
                raise
            return [first, paid]

        home = await a_home(a_tool("erp__read"), a_payment(tier="critical"), plan=plan)
        mission = await home.submit(**PAY)
        await home.drive(mission)
        await home.answer()
        assert (await home.drive(mission)).ended

        assert runs == ["begun", "begun"]
        assert home.made == ["read", "pay"]
        assert await home.output(mission) == [{"ok": True, "n": 1}, {"ok": True, **PAY}]

    run(story())


def test_an_agent_that_swallows_everything_is_given_up_all_the_same():
    async def story():
        async def plan(context, _given):
            try:
                await context.call("bank__pay", PAY)
            except BaseException:  # noqa: BLE001 -- what a careless author writes
                return "went on"
            return "paid"

        home = await a_home(a_payment(tier="critical"), plan=plan)
        mission = await home.submit(**PAY)
        assert (await home.drive(mission)).waiting_for_people == 1

        await home.answer()
        await home.drive(mission)

        assert await home.output(mission) == "paid"

    run(story())


def test_calls_at_once_are_each_asked_about_and_each_made_once():
    async def story():
        async def plan(context, _given):
            pays = [context.call("bank__pay", {"amount": f"{n}.00", "payee": "V-1"}) for n in (1, 2)]
            return await asyncio.gather(context.call("erp__read", {"n": 0}), *pays)

        home = await a_home(a_tool("erp__read"), a_payment(tier="critical"), plan=plan)
        mission = await home.submit(payee="V-1", amounts=["1.00", "2.00"])
        for _ in range(2):
            assert (await home.drive(mission)).waiting_for_people == 1
            await home.answer()
            home = home.restarted()

        assert (await home.drive(mission)).ended
        assert sorted(home.made) == ["pay", "pay", "read"]
        assert [call["amount"] for call in (await home.output(mission))[1:]] == ["1.00", "2.00"]

    run(story())


def test_a_no_to_an_agents_call_is_a_refusal_that_it_can_handle():
    async def story():
        async def plan(context, _given):
            try:
                await context.call("bank__pay", PAY)
            except Exception as no:  # noqa: BLE001 -- an agent may be as careless
                return str(no.rule)
            return "paid"

        home = await a_home(a_payment(tier="critical"), plan=plan)
        mission = await home.submit(**PAY)
        await home.drive(mission)
        await home.answer("reject")
        assert (await home.drive(mission)).ended

        assert await home.output(mission) == "rejected"
        assert home.made == []

    run(story())


# --- failures


def test_what_fails_in_passing_is_tried_again_after_a_while_and_writes_are_not_repeated():
    async def story():
        times = iter([ToolUnreachable("busy"), ToolUnreachable("busy"), None])

        async def read(**_):
            if (error := next(times)) is not None:
                raise error
            return {}

        async def plan(context, _given):
            await context.call("bank__pay", PAY)
            await context.call("erp__read", {})
            return "done"

        home = await a_home(plan=plan, transport=FakeTransport(read=read))
        begun = home.clock.now()
        mission = await home.submit(**PAY)
        assert (await home.drive(mission)).ended

        step = await home.step(mission)
        assert (step.status, step.attempt) == ("succeeded", 3)
        assert home.made == ["pay", "read", "read", "read"]
        assert (home.clock.now() - begun).total_seconds() == pytest.approx(6)  # 1 s, then 5 s
        streams = {entry.stream for entry in await home.calls()}
        assert streams == {f"step/{mission}/plan/{attempt}" for attempt in (1, 2, 3)}

    run(story())


def test_what_keeps_failing_ends_after_the_last_attempt():
    async def story():
        async def silent(**_):
            raise ToolUnreachable("dead")

        async def plan(context, _given):
            await context.call("erp__read", {})

        home = await a_home(plan=plan, transport=FakeTransport(read=silent))
        mission = await home.submit()
        assert (await home.drive(mission)).ended

        state = await home.state(mission)
        assert (state.status, state.code) == ("failed", "tool_unreachable")
        assert len(home.made) == 3

    run(story())


def test_an_agents_own_error_is_its_failure_and_is_not_tried_again():
    async def story():
        async def plan(_context, _given):
            raise KeyError("amount")

        home = await a_home(plan=plan)
        mission = await home.submit()
        await home.drive(mission)

        assert (await home.state(mission)).code == "agent_failed"
        assert (await home.step(mission)).attempt == 1

    run(story())


def test_a_tools_own_no_can_be_handled_by_the_agent():
    async def story():
        async def plan(context, _given):
            try:
                await context.call("erp__read", {})
            except ToolFailed as no:
                return no.detail
            return ""

        transport = FakeTransport(read=lambda **_: ToolResult({}, error="no such vendor"))
        home = await a_home(plan=plan, transport=transport)
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission) == "no such vendor"

    run(story())


def test_a_mission_that_passes_its_deadline_fails_even_while_it_waits():
    async def story():
        home, mission = await a_waiting_home()
        rest = await home.drive(mission)
        assert rest.wake_at_us is not None
        home.clock.move(hours=169)

        assert (await home.drive(mission)).ended
        assert (await home.state(mission)).code in {"deadline_passed", "approval_expired"}

    run(story())


# --- loops across steps


def test_many_steps_at_once_that_look_up_the_same_thing_are_no_loop():
    async def story():
        ready = asyncio.Barrier(12)

        async def look(context, _given):
            await ready.wait()
            return await context.call("erp__read", {"vendor": "V-1"})

        steps = [{"step": f"s{n}", "skill": "look", "given": {"n": n}} for n in range(12)]
        home = await a_home(plan=planner(*steps), look=look)
        mission = await home.submit()
        await home.drive(mission)

        assert set((await home.statuses(mission)).values()) == {"succeeded"}

    run(story())


def test_a_skill_below_itself_for_the_same_input_is_stopped():
    async def story():
        async def plan(context, _given):
            context.propose(f"{context.step}.1", skill="again", given={"same": True})

        home = await a_home(plan=plan, again=plan)
        mission = await home.submit()
        assert (await home.drive(mission)).ended

        assert [s.rules for s in (await home.state(mission)).steps.values() if s.rules] == [("R4",)]

    run(story())


# --- cancelling


def test_a_cancelled_mission_takes_no_answer():
    async def story():
        home, mission = await a_waiting_home()
        await cancel(home, mission)

        with pytest.raises((MissionEnded, NotFound)):
            await home.answer()
        assert (await home.drive(mission)).ended
        assert home.made == []

    run(story())


def test_cancelling_stops_new_claims_and_outcomes_under_way_are_still_recorded():
    async def story():
        async def slow(**_):
            await cancel(home, mission)
            return {"paid": True}

        steps = [a_call("one"), {"step": "two", "skill": "never", "given": {}, "after": ["one"]}]
        home = await a_home(plan=planner(*steps), never=planner(), transport=FakeTransport(pay=slow))
        mission = await home.submit(**PAY)

        assert (await home.drive(mission)).ended

        assert (await home.step(mission, "one")).status == "succeeded"
        assert (await home.step(mission, "two")).runs == 0
        assert [entry.payload["ok"] for entry in await home.calls("call.done")] == [True]
        assert (await home.state(mission)).status == "cancelled"

    run(story())


async def cancel(home, mission):
    state = await home.state(mission)
    (event,) = decide(state, Cancel("anna"))
    draft = Draft(f"mission/{mission}", event.kind, event.payload(), "principal:anna", 1, closes=True)
    await home.store.commit(Commit((draft,), expect=((f"mission/{mission}", state.version),)))
