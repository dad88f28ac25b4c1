"""`why`, `cost`, `version`: questions about what happened and how things stand."""

from decimal import Decimal
from typing import Annotated, Any

import typer

from remit import __version__
from remit.cli.client import connected, settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen, indented


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (cost, why, version):
        app.command()(command)


def dollars(micros: int) -> str:
    """US dollars from micro-units, to the sixth place where the cents are not even."""
    amount = Decimal(micros) / 1_000_000
    return f"{amount:.2f}" if micros % 10_000 == 0 else f"{amount:.6f}"


def cost(
    mission: Annotated[str, typer.Option("--mission", metavar="ID", help="Only this mission.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what models and priced tools have cost, per mission, agent and tool."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/cost", mission=mission)

        def show() -> None:
            rows = [
                (line["mission"], line["agent"], line["tool"], line["calls"], line["tokens_input"],
                 line["tokens_output"], dollars(line["usd_micros"]))
                for line in found["lines"]
            ]  # fmt: skip
            total = ("total", "", "", sum(line["calls"] for line in found["lines"]), found["tokens_input"],
                     found["tokens_output"], dollars(found["usd_micros"]))  # fmt: skip
            numbers = ("calls", "tokens in", "tokens out", "USD")
            screen.table(("mission", "agent", "tool", *numbers), [*rows, total], right=numbers)

        screen.result(found, show)

    run(work, as_json=as_json)


def why(
    what: Annotated[str, typer.Argument(metavar="MISSION/STEP", help="A step, or an entry of its stream.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say why a step's calls were made or not, and where each argument came from."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/why", call=what)
        screen.result(found, lambda: _tell_why(screen, found))

    run(work, as_json=as_json)


def _tell_why(screen: Screen, found: dict[str, Any]) -> None:
    by = f", by {found['agent']}" if found["agent"] else ""
    screen.say(f"Step {found['step']} of {found['mission']}: {found['status']}{by}")
    if found["proposed_by"]:
        screen.say(f"proposed by step {found['proposed_by']}")
    if found["rules"]:
        screen.say(f"rules: {', '.join(found['rules'])}")
    if found["why"]:
        screen.say(f"because: {_because(found['why'])}")
        _tell_remedy(screen, found["why"])
    for asked in found["approvals"]:
        answer = f"{asked['verdict']} by {asked['by']}" if asked["verdict"] else "not answered"
        screen.say(f"asked a person ({', '.join(asked['rules'])}), {asked['approval']}: {answer}")
    for call in found["calls"]:
        screen.say()
        _tell_call(screen, call)


def _tell_call(screen: Screen, call: dict[str, Any]) -> None:
    if "flagged" in call:
        screen.say(f"{call['at']}  flagged {call['flagged']}: {_because(call['evidence'])}  [{call['entry']}]")
        return
    said = f"refused by {call['refused']}" if "refused" in call else "permitted"
    screen.say(f"{call['at']}  {call['tool']} {said}  [{call['entry']}]")
    if "refused" in call:
        screen.say(f"  because: {_because(call['why'])}")
        _tell_remedy(screen, call["why"])
    elif call["rules"]:
        screen.say(f"  rules: {', '.join(map(str, call['rules']))}")
    if call.get("uncertain"):
        screen.say("  it is not known whether it took effect: look in the target system")
    if call.get("shadow"):
        would = {"permit": "permit it", "ask": "ask a person", "deny": "deny it"}[call["shadow"]["answer"]]
        screen.say(f"  in shadow: would {would}, by {', '.join(call['shadow']['rules'])}")
    if call.get("leave"):
        screen.say(f"  with leave of approval {call['leave']}")
    for argument in call["arguments"]:
        origins = "; ".join(argument["origins"]) or "computed by the agent"
        screen.say(f"  {argument['name']} = {argument['value']}  (from {origins})")
    if label := call.get("answer"):
        trust = "trusted" if label["trusted"] else "not trusted"
        screen.say(f"  answered with what is {label['confidentiality']} and {trust}")


def _tell_remedy(screen: Screen, why: Any) -> None:
    if isinstance(why, dict) and why.get("remedy"):
        screen.say("  what would permit it (nothing is applied by itself):")
        screen.say(indented(why["remedy"]))


def _because(told: Any) -> str:
    if isinstance(told, dict):
        if "title" in told:
            return f"{told['title']} {told.get('detail', '')}".strip()
        return ", ".join(f"{name}: {value}" for name, value in told.items())
    return str(told)


def version(as_json: AsJson = False) -> None:
    """Print the release."""

    async def work(screen: Screen) -> None:
        screen.result({"version": __version__}, lambda: screen.say(f"remit {__version__}"))

    run(work, as_json=as_json)
