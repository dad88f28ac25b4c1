"""An agent outside, in a session of its own: every call passes the door, and a crash or a repeat does nothing twice."""

import asyncio

import pytest
from tests.gateway.builders import FakeClock
from tests.missions.builders import FakeTransport, Home, a_payment, a_tool, run

from remit.adapters.memory import MemoryStore
from remit.errors import (
    ApprovalPending,
    LoopStopped,
    MissionEnded,
    NotGranted,
    Refusal,
    RightsExceeded,
    ToolUnreachable,
)
from remit.gateway import Bounds, ToolResult
from remit.missions import SESSION_STEP, Opening, Session, open_session

PAY = {"amount": "10.00", "payee": "V-1"}


class Office(Home):
    """A home with one connected agent, `clerk`."""

    def __init__(self, tools, store=None, clock=None, **functions):
        super().__init__(
            {"clerk": None}, tools, FakeTransport(**functions), store or MemoryStore(), clock or FakeClock()
        )
        self.agent_fields = {"run": {"connected": True}, "skills": []}
        self._assemble()

    async def session(self, *, by="anna", **inputs):
        clerk = self.door.controls.registry.agent("clerk")
        opening = Opening(clerk, inputs, 1_000_000, "rules")
        return await self.begun(await open_session(self.door, self.clock, self.ids, self.person(by), opening))

    async def begun(self, mission):
        if self.driver._advancer is None:
            await self.driver.take_over()
        session = Session(self.performer, await self.driver.hold(mission), self.driver.advancer.epoch)
        await session.begin()
        return session


def restarted(office):
    after = Office(office.tools, office.store, office.clock)
    after.transport, after.ids, after.policies, after.people = (
        office.transport,
        office.ids,
        office.policies,
        office.people,
    )
    after._assemble()
    return after


def test_a_call_is_answered_and_stands_on_record_like_any_agents():
    async def story():
        office = Office([a_tool("crm__find")], find=lambda **_: ToolResult({"name": "Ada"}))
        session = await office.session()
        answer = await session.call("crm__find", {"id": "1"})
        assert answer.content == {"name": "Ada"}
        kinds = [e.kind for e in await office.store.read_prefix(f"step/{session.mission}/", after_idx=0, limit=10)]
        assert kinds == ["call.permitted", "call.done"]

    run(story())


def test_the_same_read_again_is_asked_again_and_not_answered_from_the_record():
    async def story():
        seen = iter(range(10))
        office = Office([a_tool("crm__find")], find=lambda **_: ToolResult({"n": next(seen)}))
        session = await office.session()
        answers = [(await session.call("crm__find", {"id": "1"})).content["n"] for _ in range(2)]
        after = await restarted(office).begun(session.mission)
        answers.append((await after.call("crm__find", {"id": "1"})).content["n"])
        assert answers == [0, 1, 2]

    run(story())


def test_a_critical_call_waits_while_the_agent_goes_on_and_is_made_once_by_remit_after_a_yes():
    async def story():
        office = Office([a_payment(tier="critical"), a_tool("crm__find")])
        session = await office.session(**PAY)
        for _ in range(2):
            with pytest.raises(ApprovalPending):
                await session.call("bank__pay", PAY)
        await session.call("crm__find", {"id": "1"})
        assert office.transport.made.count("pay") == 0

        await office.answer("approve")
        await office.drive(session.mission)
        assert office.transport.made.count("pay") == 1
        answer = await session.call("bank__pay", PAY)
        assert answer.recorded
        assert office.transport.made.count("pay") == 1

        # The next same call is a new wish, and asks again.
        with pytest.raises(ApprovalPending):
            await session.call("bank__pay", PAY)

    run(story())


def test_an_answer_given_while_the_process_was_down_reaches_the_agent_after_the_restart():
    async def story():
        office = Office([a_payment(tier="critical")])
        session = await office.session(**PAY)
        with pytest.raises(ApprovalPending):
            await session.call("bank__pay", PAY)
        after = restarted(office)
        await after.answer("approve")
        session = await after.begun(session.mission)
        with pytest.raises(ApprovalPending):
            await session.call("bank__pay", PAY)
        await after.drive(session.mission)
        assert (await session.call("bank__pay", PAY)).recorded
        assert office.transport.made.count("pay") == 1

    run(story())


def test_a_no_is_told_as_a_refusal():
    async def story():
        office = Office([a_payment(tier="critical")])
        session = await office.session(**PAY)
        with pytest.raises(ApprovalPending):
            await session.call("bank__pay", PAY)
        await office.answer("reject")
        await office.drive(session.mission)
        with pytest.raises(Refusal, match="rejected"):
            await session.call("bank__pay", PAY)
        assert office.transport.made == []

    run(story())


