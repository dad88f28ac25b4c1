"""Several real processes on one home: one drives, others look and answer; whoever was replaced stops."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.control_plane.builders import BELOW, OVER, POLICY, make_home, me, opened, payments, run

from remit.bootstrap import create_home, open_home
from remit.config import Settings
from remit.control_plane import Given
from remit.errors import HomeBusy, KeyMissing, StoreCorrupted, StoreUnreachable
from remit.stores import STORE_FILE

_BOUND_SECONDS = 30.0
_ROOT = Path(__file__).parents[2]
#: Submits a mission, says which, drives it, and says how that ended.
_DRIVES = """
import asyncio, sys
from pathlib import Path
from remit.bootstrap import current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.errors import RemitError
from remit.missions import stream_of

async def main(home, workflow, vendor, amount):
    async with closing(await open_home(Settings(Path(home)))) as plane:
        inputs = {"vendor": vendor, "amount": amount}
        by = current_principal(plane)
        mission = await plane.missions.submit(workflow, inputs, by)
        print(mission, flush=True)
        try:
            rest = await plane.missions.drive(mission, by)
        except RemitError as error:
            print(error.code, flush=True)
            return 3
        print("ended" if rest["ended"] else "waits", flush=True)
        await asyncio.to_thread(sys.stdin.read)  # lives on as long as the test wants
        return 0

