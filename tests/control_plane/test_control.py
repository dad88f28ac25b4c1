"""Who may control a mission that runs, and what they are told."""

import pytest
from tests.control_plane.builders import OVER, a_home, me, run
from tests.control_plane.test_seen import people

from remit.control_plane import PlanChange
from remit.errors import InvalidInput, NotFound, RightsExceeded


async def a_mission(plane):
    """A mission of olga's that waits for an answer."""
    olga, otto, anna = await people(plane, olga="operator", otto="operator", anna="approver")
    mission = await plane.missions.submit("pay", OVER, olga)
    await plane.missions.drive(mission, olga)
    return mission, olga, otto, anna


def every_way(plane, mission, by):
    """Every way to control one mission, each as a call that is not made yet."""
    control = plane.control
    return [
        control.pause(mission, by),
        control.resume(mission, by),
        control.skip(mission, "plan", by, "because"),
        control.retry(mission, "plan", by),
        control.rerun(mission, "plan", by),
        control.steer(mission, PlanChange(remove=["plan"]), by, "because"),
        plane.missions.cancel(mission, by),
    ]


def test_a_mission_is_controlled_by_those_who_may_submit_and_see_it(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, olga, otto, anna = await a_mission(plane)
            before = await plane.missions.events(mission, olga)

            for refused in (otto, anna):
                for way in every_way(plane, mission, refused):
                    with pytest.raises(RightsExceeded):
                        await way
            for way in every_way(plane, "msn-none", me(plane)):
                with pytest.raises(NotFound):
                    await way
            assert await plane.missions.events(mission, olga) == before

    run(story())


def test_a_paused_mission_is_shown_and_listed_as_paused(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, olga, *_ = await a_mission(plane)
            await plane.control.pause(mission, olga, "lunch")

            shown, (listed,) = await plane.missions.show(mission, olga), await plane.missions.all(olga)
            assert (shown["status"], shown["paused_by"], listed["status"]) == ("paused", "olga", "paused")

            await plane.control.resume(mission, olga)
            await plane.missions.drive(mission, olga)
            shown, (listed,) = await plane.missions.show(mission, olga), await plane.missions.all(olga)
            assert (shown["status"], shown["paused_by"], listed["status"]) == ("waiting", "", "waiting")

    run(story())


def test_what_is_taken_from_a_person_needs_a_reason_which_stands_sealed(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, olga, *_ = await a_mission(plane)
            (asked,) = await plane.approvals.all(olga)
            for way in (
                plane.control.skip(mission, asked["step"], olga, " "),
                plane.control.steer(mission, PlanChange(remove=["plan"]), olga, ""),
            ):
                with pytest.raises(InvalidInput):
                    await way

            await plane.control.skip(mission, asked["step"], olga, "a private reason")
            shown = await plane.missions.show(mission, olga, bodies=True)
            (step,) = [one for one in shown["steps"] if one["id"] == asked["step"]]
            assert (step["status"], step["why"]) == ("skipped", "a private reason")
            exported = str([entry.payload for entry in await plane.core.store.read_prefix("")])
            assert "private reason" not in exported

    run(story())
