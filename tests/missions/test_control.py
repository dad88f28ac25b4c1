"""What people do to a mission that runs: pause, resume, skip, retry, run again, another plan."""

import asyncio

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, open_policy, run
from tests.missions.test_life import PAY, a_call, planner

from remit.errors import ApprovalExpired, InvalidPlan, MissionEnded, NotFound, NotPossibleNow, ToolFailed
from remit.gateway import text_of
from remit.ids import StepId
from remit.missions import Pause, Reopen, Resume, Skip, SteerPlan, carry_out
from remit.planning import Step, StepKind


async def told(home, mission, command, *, by="anna", why="because", bodies=()):
    """A person's command; `command` takes the mission as it stands and the name of the sealed reason."""
    return await carry_out(home.door, home.store, home.clock, home.person(by), mission, why, command, bodies)


async def pause(home, mission, *, stop_clock=False):
    return await told(home, mission, lambda _, why: Pause("anna", why, stop_clock))


async def resume(home, mission):
    now_us = int(home.clock.now().timestamp() * 1_000_000)
    return await told(home, mission, lambda _, why: Resume("anna", now_us, why))


async def skip(home, mission, step, **more):
    return await told(home, mission, lambda _, why: Skip(StepId(step), "anna", why), **more)


async def again(home, mission, step, *, all_after=False):
    def command(active, why):
        return Reopen(StepId(step), "anna", lambda name: bool(active.log.writes(name)), why, all_after)

    return await told(home, mission, command)


async def steer(home, mission, *, add=(), remove=(), change=None):
    bodies = []

    def seal(given):
        pointer, body = home.door.vault.seal(mission, given)
        bodies.append(body)
        return pointer.cid

    def command(_active, why):
        values = [given for _, _, given, _ in add] + list((change or {}).values())
        known = [home.door.vault.digest(mission, text_of(value)) for given in values for value in given.values()]
        steps = tuple(
            Step(StepId(name), StepKind.TOOL, tool, seal(given), tuple(map(StepId, after)))
            for name, tool, given, after in add
        )
        return SteerPlan(
            "anna",
            why,
            lambda skill: skill in home.agents,
            lambda tool: tool in home.door.controls.registry.tools,
            steps,
            tuple(map(StepId, remove)),
            {StepId(name): seal(given) for name, given in (change or {}).items()},
            tuple(sorted(known)),
        )

    return await told(home, mission, command, bodies=bodies)


def question(step="ask", **fields):
    return {"step": step, "given": {"text": "Go on?"}, **fields}


async def a_home_that_asks(*steps, **agents):
    """A home with a mission that waits for an answer to `ask`; the other steps as given."""
    home = await a_home(plan=planner(question(), *steps), **agents)
    mission = await home.submit(**PAY)
    assert (await home.drive(mission)).waiting_for_people == 1
    return home, mission


# --- pause


