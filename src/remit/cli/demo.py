"""`demo`, `run`: one piece of work from its documents to its report."""

import shlex
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.asking import Asking, Standing
from remit.cli.client import Client, connected, settings_of
from remit.cli.exits import Exits
from remit.cli.following import catch_up, follow
from remit.cli.options import Answer, AsJson, Assignments, Home, Priority, Verdict
from remit.cli.reports import show_report
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.cli.values import assignments
from remit.cli.views import view_for
from remit.config import Settings, environment
from remit.errors import InvalidInput

PAYABLES = "payables"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(demo)
    app.command("run")(run_workflow)


def demo(answer: Answer = None, home: Home = None, as_json: AsJson = False) -> None:
    """Let a team of agents work through a folder of sample invoices, contracts and procedures.

    Starts in --home or REMIT_HOME and goes on with what it holds; without either it makes a new home and says where.
    What needs a person is asked on a terminal, else it waits.
    """

    async def work(screen: Screen) -> Exits:
        settings = _demo_settings(home)
        screen.say(f"Home: {settings.home}")
        await _ready(screen, settings)
        from remit.packs.payables.pack import sample_folder, stage  # noqa: PLC0415 -- documents: not for `--help`

        inputs = stage(settings.home, sample_folder())
        async with connected(settings) as api:
            mission = await _earlier(api, inputs)
            if mission is None:
                mission = (await api.post("/missions", {"workflow": PAYABLES, "inputs": inputs}))["mission"]
                return await _through(api, screen, mission, answer)
            screen.note(f"going on with mission {mission}")
            return await _through(api, screen, mission, answer, known=True)

    run(work, as_json=as_json)


def run_workflow(
    workflow: Annotated[str, typer.Argument(help="The workflow's name, such as payables.")],
    folder: Annotated[
        Path | None, typer.Option("--input", metavar="DIR", help="The folder of documents to work through.")
    ] = None,
    values: Assignments = None,
    priority: Annotated[
        Priority, typer.Option("--priority", help="How urgent it is, as far as the workflow allows.")
    ] = Priority.NORMAL,
    answer: Answer = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Submit one mission and see it through to its end or its next wait; --set gives inputs by name.

    `payables` copies the documents of --input into the home; any other workflow gets the folder's path as `folder`.
    """

    async def work(screen: Screen) -> Exits:
        if folder is not None and not folder.is_dir():
            raise InvalidInput(f"There is no folder {folder}.", hint="Name a folder of documents with --input DIR.")
        inputs = assignments(values or [], {})
        if folder is None and workflow == PAYABLES and not inputs:
            raise InvalidInput("payables works through a folder.", hint="Name it with --input DIR.")
        settings = settings_of(home)
        if workflow == PAYABLES:
            _look_into(folder)
            await _ready(screen, settings)
        if folder is not None:
            inputs = {**_staged(workflow, settings, folder), **inputs}
        async with connected(settings) as api:
            asked = {"workflow": workflow, "inputs": inputs, "priority": priority.value}
            mission = (await api.post("/missions", asked))["mission"]
            screen.note(f"mission {mission}")
            return await _through(api, screen, mission, answer)

    run(work, as_json=as_json)


def _demo_settings(home: Path | None) -> Settings:
    if home is None and not environment().get("REMIT_HOME"):
        home = Path(tempfile.mkdtemp(prefix="remit-demo-"))
    return settings_of(home)


def _staged(workflow: str, settings: Settings, folder: Path) -> dict[str, Any]:
    if workflow != PAYABLES:
        return {"folder": str(folder.absolute())}
    from remit.packs.payables.pack import stage  # noqa: PLC0415 -- documents: not for `--help`

    return dict(stage(settings.home, folder))


def _look_into(folder: Path | None) -> None:
    """Refuse a folder without documents before anything is made or changed."""
    from remit.packs.payables.pack import documents_in  # noqa: PLC0415 -- as above

    if folder is not None:
        documents_in(folder)


async def _ready(screen: Screen, settings: Settings) -> None:
    """A home with the payables pack; what is there already stays as it is."""
    from remit.bootstrap import create_home, is_home  # noqa: PLC0415 -- as above
    from remit.packs.payables.pack import prepare, resource_files  # noqa: PLC0415 -- as above

    if not is_home(settings):
        screen.note(f"making a home in {settings.home}")
        await create_home(settings)
    prepare(settings.home)
    async with connected(settings) as api:
        if any(found["name"] == PAYABLES for found in await api.get("/workflows")):
            return
        screen.note("applying the payables pack")
        files = [{"name": name, "text": text} for name, text in resource_files()]
        applied = await api.post("/apply", {"files": files})
    for warning in applied["warnings"]:
        screen.note(f"warning: {warning}")


async def _earlier(api: Client, inputs: dict[str, Any]) -> str | None:
    """The newest payables mission over these inputs."""
    for listed in reversed(await api.get("/missions")):
        if listed["workflow"] == PAYABLES:
            shown = await api.get(f"/missions/{listed['id']}", bodies=True)
            if shown["inputs"] == inputs:
                return str(listed["id"])
    return None


async def _through(api: Client, screen: Screen, mission: str, answer: Verdict | None, *, known: bool = False) -> Exits:
    """Drive, let questions be answered, drive on, until nothing more is answered; then the report.

    `known` says that what happened before was told before.
    """
    view = view_for(screen)
    answering = Standing(answer.value) if answer else Asking() if screen.asks else None
    if known:
        await catch_up(api, mission, view)
    while True:
        rest = await follow(api, mission, view)
        if rest["ended"] or answering is None or not await answering.answer(api, screen, mission):
            break
    report = await api.get(f"/missions/{mission}/report")
    shown = {"mission": mission, "home": str(api.settings.home), **report}
    screen.result(shown, lambda: show_report(screen, report, api.settings.home, mission))
    return await _outcome(api, screen, mission, rest)


async def _outcome(api: Client, screen: Screen, mission: str, rest: dict[str, Any]) -> Exits:
    """The exit code; where the mission could not do its work, why, and where to look."""
    if rest["halted"]:
        screen.note(
            "The mission stands still: `remit halt --list` says why; after the halt is lifted, `remit watch` it."
        )
        return Exits.REFUSED
    found = await api.get(f"/missions/{mission}")
    if found["status"] != "failed":
        return Exits.FINE
    screen.note(f"The mission failed: {found['code']} {found['detail']}".rstrip())
    for step in found["steps"]:
        if step["status"] in {"failed", "refused"}:
            screen.note(f"  remit why {mission}/{step['id']} --home {shlex.quote(str(api.settings.home))}")
    return Exits.REFUSED
