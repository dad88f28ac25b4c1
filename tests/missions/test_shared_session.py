"""An agent outside whose calls reach several processes: one session, one record, and nothing done twice."""

import asyncio

import pytest
from tests.contracts.test_driving import Clustered
from tests.missions import builders
from tests.missions.builders import a_payment, a_tool, open_policy, run
from tests.missions.test_session import PAY, Office

from remit.drivers import presence, session_lease_of
from remit.errors import ApprovalPending, DriverReplaced, MissionEnded, Refusal, ToolUnreachable
from remit.gateway import ToolResult
from remit.ids import MissionId
from remit.ledger import Commit
from remit.missions import SESSION_STEP, Opening, SharedSession, open_session, shared


@pytest.fixture(autouse=True)
def _clustered(monkeypatch):
    monkeypatch.setattr(builders, "HOUSE", Clustered())
    # Who was killed is known to be dead after this.
    monkeypatch.setattr(presence, "LIFE_SECONDS", 0.6)
    monkeypatch.setattr(presence, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.2)
    # Calls come without the request by which an agent is let in, and all is folded.
    monkeypatch.setattr(shared, "_OF_LATE_SECONDS", 0.0)


class Server(Office):
    """One of several processes on one home."""

    async def begun(self, mission):
        active = await self.driver.hold(MissionId(mission))
        session = SharedSession(self.performer, active, self.driver.epoch_of(mission), self.driver.company)
        await session.begin()
        return session

    def another(self):
        """One more process."""
        other = Server(self.tools, self.store, self.clock)
        other.transport, other.ids, other.policies, other.people = (
            self.transport,
            self.ids,
            self.policies,
            self.people,
        )
        other._assemble()
        return other

    async def killed(self):
        """It beats no more, and says nothing of it."""
        self.driver.presence._beating.cancel()


async def two_sessions(server, **inputs):
    other = server.another()
    first = await server.session(**inputs)
    return first, await other.begun(first.mission), other


async def ended(*servers):
    for server in servers:
        await server.driver.stop()


def test_calls_that_alternate_between_two_processes_are_all_made_once():
    async def story():
        server = Server([a_tool("crm__find")])
        one, two, other = await two_sessions(server)
        for n in range(12):
            await (one, two)[n % 2].call("crm__find", {"id": str(n)})

        assert len(server.transport.calls) == 12
        entries = await server.store.read_prefix(f"step/{one.mission}/")
        assert [entry.kind for entry in entries] == ["call.permitted", "call.done"] * 12
        permitted = [entry.payload["by"] for entry in entries if entry.kind == "call.permitted"]
        assert permitted == [server.door.member, other.door.member] * 6
        await ended(server, other)

    run(story())


def test_calls_at_once_through_two_processes_are_all_made_once():
    async def story():
        server = Server([a_tool("crm__find"), a_payment(idempotent=True)])
        one, two, other = await two_sessions(server, amount="1.00", payees=[f"V-{n}" for n in range(24)])

        async def call(n):
            arguments = {"amount": "1.00", "payee": f"V-{n}"} if n % 3 else {"id": str(n)}
            await asyncio.sleep(0)
            return await (one, two)[n % 2].call("bank__pay" if n % 3 else "crm__find", arguments)

        await asyncio.gather(*map(call, range(24)))

        assert len({key for _, _, key in server.transport.calls}) == len(server.transport.calls) == 24
        await ended(server, other)

    run(story())


def test_what_one_process_read_labels_what_the_other_writes():
    async def story():
        server = Server([a_tool("crm__find"), a_payment()])
        one, two, other = await two_sessions(server)
        assert two.label.trusted
        await one.call("crm__find", {"id": "1"})
        await two.see()
        assert two.label == one.label
        assert not two.label.trusted
        await ended(server, other)

    run(story())


