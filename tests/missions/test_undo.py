"""Undoing what was done: order, crashes, money, and what is told of what could not be undone."""

import asyncio

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, run
from tests.missions.test_crashes import crash_once, crashes
from tests.missions.test_life import PAY

from remit.errors import MissionEnded, ToolUnreachable
from remit.gateway import ToolResult
from remit.ids import StepId
from remit.ledger import Commit, Draft, OpenBalance
from remit.missions import Cancel, decide, release_reserve
from remit.planning import Compensation, OnFailure, Step, StepKind, Terms
from remit.quantities import Money

DOLLAR = 1_000_000
BOOK, UNBOOK = a_tool("trip__book", tier="restricted-write", idempotent=True), "trip__unbook"


def unbook(**fields):
    return a_tool(UNBOOK, tier="restricted-write", idempotent=True, **fields)


def a_trip(*names, fails=None, waits=True, on_failure=OnFailure.CONTINUE, undo=UNBOOK):
    """An agent that plans one booking after the other, each with what undoes it, and then waits for a person."""

    async def plan(context, _given):
        before = []
        for name in names:
            recipe = context._seal({"with": {"undo": f"${{steps.{name}.output.n}}", "why": "trip off"}})
            terms = Terms(compensate=Compensation(StepKind.TOOL, undo, recipe), on_failure=on_failure)
            given = context._seal({"n": name, "fail": name == fails})
            context.proposed.append(Step(StepId(name), StepKind.TOOL, "trip__book", given, tuple(before), terms=terms))
            before = [StepId(name)]
        if waits:
            context.propose("ask", given={"text": "Go on?"}, after=before)

    return plan


class Trips(FakeTransport):
    """Books and unbooks, and keeps count."""

    def __init__(self, **more):
        self.booked, self.unbooked = [], []
        super().__init__(book=self.book, **{"unbook": self.unbook, **more})

    async def book(self, *, n, fail=False, **_):
        if fail:
            return ToolResult(None, error="full")
        self.booked.append(n)
        return {"n": n}

    async def unbook(self, *, undo, **_):
        self.unbooked.append(undo)
        return {"ok": True}


async def a_home_on_a_trip(*names, trips=None, tool=None, **more):
    trips = trips or Trips()
    home = await a_home(BOOK, tool or unbook(), plan=a_trip(*names, **more), transport=trips)
    return home, await home.submit(), trips


async def cancel(home, mission, *, undo=True):
    """As the control plane does it."""
    active = await home.driver.hold(mission)
    events = decide(active.state, Cancel("anna", undo))
    now_us = int(home.clock.now().timestamp() * 1_000_000)
    drafts = tuple(
        Draft(active.stream, e.kind, e.payload(), "principal:anna", now_us, e.version, closes=e.closes) for e in events
    )
    writes = release_reserve(home.door.tenant, active, events)
    await home.store.commit(Commit(drafts, writes, expect=((active.stream, active.state.version),)))
    await active.catch_up(home.store)


def test_what_was_done_is_undone_in_reverse_order_when_the_mission_is_cancelled():
    async def story():
        home, mission, trips = await a_home_on_a_trip("flight", "hotel", "car")
        await home.drive(mission)
        assert trips.booked == ["flight", "hotel", "car"]

        await cancel(home, mission)
        assert (await home.state(mission)).status == "undoing"
        assert (await home.drive(mission)).ended

        assert trips.unbooked == ["car", "hotel", "flight"]
        state = await home.state(mission)
        assert (state.status, state.undone, state.not_undone) == ("cancelled", ("car", "flight", "hotel"), ())
        assert await home.questions() == []

    run(story())


def test_what_was_done_is_undone_when_the_mission_fails():
    async def story():
        home, mission, trips = await a_home_on_a_trip("flight", "hotel")
        await home.drive(mission)
        home.clock.move(days=8)

        assert (await home.drive(mission)).ended
        assert trips.unbooked == ["hotel", "flight"]
        state = await home.state(mission)
        assert (state.status, state.code, state.undone) == ("failed", "deadline_passed", ("flight", "hotel"))

    run(story())


def test_nothing_is_undone_where_the_person_says_so():
    async def story():
        home, mission, trips = await a_home_on_a_trip("flight", "hotel")
        await home.drive(mission)
        await cancel(home, mission, undo=False)
        await home.drive(mission)

        assert trips.unbooked == []
        state = await home.state(mission)
        assert (state.status, state.undone, state.not_undone) == ("cancelled", (), ("flight", "hotel"))

    run(story())


def test_a_mission_without_anything_to_undo_ends_at_once():
    async def story():
        home, mission, trips = await a_home_on_a_trip("flight", fails="flight")
        await home.drive(mission)
        await cancel(home, mission)

        assert (await home.state(mission)).status == "cancelled"
        with pytest.raises(MissionEnded):
            await cancel(home, mission)
        assert trips.unbooked == []

    run(story())


def test_what_cannot_be_undone_is_told_and_the_rest_is_undone_all_the_same():
    async def story():
        async def stuck(*, undo, **_):
            trips.unbooked.append(undo)
            if undo == "hotel":
                return ToolResult(None, error="no refund")
            return {}

        trips = Trips(unbook=stuck)
        home, mission, _ = await a_home_on_a_trip("flight", "hotel", "car", trips=trips)
        await home.drive(mission)
        await cancel(home, mission)
        assert (await home.drive(mission)).ended

        assert trips.unbooked == ["car", "hotel", "flight"]
        state = await home.state(mission)
        assert (state.undone, state.not_undone) == (("car", "flight"), ("hotel",))
        assert state.steps["hotel~undo"].code == "tool_failed"

    run(story())


