"""Workers, servers, Temporal and PostgreSQL in processes of their own; each is killed, ended or lost in its turn."""

import httpx
import pytest
from tests.processes.a_cluster import approve, made_cluster, status_is, step_is, submit, told, until

from remit.bootstrap import current_principal
from remit.ids import MissionId

_TAKEN_OVER_SECONDS = 15.0
_OF_A_POOL = """\
apiVersion: remit/v1
kind: Workflow
name: {pool}
pool: {pool}
inputs: {{type: object}}
tools: []
budget: {{amount: "1.00", currency: USD}}
steps:
  later: {{timer: 1s}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    # Histories are cut after a few events here; else it takes thousands.
    with made_cluster(tmp_path_factory.mktemp("cluster"), "limit.historyCount.suggestContinueAsNew=40") as made:
        yield made


def test_another_worker_takes_over_from_a_killed_one_and_pays_nothing_twice(cluster):
    async def story(plane):
        first = cluster.worker()
        mission = await submit(plane, "erp-pay", invoice="R-1", seconds=4)
        await until(step_is(plane, mission, "pay", "running"))
        second = cluster.worker()

        cluster.kill(first)
        taken = await until(status_is(plane, mission, "completed"))

        assert taken < _TAKEN_OVER_SECONDS
        assert cluster.payments().count("R-1") == 1
        assert cluster.end(second) == 0

    told(cluster, story)


def test_a_worker_that_is_told_to_end_ends_its_step_and_the_mission_moves_on(cluster):
    async def story(plane):
        first = cluster.worker()
        mission = await submit(plane, "erp-pay", invoice="R-2", seconds=3)
        await until(step_is(plane, mission, "pay", "running"))
        cluster.worker()

        assert cluster.end(first) == 0
        shown = await plane.missions.show(mission, current_principal(plane))
        assert {step["id"]: step["status"] for step in shown["steps"]}["pay"] == "succeeded"
        await until(status_is(plane, mission, "completed"))

        assert cluster.payments().count("R-2") == 1

    told(cluster, story)


def test_missions_wait_for_people_and_time_and_begin_one_another_at_workers(cluster):
    async def story(plane):
        cluster.worker()
        asks = await submit(plane, "asks-and-waits", invoice="R-3")
        family = await submit(plane, "in-turn", invoice="R-4", other="R-4-b")

        await approve(plane, asks)
        await until(status_is(plane, asks, "completed"))
        await until(status_is(plane, family, "completed"))

        assert [cluster.payments().count(one) for one in ("R-3", "R-4", "R-4-b")] == [1, 1, 1]

    told(cluster, story)


def test_a_mission_that_is_woken_often_has_its_long_history_cut_and_goes_on(cluster):
    async def story(plane):
        cluster.worker()
        mission = await submit(plane, "asks-and-waits", invoice="R-9")
        await until(status_is(plane, mission, "waiting"))
        scheduler = plane.core.driver.scheduler
        handle = (await scheduler.client()).get_workflow_handle(scheduler.address.workflow(MissionId(mission)))
        first = (await handle.describe()).run_id

        async def begun_anew() -> bool:
            await scheduler.wake(MissionId(mission))
            return (await handle.describe()).run_id != first

        await until(begun_anew)
        await approve(plane, mission)
        await until(status_is(plane, mission, "completed"))

        assert cluster.payments().count("R-9") == 1

    told(cluster, story)


@pytest.mark.parametrize("lost", [False, True], ids=["it comes back as it was", "all that it held is lost"])
def test_missions_go_on_after_temporal_was_killed(cluster, lost):
    async def story(plane):
        cluster.worker()
        cluster.worker()
        invoice = f"R-5-{lost}"
        mission = await submit(plane, "asks-and-waits", invoice=invoice)
        await until(status_is(plane, mission, "waiting"))

        cluster.temporal.kill()
        if lost:
            cluster.temporal.lose()
        await approve(plane, mission)
        cluster.temporal.start()
        await until(status_is(plane, mission, "completed"))

        assert cluster.payments().count(invoice) == 1

    told(cluster, story)


def test_missions_go_on_after_postgresql_was_killed(cluster):
    async def story(plane):
        cluster.worker()
        mission = await submit(plane, "erp-pay", invoice="R-6", seconds=3)
        await until(step_is(plane, mission, "pay", "running"))

        cluster.postgres.kill()
        cluster.postgres.start()
        await until(status_is(plane, mission, "completed", "failed"))

        assert cluster.payments().count("R-6") == 1
        assert (await plane.ledger.verify())["ok"]

    told(cluster, story)


def test_a_server_beside_workers_takes_what_people_do_and_drives_nothing_alone(cluster):
    async def story(plane):
        cluster.worker()
        cluster.serve()
        env = {"REMIT_TEMPORAL": cluster.temporal.address, "REMIT_STORE": cluster.settings.store}
        ran = cluster.run("run", "erp-pay", "--set", "invoice=R-7", "--set", "seconds=0", **env)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert cluster.payments().count("R-7") == 1
        assert (await plane.ledger.verify())["ok"]

    told(cluster, story)


def test_one_process_may_drive_the_home_again_once_it_was_handed_back(cluster):
    async def story(plane):
        await plane.core.take_lease()
        refused = cluster.run("serve", "--port", "0", REMIT_TEMPORAL="")
        assert "home_busy" in refused.stdout + refused.stderr
        assert "--hand-back" in refused.stdout + refused.stderr

        handed = cluster.run("worker", "--hand-back")
        assert handed.returncode == 0
        alone = cluster.start("serve", "--port", "0", REMIT_TEMPORAL="")

        assert cluster.end(alone) == 0

    told(cluster, story)


def test_a_worker_says_how_it_is_and_what_it_carries(cluster):
    async def story(plane):
        cluster.worker("--metrics-port", "0", "--at-once", "7")
        async with httpx.AsyncClient(base_url=cluster.said["metrics"]) as client:
            mission = await submit(plane, "erp-pay", invoice="R-8", seconds=2)
            await until(step_is(plane, mission, "pay", "running"))
            assert (await client.get("/healthz")).status_code == 200
            shown = (await client.get("/metrics")).text
            assert 'remit_worker_missions{pool="default"} 1' in shown
            assert 'remit_worker_slots{pool="default"} 7' in shown
            await until(status_is(plane, mission, "completed"))
            assert 'remit_worker_put_down_total{pool="default",how="ended"} 1' in (await client.get("/metrics")).text

    told(cluster, story)


def test_the_doctor_says_which_pools_nobody_listens_to(cluster):
    async def story(plane):
        async def told_of():
            checks = (await plane.doctor.examine())["checks"]
            return next((check["ok"], check["detail"]) for check in checks if check["check"] == "cluster")

        cluster.worker("--pool", "quiet")
        by = current_principal(plane)
        files = [(f"{pool}.yaml", _OF_A_POOL.format(pool=pool)) for pool in ("quiet", "unheard")]
        await plane.resources.apply(files, by)

        async def heard() -> bool:
            # A worker says that it is ready a moment before Temporal knows its first poll.
            return "1 for quiet" in (await told_of())[1]

        await until(heard)
        sound, detail = await told_of()

        assert not sound
        assert "0 for unheard" in detail
        assert "start one: remit worker --pool unheard" in detail

    told(cluster, story)
