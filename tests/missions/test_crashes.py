"""Crashes, halts, replaced drivers and answers from elsewhere: the mission goes on, once."""

import asyncio

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, open_policy, run
from tests.missions.test_life import PAY, a_call, planner

from remit.errors import DriverReplaced, StoreCorrupted, StoreTooNew, ToolUnreachable
from remit.ids import ApprovalId
from remit.ledger import Commit, Draft, parse
from remit.missions import find_approval


class Crash(BaseException):
    """The process ends here."""


async def crashes(home, mission):
    """Drive until the process ends, and return the next one."""
    with pytest.raises(Crash):
        await home.drive(mission)
    return home.restarted()


def crash_once(answer=None, *, before=False):
    """A tool whose process ends at its first call, after the effect (or just before it)."""
    effects = []

    def tool(**given):
        first = not effects
        if not (before and first):
            effects.append(given)
        else:
            effects.append("crash")
        if first:
            raise Crash
        return answer or {"ok": True}

    tool.effects = effects
    return tool


# --- crashes


def test_a_crash_in_a_read_costs_one_more_read():
    async def story():
        tool = crash_once()

        async def plan(context, _given):
            return await context.call("erp__read", {})

        home = await a_home(plan=plan, transport=FakeTransport(read=tool))
        mission = await home.submit()
        home = await crashes(home, mission)

        assert (await home.drive(mission)).ended
        assert home.made == ["read", "read"]

    run(story())


def test_an_idempotent_write_is_sent_again_under_its_key_after_a_crash():
    async def story():
        home = await a_home(
            a_payment(idempotent=True), plan=planner(a_call()), transport=FakeTransport(pay=crash_once())
        )
        mission = await home.submit(**PAY)
        home = await crashes(home, mission)

        assert (await home.drive(mission)).ended
        first, second = (key for _, _, key in home.transport.calls)
        assert first == second

    run(story())


@pytest.mark.parametrize("inside", ["a step of the plan", "an agent"])
@pytest.mark.parametrize(("verdict", "ends"), [("approve", "succeeded"), ("reject", "refused")])
def test_a_write_of_unknown_effect_is_a_persons_to_tell_and_is_never_sent_again(inside, verdict, ends):
    async def story():
        async def pay(context, _given):
            return await context.call("bank__pay", PAY)

        steps = [a_call()] if inside == "a step of the plan" else [{"step": "pay", "skill": "pay", "given": {}}]
        home = await a_home(plan=planner(*steps), pay=pay, transport=FakeTransport(pay=crash_once()))
        mission = await home.submit(**PAY)
        home = await crashes(home, mission)

        assert (await home.drive(mission)).waiting_for_people == 1
        case = await home.case()
        assert case["about"] == "effect_uncertain"
        assert case["action"] == {"tool": "bank__pay", "arguments": PAY}
        await home.answer(verdict)
        home = home.restarted()
        assert (await home.drive(mission)).ended

        assert home.made == ["pay"]
        assert (await home.step(mission, "pay")).status == ends
        if verdict == "approve":
            assert await home.output(mission, "pay") == {"confirmed_by": "anna"}

    run(story())


