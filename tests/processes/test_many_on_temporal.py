"""Crowds of missions on a real Temporal: turns are fair, and a workflow's bound holds over all workers."""

import pytest
from tests.processes.a_cluster import made_cluster, status_is, submit, told, until

from remit.bootstrap import current_principal

_PEOPLE = """\
apiVersion: remit/v1
kind: Principal
name: oscar
roles: [operator]
"""
_NARROW = """\
apiVersion: remit/v1
kind: Workflow
name: narrow
inputs: {type: object, required: [invoice]}
tools: ["erp__pay"]
budget: {amount: "1.00", currency: USD}
limits: {concurrent: 2}
steps:
  pay: {tool: erp__pay, agent: erp-clerk, with: {invoice: "${inputs.invoice}", seconds: 0.7}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with made_cluster(tmp_path_factory.mktemp("crowd"), "matching.enableFairness=true") as made:
        yield made


def test_the_missions_of_one_do_not_delay_anothers_one(cluster):
    async def story(plane):
        await plane.resources.apply([("people.yaml", _PEOPLE)], current_principal(plane))
        oscar = plane.core.door.controls.registry.principals["oscar"]
        crowd = [await submit(plane, "erp-pay", invoice=f"C-{number}", seconds=0) for number in range(100)]
        guest = await plane.missions.submit("erp-pay", {"invoice": "G", "seconds": 0}, oscar)
        await plane.core.driver.scheduler.wake(guest)

        cluster.worker("--at-once", "1")
        for mission in (guest, *crowd):
            await until(status_is(plane, mission, "completed"))

        assert cluster.payments().index("G") < 75  # the last one where turns are not fair

    told(cluster, story)


def test_a_workflows_bound_holds_over_all_workers_and_over_one_that_is_killed(cluster):
    async def story(plane):
        me = current_principal(plane)
        await plane.resources.apply([("narrow.yaml", _NARROW)], me)
        first = cluster.worker()
        cluster.worker()
        missions = [await submit(plane, "narrow", invoice=f"N-{number}") for number in range(8)]
        most, told, killed = 0, set(), False

        async def ended():
            nonlocal most, killed
            shown = [await plane.missions.show(mission, me) for mission in missions]
            at_work = [one for one in shown if any(step["status"] == "running" for step in one["steps"])]
            most = max(most, len(at_work))
            told.update((one["queued"]["workflow"], one["queued"]["concurrent"]) for one in shown if one["queued"])
            if at_work and told and not killed:
                cluster.kill(first)  # with the places of the missions that it carried
                killed = True
            return all(one["status"] == "completed" for one in shown)

        await until(ended)

        assert most == 2
        assert told == {("narrow", 2)}
        assert sorted(one for one in cluster.payments() if one.startswith("N-")) == [f"N-{n}" for n in range(8)]
        assert (await plane.core.store.balance("workflow/narrow")).held == 0
        assert await plane.core.store.records("mission_line") == []
        listed = {one["status"] for one in await plane.missions.all(me) if one["workflow"] == "narrow"}
        assert listed == {"completed"}

    told(cluster, story)