sys.exit(asyncio.run(main(*sys.argv[1:])))
"""


@contextmanager
def a_process_that_drives(home, workflow, inputs):
    """A process that submitted this mission and drives it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DRIVES, str(home), workflow, inputs["vendor"], inputs["amount"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(_BOUND_SECONDS)
        process.stdin.close()
        process.stdout.close()


def says(process):
    return process.stdout.readline().strip()


def stopped(process):
    """Stop the process where it stands, and return when it does stand."""
    process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + _BOUND_SECONDS
    while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < deadline


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    run(make_home(folder))
    return folder


def test_a_second_driver_on_one_home_is_told_who_drives_it_and_changes_nothing(home):
    async def second(mission):
        async with opened(home) as plane:
            before = await plane.core.store.rows()
            with pytest.raises(HomeBusy, match=str(process.pid)):
                await plane.missions.drive(mission, me(plane))
            assert await plane.core.store.rows() == before

    with a_process_that_drives(home, "patient", {**BELOW, "vendor": "there"}) as process:
        mission = says(process)
        assert says(process) == "begun"

        run(second(mission))


def test_a_process_that_waits_for_a_person_lets_another_one_answer_and_drive(home):
    async def guest(mission):
        async with opened(home) as plane:
            (question,) = await plane.approvals.all(me(plane), mission=mission)
            await plane.approvals.answer(Given(question["id"], "approve"), me(plane))

    async def next_driver(mission):
        async with opened(home) as plane:
            return await plane.missions.drive(mission, me(plane))

    with a_process_that_drives(home, "pay", OVER) as process:
        mission = says(process)
        assert says(process) == "waits"
        run(guest(mission))
        assert payments(home) == []
        assert run(next_driver(mission))["ended"]
        assert payments(home) == [["250.00", "V-1"]]


def test_who_drives_again_after_another_process_did_knows_what_happened_meanwhile(home):
    async def story():
        async with opened(home) as asks, opened(home) as other:
            mission = await asks.missions.submit("pay", OVER, me(asks))
            await asks.missions.drive(mission, me(asks))
            (question,) = await other.approvals.all(me(other))
            await other.resources.apply([("policy.yaml", POLICY.replace("over: 100", "over: 1000"))], me(other))
            await other.approvals.answer(Given(question["id"], "approve"), me(other))
            assert (await other.missions.drive(mission, me(other)))["ended"]

            assert (await asks.missions.drive(mission, me(asks)))["ended"]
            later = await asks.missions.submit("pay", OVER, me(asks))
            assert (await asks.missions.drive(later, me(asks)))["ended"]
            assert (await asks.ledger.verify())["ok"]

    run(story())
    assert payments(home) == [["250.00", "V-1"]] * 2


def test_a_process_that_keeps_driving_does_not_let_go_between_missions(home):
    async def story():
        async with opened(home) as serves, opened(home) as other:
            await serves.core.keep_lease()
            mission = await serves.missions.submit("pay", BELOW, me(serves))
            await serves.missions.drive(mission, me(serves))
            with pytest.raises(HomeBusy):
                await other.missions.drive(mission, me(other))

    run(story())


def test_a_lock_that_cannot_be_written_is_a_store_that_cannot_be_reached(home):
    async def story():
        async with opened(home) as plane:
            mission = await plane.missions.submit("pay", BELOW, me(plane))
            lock = home / "driver.lock"
            lock.unlink(missing_ok=True)
            lock.mkdir()
            with pytest.raises(StoreUnreachable, match="cannot be locked"):
                await plane.missions.drive(mission, me(plane))
            lock.rmdir()
            assert (await plane.missions.drive(mission, me(plane)))["ended"]

    run(story())


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_a_home_whose_store_is_gone_is_not_taken_for_a_new_one(home, lost):
    def look():
        return sorted((path.name, path.read_bytes()) for path in home.iterdir() if path.is_file())

    async def story():
        for path in home.glob(f"{STORE_FILE}*"):
            path.unlink()
        if lost == "empty":
            (home / STORE_FILE).touch()
        before = look()
        with pytest.raises(StoreCorrupted, match=lost) as told:
            await open_home(Settings(home))
        assert "backup" in told.value.advice
        with pytest.raises(StoreCorrupted):
            await create_home(Settings(home))
        assert look() == before

    run(story())


def test_a_home_whose_key_is_gone_gets_no_new_one(home):
    async def story():
        (home / "keys" / "home.key").unlink()
        with pytest.raises(KeyMissing, match=r"home\.key"):
            await create_home(Settings(home))
        with pytest.raises(KeyMissing, match=r"home\.key"):
            await open_home(Settings(home))
        assert not (home / "keys" / "home.key").exists()

    run(story())


def test_a_guest_answers_and_the_process_that_drives_goes_on_by_itself(home):
    async def story():
        async with opened(home) as driver, opened(home) as guest:
            mission = await driver.missions.submit("pay", OVER, me(driver))
            await driver.core.take_lease()
            stop = asyncio.Event()
            running = asyncio.create_task(driver.core.driver.run(stop))
            while not (asked := await guest.approvals.all(me(guest))):
                await asyncio.sleep(0.02)
            await guest.approvals.answer(Given(asked[0]["id"], "approve"), me(guest))
            while (await guest.missions.show(mission, me(guest)))["status"] != "completed":
                await asyncio.sleep(0.02)
            stop.set()
            await running

    run(story())
    assert payments(home) == [["250.00", "V-1"]]


def test_a_driver_killed_at_work_leaves_a_home_that_the_next_one_goes_on_with(home):
    async def next_driver(mission):
        async with opened(home) as plane:
            (home / "there").touch()
            return await plane.missions.drive(mission, me(plane)), await plane.ledger.verify()

    with a_process_that_drives(home, "patient", {**BELOW, "vendor": "there"}) as process:
        mission = says(process)
        assert says(process) == "begun"
        process.kill()
        process.wait(_BOUND_SECONDS)

    rest, verdict = run(next_driver(mission))
    assert (rest["waiting_for_people"], verdict["ok"]) == (1, True)  # nobody vouches for V-1 on this way


def test_a_paused_driver_that_comes_back_after_another_took_over_is_refused_and_stops(home):
    async def takes_over(mission):
        async with opened(home) as plane:
            await plane.core.take_lease()
            size = len(await plane.core.store.rows())
            (home / "there").touch()
            process.send_signal(signal.SIGCONT)
            told = says(process), process.wait(_BOUND_SECONDS)
            late = (await plane.core.store.read_prefix("", after_idx=size))[:]
            rest = await plane.missions.drive(mission, me(plane))
            return told, late, rest, await plane.missions.show(mission, me(plane))

    with a_process_that_drives(home, "patient", {**BELOW, "vendor": "there"}) as process:
        mission = says(process)
        assert says(process) == "begun"
        stopped(process)
        (home / "driver.lock").unlink()  # what a shared folder may do to a lock; the epoch is the proof

        told, late, rest, shown = run(takes_over(mission))

    assert told == ("driver_replaced", 3)
    decided = {"call.permitted", "step.started", "step.suspended", "plan.extended", "mission.completed"}
    assert not decided & {entry.kind for entry in late}
    assert {entry.kind for entry in late} <= {"call.done", "plan.proposed", "step.succeeded"}
    assert rest["waiting_for_people"] == 1
    assert {step["id"]: step["status"] for step in shown["steps"]} == {"plan": "succeeded", "pay": "waiting"}
    assert payments(home) == []


def test_a_paused_driver_cannot_pay_what_the_next_one_has_paid(home):
    async def answered(mission):
        async with opened(home) as plane:
            (question,) = await plane.approvals.all(me(plane), mission=mission)
            await plane.approvals.answer(Given(question["id"], "approve"), me(plane))
            await plane.core.take_lease()
            await plane.missions.drive(mission, me(plane))

    with a_process_that_drives(home, "pay", OVER) as process:
        mission = says(process)
        assert says(process) == "waits"
        stopped(process)
        (home / "driver.lock").unlink()
        run(answered(mission))
        process.send_signal(signal.SIGCONT)

    assert payments(home) == [["250.00", "V-1"]]