def test_two_writes_of_unknown_effect_are_two_questions():
    async def story():
        async def die(**_):
            begun.append(1)
            if len(begun) == 2:
                raise Crash
            await asyncio.Event().wait()

        begun = []

        async def plan(context, _given):
            return await asyncio.gather(
                *(context.call("bank__pay", {"amount": f"{n}.00", "payee": "V-1"}) for n in (1, 2))
            )

        home = await a_home(plan=plan, transport=FakeTransport(pay=die))
        mission = await home.submit(payee="V-1", amounts=["1.00", "2.00"])
        driving = asyncio.create_task(home.drive(mission))
        await until(lambda: len(begun) == 2)
        driving.cancel()
        home = home.restarted()

        for _ in range(2):
            assert (await home.drive(mission)).waiting_for_people == 1
            await home.answer("approve")
        assert (await home.drive(mission)).ended

        assert home.made == ["pay", "pay"]
        assert await home.output(mission) == [{"confirmed_by": "anna"}] * 2

    run(story())


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_write_without_an_answer_is_asked_about_even_where_its_step_ends_for_another_reason(verdict):
    async def story():
        async def silent(**_):
            raise ToolUnreachable("no answer")

        async def pay(context, _given):
            if not home.made:
                await context.call("bank__pay", PAY)
            raise ValueError("something else is wrong")

        steps = [{"step": "pay", "skill": "pay", "given": {}}]
        home = await a_home(plan=planner(*steps), pay=pay, transport=FakeTransport(pay=silent))
        mission = await home.submit(**PAY)

        assert (await home.drive(mission)).waiting_for_people == 1
        assert (await home.case())["action"] == {"tool": "bank__pay", "arguments": PAY}
        await home.answer(verdict)
        assert (await home.drive(mission)).ended

        assert home.made == ["pay"]
        assert (await home.step(mission, "pay")).code == ("agent_failed" if verdict == "approve" else "rejected")
        assert len(await home.calls("call.done")) == (verdict == "approve")

    run(story())


def test_an_agent_that_shrugs_at_a_write_without_an_answer_has_not_succeeded():
    async def story():
        async def silent(**_):
            raise ToolUnreachable("no answer")

        async def pay(context, _given):
            try:
                return await context.call("bank__pay", PAY)
            except ToolUnreachable:
                return "never mind"

        steps = [{"step": "pay", "skill": "pay", "given": {}}]
        home = await a_home(plan=planner(*steps), pay=pay, transport=FakeTransport(pay=silent))
        mission = await home.submit(**PAY)

        assert (await home.drive(mission)).waiting_for_people == 1
        assert (await home.case())["about"] == "effect_uncertain"
        assert home.made == ["pay"]

    run(story())


async def until(condition):
    """Let others run until it is so; the story's own bound ends it otherwise."""
    while not condition():
        await asyncio.sleep(0)


def test_an_agent_that_wants_another_write_after_a_crash_goes_to_a_person():
    async def story():
        amounts = iter(["1.00", "2.00", "2.00"])

        async def plan(context, _given):
            await context.call("bank__pay", {"amount": next(amounts), "payee": "V-1"})
            await context.call("erp__read", {})

        home = await a_home(plan=plan, transport=FakeTransport(read=crash_once()))
        mission = await home.submit(payee="V-1", amounts=["1.00", "2.00"])
        home = await crashes(home, mission)

        assert (await home.drive(mission)).waiting_for_people == 1
        assert home.made == ["pay", "read"]
        await home.answer("reject")
        assert (await home.drive(mission)).ended
        assert home.made == ["pay", "read"]

    run(story())


def test_answers_survive_the_process_that_took_them():
    async def story():
        home = await a_home(
            a_payment(tier="critical"), plan=planner(a_call("one"), a_call("two", given={**PAY, "n": 2}))
        )
        mission = await home.submit(**PAY)
        assert (await home.drive(mission)).waiting_for_people == 2
        first, second = await home.questions()
        await home.answer(approval=first)
        home = home.restarted()
        assert (await home.drive(mission)).waiting_for_people == 1
        await home.answer("reject", approval=second)
        home = home.restarted()

        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_a_late_outcome_of_an_older_run_ends_the_step_once():
    async def story():
        home = await a_home(
            plan=planner(
                {"step": "one", "skill": "work", "given": {}},
                {"step": "two", "skill": "work", "given": {}, "after": ["one"]},
            ),
            work=planner(),
        )
        release, begun = asyncio.Event(), asyncio.Event()

        async def slow(_context, _given):
            begun.set()
            await release.wait()
            return "late"

        home.agents["work"] = slow
        mission = await home.submit()
        old = asyncio.create_task(home.drive(mission))
        await asyncio.wait_for(begun.wait(), 5)
        new = home.restarted()
        new.agents["work"] = planner()
        await new.driver.take_over()
        active = await new.driver._load(mission)
        release.set()  # the old driver's outcome lands before the new one has claimed the step
        with pytest.raises(DriverReplaced):
            await old
        assert active.state.steps["one"].status == "running"

        assert (await new.drive(mission)).ended
        state = await new.state(mission)
        assert state.open_steps == 0
        assert {name: held.status for name, held in state.steps.items()} == dict.fromkeys(
            ("plan", "one", "two"), "succeeded"
        )

    run(story())