def test_undoing_is_tried_again_where_it_fails_in_passing():
    async def story():
        left = [ToolUnreachable("busy"), ToolUnreachable("busy"), None]

        async def busy(*, undo, **_):
            if (error := left.pop(0)) is not None:
                raise error
            trips.unbooked.append(undo)
            return {}

        trips = Trips(unbook=busy)
        home, mission, _ = await a_home_on_a_trip("flight", trips=trips)
        await home.drive(mission)
        await cancel(home, mission)
        assert (await home.drive(mission)).ended

        assert trips.unbooked == ["flight"]
        assert (await home.state(mission)).undone == ("flight",)

    run(story())


@pytest.mark.parametrize("crash_at", [1, 2, 3])
def test_undoing_goes_on_after_a_crash_and_undoes_nothing_twice(crash_at):
    async def story():
        seen = []

        async def unbook_or_crash(*, undo, **_):
            seen.append(undo)
            if len(seen) == crash_at:
                await crash()
            keys.add(undo)
            return {}

        keys = set()
        crash = crash_once()
        trips = Trips(unbook=unbook_or_crash)
        home, mission, _ = await a_home_on_a_trip("flight", "hotel", "car", trips=trips)
        await home.drive(mission)
        await cancel(home, mission)
        home = await crashes(home, mission)
        assert (await home.drive(mission)).ended

        assert keys == {"car", "hotel", "flight"}
        assert (await home.state(mission)).undone == ("car", "flight", "hotel")
        assert sorted(k for k in await home.kinds(mission) if k in {"undo.planned", "mission.stopping"}) == [
            "mission.stopping", "undo.planned",
        ]  # fmt: skip

    run(story())


def test_money_for_undoing_is_held_from_when_the_step_begins_until_the_mission_ends():
    async def story():
        tool = unbook(cost=Money.of("1.00", "USD"))
        home, mission, _ = await a_home_on_a_trip("flight", "hotel", tool=tool)
        await home.drive(mission)
        balance = await home.store.balance(f"mission/{mission}")
        assert (balance.held, balance.used) == (6 * DOLLAR, 0)  # three attempts of each

        await cancel(home, mission)
        assert (await home.drive(mission)).ended
        for name in (f"mission/{mission}", "tenant/default"):
            balance = await home.store.balance(name)
            assert (balance.held, balance.used) == (0, 2 * DOLLAR), name

    run(story())


def test_a_step_that_could_not_be_undone_for_lack_of_money_does_not_begin():
    async def story():
        tool = unbook(cost=Money.of("2.00", "USD"))
        home, mission, trips = await a_home_on_a_trip("flight", "hotel", tool=tool, waits=False)
        await home.drive(mission)

        assert trips.booked == ["flight"]
        assert (await home.step(mission, "hotel")).code == "budget_exhausted"
        balance = await home.store.balance(f"mission/{mission}")
        assert (balance.held, balance.used) == (0, 0)  # it completed: nothing is to be undone any more

    run(story())


def test_undoing_has_its_money_where_everything_else_is_spent():
    async def story():
        tool = unbook(cost=Money.of("1.00", "USD"))
        home, mission, trips = await a_home_on_a_trip("flight", tool=tool)
        await home.drive(mission)
        tenant = await home.store.balance("tenant/default")

        await home.store.commit(Commit((), (OpenBalance("tenant/default", tenant.held + tenant.used),)))
        await home.store.commit(Commit((), (OpenBalance(f"mission/{mission}", 3 * DOLLAR),)))

        await cancel(home, mission)
        assert (await home.drive(mission)).ended
        assert trips.unbooked == ["flight"]

    run(story())


def test_what_runs_when_the_mission_is_cancelled_is_recorded_first_and_then_undone():
    async def story():
        begun, release = asyncio.Event(), asyncio.Event()

        async def slow(*, n, **_):
            begun.set()
            await release.wait()
            trips.booked.append(n)
            return {"n": n}

        trips = Trips()
        trips.functions["book"] = slow
        home, mission, _ = await a_home_on_a_trip("flight", "hotel", trips=trips)
        driving = asyncio.ensure_future(home.drive(mission))
        await begun.wait()
        await cancel(home, mission)
        home.driver.nudge(mission)
        release.set()
        await driving
        assert (await home.drive(mission)).ended

        assert (trips.booked, trips.unbooked) == (["flight"], ["flight"])

    run(story())


def test_an_agent_that_runs_when_the_mission_is_cancelled_makes_no_further_call():
    async def story():
        begun, release = asyncio.Event(), asyncio.Event()
        trip = a_trip("flight")

        async def work(context, _given):
            begun.set()
            await release.wait()
            return await context.call("bank__pay", PAY)

        async def plan(context, given):
            await trip(context, given)
            context.propose("work", skill="work", given={}, after=["flight"])

        trips = Trips()
        home = await a_home(BOOK, unbook(), a_payment(), plan=plan, work=work, transport=trips)
        mission = await home.submit(**PAY)
        driving = asyncio.ensure_future(home.drive(mission))
        await begun.wait()
        await cancel(home, mission)
        release.set()
        await driving
        assert (await home.drive(mission)).ended

        assert "pay" not in home.made
        assert trips.unbooked == ["flight"]

    run(story())