def test_a_write_that_a_crash_left_open_is_finished_under_its_own_key():
    async def story():
        answers = iter((ToolUnreachable("the line was cut"), ToolResult({"paid": 1}), ToolResult({"paid": 2})))

        def pay(**_):
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        office = Office([a_payment(idempotent=True)], pay=pay)
        session = await office.session(**PAY)
        with pytest.raises(ToolUnreachable):
            await session.call("bank__pay", PAY)
        after = await restarted(office).begun(session.mission)
        first, again = (call[2] for call in office.transport.calls)
        assert first == again
        # The agent never heard of it, and asks again; only a further call is a further payment, under a key of its own.
        assert (await after.call("bank__pay", PAY)).content == {"paid": 1}
        assert len(office.transport.calls) == 2
        assert (await after.call("bank__pay", PAY)).content == {"paid": 2}
        assert office.transport.calls[-1][2] != first

    run(story())


def test_a_call_that_the_agent_named_is_made_once_however_often_it_is_sent():
    async def story():
        office = Office([a_payment()])
        session = await office.session(**PAY)
        answers = [await session.call("bank__pay", PAY, idempotency_key="inv-7") for _ in range(3)]
        assert [answer.recorded for answer in answers] == [False, True, True]
        await session.call("bank__pay", PAY, idempotency_key="inv-8")
        assert office.transport.made == ["pay", "pay"]

    run(story())


def test_a_write_that_cannot_be_repeated_is_put_to_a_person():
    async def story():
        def pay(**_):
            raise ToolUnreachable("the line was cut")

        office = Office([a_payment(idempotent=False)], pay=pay)
        session = await office.session(**PAY)
        with pytest.raises(ToolUnreachable):
            await session.call("bank__pay", PAY)
        office = restarted(office)
        after = await office.begun(session.mission)
        step = await office.step(session.mission, SESSION_STEP)
        assert step.code == "effect_uncertain"
        await office.answer("approve")
        await after._mission.catch_up(office.store)
        assert (await after.call("bank__pay", PAY)).content["confirmed_by"] == "anna"

    run(story())


def test_a_token_narrows_what_the_agent_may_use():
    async def story():
        office = Office([a_tool("crm__find"), a_tool("erp__read")])
        session = await office.session()
        assert {tool.name for tool in session.tools(("crm__*",))} == {"crm__find"}
        with pytest.raises(NotGranted) as refused:
            await session.call("erp__read", {}, bounds=Bounds(("crm__*",)))
        assert refused.value.rule == "token_grant"

    run(story())


def test_a_person_who_has_left_ends_what_the_agent_may_do():
    async def story():
        office = Office([a_tool("crm__find")])
        session = await office.session()
        office.people["anna"].fields["active"] = False
        office.change()
        with pytest.raises(RightsExceeded):
            await session.call("crm__find", {"id": "1"})

    run(story())


def test_the_same_write_over_and_over_is_stopped():
    async def story():
        office = Office([a_tool("crm__note", tier="restricted-write")])
        session = await office.session(id="1")
        # The first was progress; three more of the same are not.
        for _ in range(4):
            await session.call("crm__note", {"id": "1"})
        with pytest.raises(LoopStopped):
            await session.call("crm__note", {"id": "1"})

    run(story())


def test_calls_at_once_each_have_a_name_of_their_own():
    async def story():
        office = Office([a_tool("crm__find")])
        session = await office.session()
        await asyncio.gather(*(session.call("crm__find", {"id": str(n % 4)}) for n in range(12)))
        assert len(office.transport.made) == 12

    run(story())


def test_a_session_that_is_over_takes_no_call_and_its_mission_ends_with_its_last_question():
    async def story():
        office = Office([a_payment(tier="critical")])
        session = await office.session(**PAY)
        with pytest.raises(ApprovalPending):
            await session.call("bank__pay", PAY)
        await session.close(output={"done": True})
        await session.close()
        with pytest.raises(MissionEnded):
            await session.call("bank__pay", PAY)
        assert not (await office.drive(session.mission)).ended
        await office.answer("approve")
        assert (await office.drive(session.mission)).ended
        assert office.transport.made.count("pay") == 1

    run(story())


def test_a_session_that_failed_is_a_mission_that_failed():
    async def story():
        office = Office([a_tool("crm__find")])
        session = await office.session()
        await session.close(failed="exit_1")
        await office.drive(session.mission)
        state = await office.state(session.mission)
        assert (state.status.value, state.code) == ("failed", "exit_1")

    run(story())


def test_a_driver_starts_no_session_and_comes_to_rest_beside_it():
    async def story():
        office = Office([a_tool("crm__find")])
        session = await office.session()
        rest = await office.drive(session.mission)
        assert not rest.ended
        assert await office.statuses(session.mission) == {"session": "running"}

    run(story())