# --- answers while the mission is being driven


def test_an_answer_from_elsewhere_while_a_step_runs_disturbs_nothing():
    runs = []

    async def story():
        release, begun = asyncio.Event(), asyncio.Event()

        async def slow(context, _given):
            runs.append(context.step)
            begun.set()
            await release.wait()
            return {}

        steps = [a_call(), {"step": "slow", "skill": "slow", "given": {}}]
        home = await a_home(a_payment(tier="critical"), plan=planner(*steps), slow=slow)
        mission = await home.submit(**PAY)
        driving = asyncio.create_task(home.drive(mission))
        await asyncio.wait_for(begun.wait(), 5)
        while not await home.questions():
            await asyncio.sleep(0)
        await home.answer()
        release.set()

        assert (await driving).ended
        assert runs == ["slow"]
        assert home.made == ["pay"]
        kinds = await home.kinds(mission)
        assert kinds.count("step.started") == 3
        assert (await home.state(mission)).open_steps == 0

    run(story())


# --- halts


@pytest.mark.parametrize(
    "scope", ["tenant", "agent/work", "agent/work@1.0.0", "tool/erp__read", "mission/{mission}"], ids=str
)
@pytest.mark.parametrize("shape", ["an agent's call", "a call of the plan"])
def test_a_halt_lets_nothing_through_and_lifting_it_lets_the_mission_go_on(scope, shape):
    async def story():
        halting = asyncio.Event()

        async def work(context, _given):
            await halting.wait()
            if shape == "an agent's call":
                return await context.call("erp__read", {"n": 1})
            context.propose("call", tool="erp__read", given={"n": 1})
            return {}

        home = await a_home(plan=planner({"step": "work", "skill": "work", "given": {}}), work=work)
        mission = await home.submit()
        driving = asyncio.create_task(home.drive(mission))
        while "step.started" not in (await home.kinds(mission))[-1:] or len(await home.kinds(mission)) < 5:
            await asyncio.sleep(0)
        home.change(halts=frozenset({scope.format(mission=mission)}))
        halting.set()

        rest = await driving
        assert (rest.ended, rest.halted) == (False, True)
        assert home.made == []
        entries = len(await home.store.rows())
        assert not (await home.drive(mission)).ended
        assert len(await home.store.rows()) <= entries + 4, "a halted mission does not spin"

        home.change(halts=frozenset())
        assert (await home.drive(mission)).ended
        assert home.made == ["read"]
        assert set((await home.statuses(mission)).values()) == {"succeeded"}

    run(story())


def test_what_was_halted_before_a_restart_is_halted_after_it():
    async def story():
        home = await a_home(plan=planner(a_call()))
        mission = await home.submit(**PAY)
        home.change(halts=frozenset({"tool/bank__pay"}))
        assert (await home.drive(mission)).halted
        home = home.restarted()
        assert (await home.drive(mission)).halted
        assert home.made == []

        home.change(halts=frozenset())
        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


# --- replaced drivers


def test_a_replaced_driver_can_neither_claim_nor_decide_nor_end_what_it_never_claimed():
    async def story():
        home = await a_home(plan=planner(a_call()))
        mission = await home.submit(**PAY)
        await home.driver.take_over()
        before = await home.store.rows()
        await home.store.take("another")

        with pytest.raises(DriverReplaced):
            await home.drive(mission)

        assert await home.store.rows() == before

    run(story())


