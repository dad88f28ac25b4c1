"""A procurement with short timers on a real Temporal, while everything under it is killed, and newer versions come.

The week itself, with a clock that is moved, is told in tests/missions/test_seven_days.py.
"""

import asyncio

import pytest
from tests.adapters.database_servers import a_database
from tests.histories.house import NAMES, RecordedHome
from tests.histories.house import answer as answer_recorded
from tests.histories.record import DESK
from tests.processes.a_cluster import made_cluster, status_is, step_is, submit, until

from remit.bootstrap import copy_store, current_principal, open_home, switch_store
from remit.config import Settings
from remit.control_plane import Given, closing
from remit.drivers import WorkerCounts
from remit.driving import worker_of

_AGENT = """\
apiVersion: remit/v1
kind: Agent
name: buyer
version: {version}
stage: {stage}
skills: [{{name: week.offers, description: asks for offers}}, {{name: week.order, description: orders}}]
run: {{python: "tests.processes.week_agent:{code}"}}
tools: ["erp__pay"]
"""
_OLD = _AGENT.format(version="1.0.0", stage="production", code="first")
_NEW = _AGENT.format(version="2.0.0", stage="production", code="second")
#: Reminded after 3.6 seconds, others are asked after 7.2.
_POLICY = """\
apiVersion: remit/v1
kind: Policy
name: week
agents: [buyer]
tools: ["erp__pay"]
require_approval: ["erp__pay"]
approvers: [anna]
approval_remind_hours: [0.001]
approval_escalate_hours: 0.002
approval_escalate_to: [clara]
approval_expires_hours: 1
---
apiVersion: remit/v1
kind: Principal
name: anna
roles: [approver]
---
apiVersion: remit/v1
kind: Principal
name: clara
roles: [approver, operator]
"""
_WORKFLOW = """\
apiVersion: remit/v1
kind: Workflow
name: week
inputs: {type: object, required: [invoice]}
tools: ["erp__pay"]
budget: {amount: "1.00", currency: USD}
steps:
  offers: {skill: week.offers, with: {}}
  choose: {question: {title: "Which offer for ${inputs.invoice}?"}, after: [offers]}
  delivery: {timer: 4s, after: [choose]}
  order: {skill: week.order, with: {invoice: "${inputs.invoice}"}, after: [delivery]}
"""
#: Has one step more, and waits no more.
_NEW_WORKFLOW = _WORKFLOW.replace("delivery: {timer: 4s", "delivery: {timer: 1s") + (
    "  told: {skill: week.offers, with: {}, after: [order]}\n"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with made_cluster(tmp_path_factory.mktemp("week")) as made:
        yield made


async def answer(plane, mission, by):
    """Say yes to the mission's one question."""

    async def asked():
        return bool(await plane.approvals.all(current_principal(plane), mission=mission))

    await until(asked)
    (question,) = await plane.approvals.all(current_principal(plane), mission=mission)
    await plane.approvals.answer(Given(question["id"], "approve"), plane.core.door.controls.registry.principals[by])
    plane.core.driver.nudge(mission)


async def entries(plane, mission):
    return [one for one in await plane.core.store.read(f"mission/{mission}") if one.kind.startswith("approval.")]


def test_a_procurement_goes_on_over_killed_parts_reminders_an_escalation_and_new_versions(cluster):
    async def story(plane):
        me = current_principal(plane)
        await plane.resources.apply([("a.yaml", _OLD), ("p.yaml", _POLICY), ("w.yaml", _WORKFLOW)], me)
        worker, server = cluster.worker(), cluster.serve()
        mission = await submit(plane, "week", invoice="W-1")
        await until(step_is(plane, mission, "choose", "waiting"))

        # Nobody is there while it waits: worker, server and Temporal are killed. Then newer versions are applied.
        cluster.kill(worker)
        cluster.kill(server)
        cluster.temporal.kill()
        await plane.resources.apply([("a.yaml", _NEW), ("w.yaml", _NEW_WORKFLOW)], me)
        cluster.temporal.start()
        worker, server = cluster.worker(), cluster.serve()
        await answer(plane, mission, me.id)

        # The timer runs while Temporal is away, and its worker dies.
        await until(step_is(plane, mission, "delivery", "parked"))
        cluster.temporal.kill()
        cluster.kill(worker)
        await asyncio.sleep(4)
        cluster.temporal.start()
        worker = cluster.worker()

        # anna sleeps: she is reminded, and clara is asked as well, although a worker is killed between the two.
        async def reminded():
            return bool(await entries(plane, mission))

        async def escalated():
            return "approval.escalated" in {one.kind for one in (await entries(plane, mission))[1:]}

        await until(step_is(plane, mission, "order~1", "waiting"))
        await until(reminded)
        cluster.kill(worker)
        cluster.worker()
        await until(escalated)
        cluster.kill(server)
        await answer(plane, mission, "clara")
        await until(status_is(plane, mission, "completed"))

        shown = await plane.missions.show(mission, me, bodies=True)
        steps = {step["id"]: step for step in shown["steps"]}
        assert steps["offers"]["output"]["by"] == "1.0.0"
        assert steps["order"]["output"]["by"] == "2.0.0"
        assert "told" not in steps
        kinds = [one.kind for one in await entries(plane, mission)]
        assert (kinds.count("approval.reminded"), kinds.count("approval.escalated")) == (1, 1)
        assert cluster.payments() == ["W-1"]

        # What begins now follows the newer workflow.
        later = await submit(plane, "week", invoice="W-2")
        await answer(plane, later, me.id)
        await until(step_is(plane, later, "order~1", "waiting"))
        await answer(plane, later, "anna")
        await until(status_is(plane, later, "completed"))
        told = {step["id"] for step in (await plane.missions.show(later, me))["steps"]}
        assert "told" in told
        assert cluster.payments() == ["W-1", "W-2"]
        assert (await plane.ledger.verify())["ok"]

    async def tell():
        async with cluster.opened() as plane:
            await asyncio.wait_for(story(plane), 200)

    asyncio.run(tell())


@pytest.mark.parametrize("name", NAMES)
def test_a_home_of_an_earlier_form_moves_to_a_cluster_and_its_missions_go_on_there(
    cluster, name, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(DESK))
    home = RecordedHome(name, tmp_path / "home")

    async def story(database):
        settings = Settings(home.folder)
        copy_store(settings, "embedded", database, lambda *_: None)
        switch_store(settings, database)
        moved = Settings(home.folder, temporal=cluster.temporal.address)
        async with closing(await open_home(moved, clock=home.clock)) as plane:
            anna = plane.core.door.controls.registry.principals["anna"]
            stop, ready = asyncio.Event(), asyncio.Event()
            await plane.core.keep_lease()
            worker = worker_of(plane.core, WorkerCounts("default", 20), grace_seconds=5)
            working = asyncio.create_task(worker.run(stop, ready.set))
            sweeping = asyncio.create_task(plane.core.driver.sweep(stop))
            await ready.wait()
            for told in ("asking", "proposed", "killed", "uncertain"):
                mission = home.missions[told]
                while not (await plane.missions.drive(mission, anna))["ended"]:
                    assert await answer_recorded(plane, anna, mission)
                assert (await plane.missions.show(mission, anna))["status"] in {"completed", "failed"}
            assert (await plane.missions.show(home.missions["asking"], anna))["status"] == "completed"
            assert (await plane.ledger.verify())["ok"]
            stop.set()
            await asyncio.gather(working, sweeping)
        assert [one["amount"] for one in home.notes("paid")] == ["900.00"]
        paid = home.rows("SELECT invoice FROM payments ORDER BY invoice", "erp")
        assert paid == [("4120-26",), ("KB-2026-04417",), ("NL-10582",)]

    ordered = len(home.notes("ordered"))
    with a_database() as database:
        asyncio.run(asyncio.wait_for(story(database), 150))
    assert len(home.notes("ordered")) == ordered
