"""`missions pause, resume, skip, retry, rerun, steer`: what people do to missions that run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import Client, connected, settings_of
from remit.cli.options import AsJson, Assignments, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.cli.values import assignments
from remit.errors import InvalidInput

MissionId = Annotated[str, typer.Argument(metavar="ID", help="The mission's id.")]
StepName = Annotated[str, typer.Argument(metavar="STEP", help="The step's name, as `missions show` lists it.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it stands in the record, sealed.")]


def add_to(group: typer.Typer) -> None:
    """Add these commands to `missions`."""
    for command in (pause, resume, skip, retry, rerun, steer):
        group.command()(command)


def pause(
    mission: MissionId,
    why: Why = "",
    stop_clock: Annotated[
        bool, typer.Option("--stop-clock", help="Let deadlines and questions' ends stand still meanwhile.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Pause a mission: nothing new begins; what runs goes on to its end. Questions may still be answered."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.post(f"/missions/{mission}/pause", {"why": why, "stop_clock": stop_clock})
        clock = "its clock stands still" if stop_clock else "deadlines go on"
        told = f"{mission} is paused; {clock}." if found["changed"] else f"{mission} was paused already."
        screen.result(found, lambda: screen.say(told))

    run(work, as_json=as_json)


def resume(mission: MissionId, why: Why = "", home: Home = None, as_json: AsJson = False) -> None:
    """Let a paused mission go on."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.post(f"/missions/{mission}/resume", {"why": why})
            told = f"{mission} goes on{_driven(api, mission)}" if found["changed"] else f"{mission} was not paused."
        screen.result(found, lambda: screen.say(told))

    run(work, as_json=as_json)


def skip(mission: MissionId, step: StepName, why: Why = "", home: Home = None, as_json: AsJson = False) -> None:
    """Do without a step that has not ended; what waits for it goes on, and sees why."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.post(f"/missions/{mission}/steps/{step}/skip", {"why": _given(why)})
            told = f"{step} is skipped{_driven(api, mission)}" if found["changed"] else f"{step} was skipped already."
        screen.result(found, lambda: screen.say(told))

    run(work, as_json=as_json)


def retry(mission: MissionId, step: StepName, why: Why = "", home: Home = None, as_json: AsJson = False) -> None:
    """Have a step done again that failed, was refused or was skipped; no write is repeated."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.post(f"/missions/{mission}/steps/{step}/retry", {"why": why})
            told = f"{step} is done again{_driven(api, mission)}"
        screen.result(found, lambda: screen.say(told))

    run(work, as_json=as_json)


def rerun(
    mission: MissionId,
    step: Annotated[str, typer.Option("--from", metavar="STEP", help="The step to begin with.")],
    why: Why = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Have a step done again, and everything that depends on it; what writes did is matched, not repeated."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.post(f"/missions/{mission}/steps/{step}/rerun", {"why": why})
            told = f"{step} and what depends on it are done again{_driven(api, mission)}"
        screen.result(found, lambda: screen.say(told))

    run(work, as_json=as_json)


def steer(
    mission: MissionId,
    why: Why = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="YAML with `add`, `remove` and `change`.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="STEP", help="A step to take out; may be repeated.")
    ] = None,
    change: Annotated[str, typer.Option("--change", metavar="STEP", help="The step that --set gives values.")] = "",
    values: Assignments = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Change the plan of a running mission, where its steps have not begun; all of it or nothing."""

    async def work(screen: Screen) -> None:
        body: dict[str, Any] = {**_changes_in(file), "why": _given(why)}
        body["remove"] = [*body.get("remove", []), *(remove or [])]
        if bool(change) != bool(values):
            raise InvalidInput("--change STEP and --set NAME=VALUE go together.")
        async with connected(settings_of(home)) as api:
            if change:
                body["change"] = {**body.get("change", {}), change: await _input(api, mission, change, values or [])}
            found = await api.post(f"/missions/{mission}/plan", body)
            told = f"The plan of {mission} is changed{_driven(api, mission)}"
        screen.result(found, lambda: screen.say(told))

    run(work, as_json=as_json)


async def _input(api: Client, mission: str, step: str, values: list[str]) -> dict[str, Any]:
    """The step's input as it stands, with these values in place of what they name."""
    shown = await api.get(f"/missions/{mission}", bodies=True)
    held = next((one for one in shown["steps"] if one["id"] == step), None)
    if held is None:
        raise InvalidInput(
            f"There is no step {step} in {mission}.", hint=f"`remit missions show {mission}` lists them."
        )
    given: dict[str, Any] = held["given"] or {}
    return {**given, **assignments(values, given)}


def _changes_in(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    import yaml  # noqa: PLC0415 -- only where a file is given

    try:
        read = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}.") from error
    known = {"add", "remove", "change"}
    if not isinstance(read, dict) or not set(read) <= known:
        raise InvalidInput(f"{file} holds a mapping with {', '.join(sorted(known))}.")
    return read


def _given(why: str) -> str:
    if not why.strip():
        raise InvalidInput("Say why with --why TEXT: it stands on record beside who did it.")
    return why


def _driven(api: Client, mission: str) -> str:
    return "." if api.served else f"; `remit watch {mission}` drives it on."