def test_a_replaced_driver_cannot_refuse_a_call_that_it_never_claimed():
    async def story():
        home = await a_home(plan=planner(a_call()))
        mission = await home.submit(**PAY)

        async def replaced(context, _given):
            context.propose("pay", tool="bank__pay", given=PAY)

        home.agents["plan"] = replaced
        release, begun = asyncio.Event(), asyncio.Event()

        async def slow(context, _given):
            context.propose("pay", tool="bank__pay", given=PAY)
            begun.set()
            await release.wait()

        home.agents["plan"] = slow
        old = asyncio.create_task(home.drive(mission))
        await asyncio.wait_for(begun.wait(), 5)
        new = home.restarted()
        new.agents["plan"] = replaced
        home.change(policies=[open_policy("deny_tools: [bank__pay]")])  # the old one would refuse
        await new.driver.take_over()
        release.set()
        with pytest.raises(DriverReplaced):
            await old

        assert (await new.drive(mission)).ended
        assert (await new.step(mission, "pay")).status == "succeeded"

    run(story())


# --- records that this release must not fold


def test_a_mission_that_a_newer_release_went_on_with_is_let_go():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        await home.drive(mission)
        for kind, version in (("mission.forked", 1), ("step.retried", 99)):
            newer = home.restarted()
            stream = f"mission/{mission}"
            await newer.store.commit(Commit((Draft(stream, kind, {}, "remit", 1, version),)))

            with pytest.raises(StoreTooNew, match=stream):
                await newer.drive(mission)

        after = home.restarted()
        other = await after.submit(**PAY)
        assert (await after.drive(other)).waiting_for_people == 1

    run(story())


def test_an_entry_that_was_changed_is_named_and_its_mission_is_not_driven():
    async def story():
        home = await a_home(a_payment(tier="critical"), plan=planner(a_call()))
        mission = await home.submit(**PAY)
        await home.drive(mission)
        forged = home.store._canonical[1].replace(b'"attempt":1', b'"attempt":3')
        assert forged != home.store._canonical[1]
        home.store._canonical[1] = forged
        ref = parse(forged, idx=2).ref

        with pytest.raises(StoreCorrupted, match="mission/"):
            await home.restarted().drive(mission)

        assert ref.startswith(f"mission/{mission}@")

    run(story())


def test_a_read_that_does_not_answer_is_not_a_wait_for_ever():
    async def story():
        async def silent(**_):
            raise ToolUnreachable("dead")

        home = await a_home(a_payment(idempotent=True), plan=planner(a_call()), transport=FakeTransport(pay=silent))
        mission = await home.submit(**PAY)

        assert (await home.drive(mission)).waiting_for_people == 1
        assert (await home.case())["about"] == "effect_uncertain"
        assert len(home.made) == 3
        await home.answer("approve")
        assert (await home.drive(mission)).ended
        assert len(home.made) == 3

    run(story())


def test_a_call_left_behind_by_its_agent_is_finished_and_recorded():
    async def story():
        async def slow(**_):
            await asyncio.sleep(0)
            return {}

        async def plan(context, _given):
            task = asyncio.create_task(context.call("bank__pay", PAY))
            await asyncio.sleep(0)
            task.cancel()
            return "left"

        home = await a_home(plan=plan, transport=FakeTransport(pay=slow))
        mission = await home.submit(**PAY)
        assert (await home.drive(mission)).ended

        assert [entry.payload["ok"] for entry in await home.calls("call.done")] == [True]

    run(story())


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_tool_in_no_plan_of_the_mission_waits_for_a_person_and_runs_only_on_a_yes(verdict):
    async def story():
        async def plan(context, _given):
            return await context.call("bank__pay", PAY)

        home = await a_home(a_tool("erp__read"), a_payment(), plan=plan)
        mission = await home.submit(tools=("erp__*",), **PAY)
        assert not (await home.drive(mission)).ended
        record = await find_approval(home.store, ApprovalId(await home.the_question()))
        assert record.rules == ("mission_grant",)

        home = home.restarted()
        await home.answer(verdict)
        assert (await home.drive(mission)).ended

        assert home.transport.made == (["pay"] if verdict == "approve" else [])

    run(story())