def test_while_it_is_paused_nothing_new_begins_and_afterwards_it_goes_on():
    async def story():
        home, mission = await a_home_that_asks(a_call(after=["ask"]))
        assert await pause(home, mission)
        await home.answer()

        rest = await home.drive(mission)
        assert not rest.ended
        assert home.made == []
        assert (await home.store.record("mission", mission))["status"] == "paused"

        assert await resume(home, mission)
        assert (await home.restarted().drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_a_step_that_runs_when_the_mission_is_paused_goes_on_to_its_end():
    async def story():
        begun, release = asyncio.Event(), asyncio.Event()

        async def plan(context, _given):
            context.propose("pay", tool="bank__pay", given=PAY)
            begun.set()
            await release.wait()
            return "planned"

        home = await a_home(plan=plan)
        mission = await home.submit(**PAY)
        driving = asyncio.ensure_future(home.drive(mission))
        await begun.wait()
        await pause(home, mission)
        home.driver.nudge(mission)
        release.set()
        rest = await driving

        assert not rest.ended
        assert await home.statuses(mission) == {"pay": "ready", "plan": "succeeded"}

    run(story())


def test_pausing_and_resuming_twice_changes_nothing():
    async def story():
        home, mission = await a_home_that_asks()

        assert [await pause(home, mission), await pause(home, mission)] == [True, False]
        with pytest.raises(NotPossibleNow):
            await pause(home, mission, stop_clock=True)
        assert [await resume(home, mission), await resume(home, mission)] == [True, False]
        kinds = await home.kinds(mission)
        assert (kinds.count("mission.paused"), kinds.count("mission.resumed")) == (1, 1)

    run(story())


def test_deadlines_go_on_during_a_pause():
    async def story():
        home, mission = await a_home_that_asks()
        await pause(home, mission)
        home.clock.move(days=8)

        assert (await home.drive(mission)).ended
        assert (await home.state(mission)).code == "deadline_passed"

    run(story())


def test_a_stopped_clock_moves_deadline_and_questions_by_the_length_of_the_pause():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        home.change(policies=[open_policy("approval_expires_hours: 24")])
        mission = await home.submit(**PAY)
        await home.drive(mission)
        before = await home.state(mission)
        asked = await home.the_question()
        home.clock.move(hours=23)
        await pause(home, mission, stop_clock=True)
        home.clock.move(days=30)
        rest = await home.drive(mission)
        assert (rest.ended, rest.wake_at_us, await home.questions()) == (False, None, [asked])

        await resume(home, mission)
        after = await home.state(mission)
        moved_us = 30 * 24 * 3600 * 1_000_000
        assert after.deadline_at_us - before.deadline_at_us == moved_us
        record = await home.store.record("approval", asked)
        assert record["expires_at_us"] == after.approvals[asked].expires_at_us
        assert record["expires_at_us"] - before.approvals[asked].expires_at_us == moved_us
        home.clock.move(minutes=61)
        with pytest.raises(ApprovalExpired):
            await home.answer()

    run(story())


def test_a_clock_that_was_set_back_during_a_pause_moves_nothing():
    async def story():
        home, mission = await a_home_that_asks()
        deadline_at_us = (await home.state(mission)).deadline_at_us
        await pause(home, mission, stop_clock=True)
        home.clock.move(days=-3)
        await resume(home, mission)

        assert (await home.state(mission)).deadline_at_us == deadline_at_us

    run(story())


# --- skip


def test_what_waits_for_a_skipped_step_goes_on_and_sees_why():
    seen = []

    async def story():
        async def look(context, _given):
            ended = await context.output("ask")
            seen.append((ended.status, ended.rules, ended.output, ended.why))

        home, mission = await a_home_that_asks(
            {"step": "look", "skill": "look", "given": {}, "after": ["ask"]}, look=look
        )
        await skip(home, mission, "ask", why="Nobody knows.")
        assert (await home.drive(mission)).ended

        assert seen == [("skipped", ("skipped",), None, "Nobody knows.")]
        assert await home.questions() == []
        assert (await home.state(mission)).status == "completed"
        entry = next(e for e in await home.store.read(f"mission/{mission}") if e.kind == "step.skipped")
        assert (entry.actor, entry.payload["by"]) == ("principal:anna", "anna")

    run(story())


def test_a_step_that_waits_for_others_is_skipped_before_its_turn():
    async def story():
        home, mission = await a_home_that_asks(a_call(after=["ask"]))
        assert await skip(home, mission, "pay")
        assert not await skip(home, mission, "pay")
        await home.answer()

        assert (await home.drive(mission)).ended
        assert home.made == []
        assert (await home.step(mission, "pay")).status == "skipped"

    run(story())


def test_what_cannot_be_skipped_says_why():
    async def story():
        async def plan(context, _given):
            context.propose("ask", given={"text": "Go on?"})
            await context.call("bank__pay", PAY)

        home = await a_home(a_payment(tier="critical"), plan=plan)
        mission = await home.submit(**PAY)
        await home.drive(mission)

        with pytest.raises(NotPossibleNow, match="plan waits for plan~1"):
            await skip(home, mission, "plan")
        with pytest.raises(NotFound):
            await skip(home, mission, "fly")
        await skip(home, mission, "plan~1")
        await home.drive(mission)
        with pytest.raises(MissionEnded):
            await skip(home, mission, "plan")
        assert (await home.step(mission)).rules == ("skipped",)  # what its agent was told of the call

    run(story())


async def with_a_payment_that_is_ready():
    """A home, its mission, and the mission as its driver knows it: the step `pay` may be claimed."""
    home = await a_home(plan=planner(a_call()))
    home.change(halts=frozenset({"tool/bank__pay"}))
    mission = await home.submit(**PAY)
    await home.drive(mission)
    home.change(halts=frozenset())
    active = await home.driver.hold(mission)
    assert active.state.steps["pay"].status == "ready"
    return home, mission, active


def test_a_driver_does_not_claim_what_was_skipped_before_it_heard_of_it():
    async def story():
        home, mission, active = await with_a_payment_that_is_ready()
        guest = home.restarted()
        await skip(guest, mission, "pay")  # the driver's own view still says ready
        assert active.state.steps["pay"].status == "ready"

        await home.performer.perform(active, StepId("pay"), home.driver.advancer.epoch)

        assert home.made == []
        assert active.state.steps["pay"].status == "skipped"

    run(story())


# --- again


def flaky(*outcomes):
    """A tool's function that answers in turn with these; an exception is raised."""
    left = list(outcomes)

    async def act(**_):
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return act


def test_a_failed_step_is_done_again_and_what_waits_for_it_waits_again():
    async def story():
        transport = FakeTransport(read=flaky(ToolFailed("no"), {"price": 1}))
        home = await a_home(
            a_tool("erp__read"),
            plan=planner(question(), {"step": "read", "tool": "erp__read", "given": {"n": 1}},
                         {"step": "look", "skill": "look", "given": {}, "after": ["read", "ask"]}),
            look=looks("read"),
            transport=transport,
        )  # fmt: skip
        mission = await home.submit()
        await home.drive(mission)
        assert (await home.step(mission, "read")).status == "refused"

        await again(home, mission, "read")
        assert (await home.statuses(mission))["look"] == "pending"
        await home.drive(mission)
        await home.answer()
        assert (await home.drive(mission)).ended

        assert await home.output(mission, "look") == ["succeeded", {"price": 1}]
        held = await home.step(mission, "read")
        assert (held.attempt, held.first_attempt) == (2, 2)

    run(story())


def looks(step):
    async def look(context, _given):
        ended = await context.output(step)
        return [ended.status, ended.output]

    return look


def test_a_call_that_a_person_rejected_is_asked_about_anew():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(question(), a_call()))
        mission = await home.submit(**PAY)
        await home.drive(mission)
        (pay,) = [key for key, value in await home.store.records("approval") if value["step"] == "pay"]
        await home.answer("reject", approval=pay)
        await home.drive(mission)

        await again(home, mission, "pay")
        await home.drive(mission)
        (pay,) = [
            key
            for key, value in await home.store.records("approval")
            if value["step"] == "pay" and not value["verdict"]
        ]
        await home.answer("approve", approval=pay)
        await home.drive(mission)

        assert home.made == ["pay"]
        assert (await home.step(mission, "pay")).status == "succeeded"

    run(story())


