"""`approvals`: what waits for people, and their answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.cases import command, how_to_answer, show_case
from remit.cli.client import connected, settings_of
from remit.cli.following import BRIEFLY_SECONDS, catch_up, follow
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Assignments, Home, Note
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.cli.values import assignments
from remit.cli.views import view_for

group = typer.Typer(help="See what waits for people, and answer it.", rich_markup_mode=None)

ApprovalId = Annotated[str, typer.Argument(metavar="ID", help="The approval's id.")]


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    add_listing(app, "approvals", group, lambda home, as_json: listed("", answered=False, home=home, as_json=as_json))


@group.command("list")
def listed(
    mission: Annotated[str, typer.Option("--mission", metavar="ID", help="Only this mission's.")] = "",
    answered: Annotated[bool, typer.Option("--all", help="Also those that were answered.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List open questions, oldest first."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/approvals", mission=mission, answered=answered)
        rows = [
            (a["id"], a["title"], ", ".join(a["rules"]), ", ".join(a["answers"]), a["verdict"] or _standing(a),
             a["expires_at"])
            for a in found
        ]  # fmt: skip
        columns = ("approval", "title", "rules", "answers", "state", "expires")
        screen.result(found, lambda: screen.table(columns, rows))

    run(work, as_json=as_json)


def _standing(asked: dict[str, Any]) -> str:
    """How an open question stands."""
    if asked["escalated_at"]:
        return f"escalated to {', '.join(asked['escalated_to'])}"
    return "waiting, reminded" if asked["reminders"] else "waiting"


@group.command()
def show(approval: ApprovalId, home: Home = None, as_json: AsJson = False) -> None:
    """Show one question: proposed action, reasons, evidence, and what each answer does."""

    async def work(screen: Screen) -> None:
        settings = settings_of(home)
        async with connected(settings) as api:
            found = await api.get(f"/approvals/{approval}")

        def told() -> None:
            show_case(screen, found)
            if not found["verdict"]:
                for name in found["answers"]:
                    screen.say(f"  {command(name, approval, settings.home)}")

        screen.result(found, told)

    run(work, as_json=as_json)


@group.command()
def approve(approval: ApprovalId, note: Note = "", home: Home = None, as_json: AsJson = False) -> None:
    """Say yes to exactly what is proposed, once; the mission goes on to its next wait."""
    _answer(approval, "approve", note, [], home, as_json=as_json)


@group.command()
def reject(approval: ApprovalId, note: Note = "", home: Home = None, as_json: AsJson = False) -> None:
    """Say no; the mission goes on to its next wait."""
    _answer(approval, "reject", note, [], home, as_json=as_json)


@group.command()
def steer(
    approval: ApprovalId, changes: Assignments = None, note: Note = "", home: Home = None, as_json: AsJson = False
) -> None:
    """Say yes with other values for the call's arguments; they are checked like any others."""
    _answer(approval, "steer", note, changes or [], home, as_json=as_json)


def _answer(approval: str, verdict: str, note: str, changes: list[str], home: Path | None, *, as_json: bool) -> None:
    async def work(screen: Screen) -> None:
        settings = settings_of(home)
        async with connected(settings) as api:
            proposed: dict[str, Any] = {}
            if changes:
                case = (await api.get(f"/approvals/{approval}"))["case"]
                proposed = (case.get("action") or {}).get("arguments", {})
            body = {"verdict": verdict, "note": note, "changes": assignments(changes, proposed)}
            answered = await api.post(f"/approvals/{approval}/answer", body)
            mission = answered["mission"]
            screen.say(f"{verdict} by {answered['by']} is on record.")
            view = view_for(screen)
            await catch_up(api, mission, view)
            rest = await follow(api, mission, view, patience_seconds=BRIEFLY_SECONDS)
            left = await api.get("/approvals", mission=mission)

        def told() -> None:
            if rest["driven_elsewhere"]:
                screen.say("Another process drives this home; it takes the answer on.")
            elif rest["ended"]:
                screen.say(f"Mission {mission} has ended: remit missions show {mission} --report")
            for asked in left:
                screen.say(f"still waits: {how_to_answer(asked['id'], settings.home)}   # {asked['title']}")

        screen.result({**answered, "rest": rest, "still_open": [asked["id"] for asked in left]}, told)

    run(work, as_json=as_json)
