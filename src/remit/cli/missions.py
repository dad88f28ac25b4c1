"""`missions`, `watch`: what was asked for, and how it goes."""

from typing import Annotated

import typer

from remit.cli import control
from remit.cli.cases import how_to_answer
from remit.cli.client import connected, settings_of
from remit.cli.following import catch_up, follow
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.reports import show_mission, show_report
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.cli.views import view_for

group = typer.Typer(help="List missions, show one; pause, change, cancel one.", rich_markup_mode=None)

MissionId = Annotated[str, typer.Argument(metavar="ID", help="The mission's id.")]


def add_to(app: typer.Typer) -> None:
    """Add this group and `watch`."""
    control.add_to(group)
    add_listing(app, "missions", group, listed)
    app.command()(watch)


@group.command("list")
def listed(home: Home = None, as_json: AsJson = False) -> None:
    """List every mission, oldest first."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/missions")
        rows = [
            (m["id"], m["workflow"], m["status"], m["waiting_for_people"], m["principal"], m["submitted_at"])
            for m in found
        ]
        columns = ("mission", "workflow", "status", "questions", "for", "submitted")
        screen.result(found, lambda: screen.table(columns, rows, right=("questions",)))

    run(work, as_json=as_json)


@group.command()
def show(
    mission: MissionId,
    bodies: Annotated[bool, typer.Option("--bodies", help="Also what the steps read and wrote (with --json).")] = False,
    report: Annotated[bool, typer.Option("--report", help="The workflow's report instead of the steps.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show where a mission stands: its steps and open questions."""

    async def work(screen: Screen) -> None:
        settings = settings_of(home)
        async with connected(settings) as api:
            if report:
                found = await api.get(f"/missions/{mission}/report")
                screen.result(found, lambda: show_report(screen, found, settings.home, mission))
                return
            found = await api.get(f"/missions/{mission}", bodies=bodies)

        def told() -> None:
            show_mission(screen, found)
            for asked in found["approvals"]:
                screen.say(f"waits for a person: {how_to_answer(asked['id'], settings.home)}")

        screen.result(found, told)

    run(work, as_json=as_json)


@group.command()
def cancel(
    mission: MissionId,
    compensate: Annotated[
        bool,
        typer.Option("--compensation/--no-compensation", help="Undo first what took effect and can be undone."),
    ] = True,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a mission: no new work; outcomes under way are still recorded, and what can be undone is undone."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.post(f"/missions/{mission}/cancel", {"compensate": compensate})
            driven = "" if api.served else f"; `remit watch {mission}` drives it on"
        undoing = f"{mission} undoes what it did, and is cancelled then{driven}."
        screen.result(
            found, lambda: screen.say(undoing if found["status"] == "undoing" else f"{mission} is cancelled.")
        )

    run(work, as_json=as_json)


def watch(mission: MissionId, home: Home = None, as_json: AsJson = False) -> None:
    """Follow a mission until it rests or has ended; where no other process drives it, this one does.

    Ctrl-C ends the watching; the mission goes on from where it stood when it is driven again.
    """

    async def work(screen: Screen) -> None:
        settings = settings_of(home)
        async with connected(settings) as api:
            view = view_for(screen)
            await catch_up(api, mission, view, silent=False)
            await follow(api, mission, view)
            found = await api.get(f"/missions/{mission}")

        def told() -> None:
            screen.say(f"Mission {mission}: {found['status']}")
            for asked in found["approvals"]:
                screen.say(f"waits for a person: {how_to_answer(asked['id'], settings.home)}")

        screen.result(found, told)

    run(work, as_json=as_json)