def test_two_payments_at_once_through_two_processes_keep_the_missions_limit():
    async def story():
        server = Server([a_payment(idempotent=True)])
        server.change(policies=[open_policy("spending_limit_usd: 15")])
        one, two, other = await two_sessions(server, amount="10.00", payees=["V-1", "V-2"])
        other.change(policies=server.policies)

        def pay(session, payee):
            return session.call("bank__pay", {"amount": "10.00", "payee": payee})

        done = await asyncio.gather(pay(one, "V-1"), pay(two, "V-2"), return_exceptions=True)

        assert sum(isinstance(one, (Refusal, ApprovalPending)) for one in done) == 1, done
        assert len(server.transport.calls) == 1
        await ended(server, other)

    run(story())


def test_a_slow_write_is_left_to_the_process_that_carries_it():
    async def story():
        release = asyncio.Event()

        async def pay(**given):
            if given["payee"] == "V-1":
                await release.wait()
            return ToolResult({"paid": given["payee"]})

        server = Server([a_tool("crm__find"), a_payment(idempotent=False)], pay=pay)
        one, two, other = await two_sessions(server, amount="10.00", payees=["V-1", "V-2"])
        slow = asyncio.create_task(one.call("bank__pay", PAY))
        while not server.transport.calls:
            await asyncio.sleep(0.01)

        await two.call("crm__find", {"id": "1"})
        await one.call("crm__find", {"id": "2"})  # takes the session back while its own call is under way
        await two.call("bank__pay", {**PAY, "payee": "V-2"})
        same = asyncio.create_task(two.call("bank__pay", PAY))
        await asyncio.sleep(1.0)
        assert not same.done()
        release.set()

        assert (await slow).content == {"paid": "V-1"}
        again = await same
        assert (again.content, again.recorded) == ({"paid": "V-1"}, True)
        assert server.transport.made.count("pay") == 2
        assert (await server.step(one.mission, SESSION_STEP)).code != "effect_uncertain"
        await ended(server, other)

    run(story())


@pytest.mark.parametrize("idempotent", [True, False])
def test_what_a_killed_process_left_open_is_settled_by_the_other(idempotent):
    async def story():
        begun, never = asyncio.Event(), asyncio.Event()

        async def pay(**_):
            if not begun.is_set():
                begun.set()
                await never.wait()
            return ToolResult({"paid": True})

        server = Server([a_payment(idempotent=idempotent)], pay=pay)
        one, two, other = await two_sessions(server, **PAY)
        lost = asyncio.create_task(one.call("bank__pay", PAY))
        await begun.wait()
        await server.killed()

        if idempotent:
            assert (await two.call("bank__pay", PAY)).content == {"paid": True}
            assert len({key for _, _, key in server.transport.calls}) == 1
        else:
            with pytest.raises(ApprovalPending):
                await two.call("bank__pay", PAY)
            assert (await server.step(one.mission, SESSION_STEP)).code == "effect_uncertain"
            assert len(server.transport.calls) == 1
        lost.cancel()
        await ended(server, other)

    run(story())


def test_a_read_that_a_killed_process_lost_is_booked_and_its_money_is_free_again():
    async def story():
        begun, never = asyncio.Event(), asyncio.Event()

        async def find(**_):
            begun.set()
            await never.wait()

        server = Server([a_tool("crm__find"), a_tool("crm__list")], find=find)
        one, two, other = await two_sessions(server)
        lost = asyncio.create_task(one.call("crm__find", {"id": "1"}))
        await begun.wait()
        await two.call("crm__list", {})
        kinds = [e.kind for e in await server.store.read_prefix(f"step/{one.mission}/")]
        assert "call.lost" not in kinds
        await server.killed()
        await asyncio.sleep(1.0)
        await two.call("crm__list", {"page": 2})
        await asyncio.sleep(1.2)
        await two.call("crm__list", {"page": 3})

        kinds = [e.kind for e in await server.store.read_prefix(f"step/{one.mission}/")]
        assert kinds.count("call.lost") == 1
        lost.cancel()
        await ended(server, other)

    run(story())