def test_an_agents_call_that_a_person_rejected_is_asked_about_anew():
    async def story():
        async def work(context, _given):
            return await context.call("bank__pay", PAY)

        steps = [question(), {"step": "work", "skill": "work", "given": {}}]
        home = await a_home(a_payment(tier="critical"), plan=planner(*steps), work=work)
        mission = await home.submit(**PAY)
        await home.drive(mission)
        await home.answer("reject", approval=await asked_by(home, "work~1"))
        await home.drive(mission)
        assert (await home.step(mission, "work")).status == "refused"

        await again(home, mission, "work")
        await home.drive(mission)
        await home.answer("approve", approval=await asked_by(home, "work~2"))
        await home.drive(mission)

        assert home.made == ["pay"]
        assert (await home.statuses(mission))["work"] == "succeeded"

    run(story())


async def asked_by(home, step):
    (found,) = [k for k, v in await home.store.records("approval") if v["step"] == step and not v["verdict"]]
    return found


def test_effects_that_took_place_are_matched_when_everything_after_a_step_is_done_again():
    async def story():
        reads = []

        async def read(**_):
            reads.append(1)
            return {"n": len(reads)}

        steps = [
            question(),
            {"step": "read", "tool": "erp__read", "given": {"n": 1}},
            a_call(after=["read"]),
            {"step": "look", "skill": "look", "given": {}, "after": ["pay"]},
        ]
        home = await a_home(a_tool("erp__read"), a_payment(), plan=planner(*steps), look=looks("pay"),
                            transport=FakeTransport(read=read))  # fmt: skip
        mission = await home.submit(**PAY)
        await home.drive(mission)
        before = await home.output(mission, "look")

        await again(home, mission, "read", all_after=True)
        home = home.restarted()
        await home.drive(mission)

        assert len(reads) == 2
        assert home.made.count("pay") == 1
        assert await home.output(mission, "look") == before
        assert {name: (await home.step(mission, name)).attempt for name in ("read", "pay", "look", "ask")} == {
            "read": 2, "pay": 2, "look": 2, "ask": 1,
        }  # fmt: skip
        await home.answer()
        assert (await home.drive(mission)).ended

    run(story())


def test_an_agent_that_is_done_again_and_wants_another_write_is_put_to_a_person():
    async def story():
        amounts = iter(["1.00", "2.00"])

        async def work(context, _given):
            return await context.call("bank__pay", {"amount": next(amounts), "payee": "V-1"})

        steps = [question(), {"step": "work", "skill": "work", "given": {}}]
        home = await a_home(a_payment(), plan=planner(*steps), work=work)
        mission = await home.submit(payee="V-1", amounts=["1.00", "2.00"])
        await home.drive(mission)

        await again(home, mission, "work", all_after=True)
        await home.drive(mission)

        assert home.made == ["pay"]
        assert (await home.step(mission, "work")).status == "waiting"
        record = await home.store.record("approval", await asked_by(home, "work"))
        assert record["rules"] == ["effect_uncertain", "diverged"]

    run(story())


