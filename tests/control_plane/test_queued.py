"""What people see of a mission that waits for its turn."""

import asyncio

from tests.control_plane.builders import a_home, me, run

from remit.cli.reports import show_mission

NARROW = """\
apiVersion: remit/v1
kind: Workflow
name: narrow
start: wait
tools: ["acme__*"]
budget: {amount: "5.00", currency: USD}
limits: {concurrent: 1}
"""


class Said:
    """A screen that keeps what is said."""

    def __init__(self):
        self.lines = []

    def say(self, text, **_style):
        self.lines.append(text)

    def table(self, *_rows, **_how):
        """Nothing of it is looked at."""


def test_a_mission_that_waits_for_its_turn_says_so_and_why(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await plane.resources.apply([("narrow.yaml", NARROW)], me(plane))
            given = {"vendor": "go", "amount": "50.00"}
            missions = [await plane.missions.submit("narrow", given, me(plane)) for _ in range(3)]
            driving = [asyncio.create_task(plane.missions.drive(mission, me(plane))) for mission in missions]
            shown = [await plane.missions.show(mission, me(plane)) for mission in missions]
            while not all(one["queued"] for one in shown[1:]) or shown[0]["steps"][0]["status"] != "running":
                await asyncio.sleep(0.01)
                shown = [await plane.missions.show(mission, me(plane)) for mission in missions]

            assert [one["status"] for one in shown] == ["working", "queued", "queued"]
            assert shown[2]["queued"] == {"workflow": "narrow", "concurrent": 1, "waiting": 2}
            said = Said()
            show_mission(said, shown[2])
            assert "waits for its turn: at most 1 missions of narrow are driven at once, 2 wait" in said.lines

            (tmp_path / "home" / "go").touch()
            await asyncio.gather(*driving)
            shown = [await plane.missions.show(mission, me(plane)) for mission in missions]
            assert [one["queued"] for one in shown] == [None] * 3

    run(story())