def test_a_write_that_was_given_up_by_a_process_that_lives_is_settled_by_the_other():
    async def story():
        tries = []

        def pay(**_):
            tries.append(1)
            if len(tries) == 1:
                raise ToolUnreachable("the line was cut")
            return ToolResult({"paid": True})

        server = Server([a_payment(idempotent=True)], pay=pay)
        one, two, other = await two_sessions(server, **PAY)
        with pytest.raises(ToolUnreachable):
            await one.call("bank__pay", PAY)

        assert (await two.call("bank__pay", PAY)).content == {"paid": True}
        assert len({key for _, _, key in server.transport.calls}) == 1
        await ended(server, other)

    run(story())


def test_a_call_that_waits_for_a_person_is_asked_once_and_carried_by_a_worker():
    async def story():
        server = Server([a_payment(tier="critical", idempotent=True), a_tool("crm__find")])
        one, two, other = await two_sessions(server, **PAY)
        for session in (one, two, one):
            with pytest.raises(ApprovalPending):
                await session.call("bank__pay", PAY)
        await server.answer()
        worker = other.another()
        await worker.drive(one.mission)

        await one.call("crm__find", {"id": "1"})
        assert (await two.call("bank__pay", PAY)).recorded
        assert server.transport.made.count("pay") == 1
        await ended(server, other, worker)

    run(story())


def test_the_call_of_a_worker_is_not_weighed_beside_one_of_the_agents():
    async def story():
        server = Server([a_payment(tier="critical", idempotent=True), a_tool("crm__find")])
        one, _, other = await two_sessions(server, **PAY)
        with pytest.raises(ApprovalPending):
            await one.call("bank__pay", PAY)
        before = one._run.epoch
        await server.answer()
        await other.another().drive(one.mission)
        with pytest.raises(DriverReplaced):
            await server.store.commit(Commit((), (), epoch=before, lease=session_lease_of(one.mission)))
        await one.call("crm__find", {"id": "1"})
        assert one._run.epoch > before
        await ended(server, other)

    run(story())


def test_a_home_that_one_process_serves_names_nobody_in_its_record(monkeypatch):
    async def story():
        monkeypatch.setattr(builders, "HOUSE", builders.House())
        office = Office([a_tool("crm__find")])
        session = await office.session()
        await session.call("crm__find", {"id": "1"})
        (permit, _) = await office.store.read_prefix(f"step/{session.mission}/")
        assert "by" not in permit.payload
        assert await office.store.records(presence.PRESENT) == []

    run(story())


def test_a_step_is_claimed_once_however_many_processes_begin_at_once():
    async def story():
        server = Server([a_tool("crm__find")])
        clerk = server.door.controls.registry.agent("clerk")
        mission = await open_session(
            server.door, server.clock, server.ids, server.person("anna"), Opening(clerk, {}, 1_000_000, "rules")
        )
        others = [server.another() for _ in range(4)]
        sessions = await asyncio.gather(*(one.begun(mission) for one in others))
        await asyncio.gather(*(one.call("crm__find", {"id": str(n)}) for n, one in enumerate(sessions)))

        assert (await server.step(mission, SESSION_STEP)).runs == 1
        assert len(server.transport.calls) == 4
        await ended(*others)

    run(story())


def test_one_process_that_calls_at_once_and_is_fenced_again_and_again_makes_each_call_once():
    async def story():
        server = Server([a_tool("crm__find")])
        one, two, other = await two_sessions(server)
        stop = asyncio.Event()

        async def fence():
            while not stop.is_set():
                await other.driver.regain(one.mission)
                await asyncio.sleep(0.005)

        fencing = asyncio.create_task(fence())
        await asyncio.gather(*(one.call("crm__find", {"id": str(n)}) for n in range(20)))
        stop.set()
        await fencing

        assert len(server.transport.calls) == 20
        assert two.mission == one.mission
        await ended(server, other)

    run(story())


def test_a_session_that_was_closed_through_one_process_takes_no_call_through_the_other():
    async def story():
        server = Server([a_tool("crm__find")])
        one, two, other = await two_sessions(server)
        await one.close()
        with pytest.raises(MissionEnded):
            await two.call("crm__find", {"id": "1"})
        await two.close(failed="agent_failed")

        assert (await server.step(one.mission, SESSION_STEP)).status == "succeeded"
        assert server.transport.calls == []
        await ended(server, other)

    run(story())