def test_a_planning_step_plans_anew_where_nothing_of_its_plan_took_effect():
    async def story():
        plans = iter([["a", "b"], ["b", "c"]])

        async def propose(context, _given):
            for name in next(plans):
                context.propose(name, tool="erp__read", given={"n": name})

        home, mission = await a_home_that_asks({"step": "propose", "skill": "propose", "given": {}}, propose=propose)
        assert set(await home.statuses(mission)) == {"plan", "ask", "propose", "a", "b"}

        await again(home, mission, "propose", all_after=True)
        await home.drive(mission)
        assert set(await home.statuses(mission)) == {"plan", "ask", "propose", "b", "c"}
        assert ((await home.step(mission, "b")).attempt, (await home.step(mission, "c")).attempt) == (2, 1)
        await home.answer()
        assert (await home.restarted().drive(mission)).ended

    run(story())


def test_a_planning_step_does_not_plan_anew_where_its_plan_took_effect():
    async def story():
        async def propose(context, _given):
            context.propose("pay", tool="bank__pay", given=PAY)

        home, mission = await a_home_that_asks({"step": "propose", "skill": "propose", "given": {}}, propose=propose)
        assert home.made == ["pay"]

        with pytest.raises(NotPossibleNow, match="pay of its plan took effect"):
            await again(home, mission, "propose", all_after=True)

    run(story())


def test_what_cannot_be_done_again_says_why():
    async def story():
        home, mission = await a_home_that_asks(a_call(after=["ask"]))

        with pytest.raises(NotPossibleNow, match="has not ended"):
            await again(home, mission, "ask")
        with pytest.raises(NotPossibleNow, match="succeeded"):
            await again(home, mission, "plan")
        with pytest.raises(NotPossibleNow, match="under way"):
            await again(home, mission, "plan", all_after=True)
        await home.answer("reject")
        await home.drive(mission)
        with pytest.raises(MissionEnded):
            await again(home, mission, "ask")

    run(story())


# --- another plan


def test_a_person_adds_removes_and_changes_steps_that_have_not_begun():
    async def story():
        steps = [a_call("one", after=["ask"]), a_call("two", after=["ask"], given={"amount": "20.00", "payee": "V-1"})]
        home, mission = await a_home_that_asks(*steps)
        three = ("three", "erp__read", {"n": 3}, ["two"])
        await steer(home, mission, add=[three], remove=["one"], change={"two": {"amount": "7.00", "payee": "V-9"}})
        await home.answer()
        assert (await home.drive(mission)).ended

        assert await home.statuses(mission) == {
            "ask": "succeeded", "plan": "succeeded", "three": "succeeded", "two": "succeeded"
        }  # fmt: skip
        assert (await home.output(mission, "two"))["amount"] == "7.00"
        kinds = await home.kinds(mission)
        assert [kind for kind in kinds if kind in {"step.removed", "step.changed", "plan.steered"}] == [
            "step.removed", "step.changed", "plan.steered",
        ]  # fmt: skip

    run(story())


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"add": [("a", "bank__steal", {}, [])]}, InvalidPlan),
        ({"add": [("a", "bank__pay", {}, ["b"]), ("b", "bank__pay", {}, ["a"])]}, InvalidPlan),
        ({"add": [("pay", "bank__pay", {}, [])]}, InvalidPlan),
        ({"remove": ["pay"]}, InvalidPlan),
        ({"remove": ["last"], "change": {"last": {"n": 2}}}, InvalidPlan),
        ({}, InvalidPlan),
        ({"remove": ["plan"]}, NotPossibleNow),
        ({"change": {"ask": {"text": "Really?"}}}, NotPossibleNow),
        ({"remove": ["fly"]}, NotFound),
    ],
    ids=["tool", "cycle", "name", "waited for", "both", "nothing", "begun", "asked", "unknown"],
)
def test_a_change_that_cannot_be_carried_out_changes_nothing(change, refused):
    async def story():
        home, mission = await a_home_that_asks(a_call(after=["ask"]), a_call("last", after=["pay"]))
        before = await home.kinds(mission)

        with pytest.raises(refused):
            await steer(home, mission, **change)

        assert await home.kinds(mission) == before

    run(story())


def test_a_driver_does_not_make_the_call_that_was_changed_before_it_heard_of_it():
    async def story():
        home, mission, active = await with_a_payment_that_is_ready()
        guest = home.restarted()
        await steer(guest, mission, change={"pay": {"amount": "1.00", "payee": "V-1"}})

        await home.performer.perform(active, StepId("pay"), home.driver.advancer.epoch)
        assert home.made == []
        assert (await home.drive(mission)).ended

        assert (await home.output(mission, "pay"))["amount"] == "1.00"
        assert home.made == ["pay"]

    run(story())
