"""`policies`: what is in force, what is wrong with it, what it would say."""

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.client import connected, settings_of
from remit.cli.exits import Exits
from remit.cli.groups import add_listing
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen, indented
from remit.cli.values import assignments

group = typer.Typer(help="See policies, check them, ask them, try them.", rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    add_listing(app, "policies", group, listed)


@group.command("list")
def listed(home: Home = None, as_json: AsJson = False) -> None:
    """List every policy, and whether it is in force."""

    async def work(screen: Screen) -> None:
        async with connected(settings_of(home)) as api:
            found = await api.get("/policies")
        rows = [
            (
                p["name"],
                "inactive" if not p["active"] else "shadow" if p.get("mode") == "shadow" else "active",
                ", ".join(map(str, p.get("agents") or [p.get("agent", "")])),
                "; ".join(p["inactive_because"]) or p.get("description", ""),
            )
            for p in found
        ]
        screen.result(found, lambda: screen.table(("policy", "state", "agents", "about"), rows))

    run(work, as_json=as_json)


@group.command()
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="Files that would be added; none by default.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong, contradictory or without effect in what is in force with these files added.

    Exit code 1 where the files would be refused.
    """

    async def work(screen: Screen) -> Exits:
        from remit.registry.files import read_files  # noqa: PLC0415 -- pydantic: not for `--help`

        body = {"files": _bodies(read_files(files)) if files else []}
        async with connected(settings_of(home)) as api:
            found = await api.post("/policies/check", body)

        def show() -> None:
            for problem in found["problems"]:
                screen.say(f"{problem['severity']}: {problem['message']}")
            screen.say("ok" if found["ok"] else "not ok: these files would be refused")

        screen.result(found, show)
        return Exits.FINE if found["ok"] else Exits.REFUSED

    run(work, as_json=as_json)


@group.command("test")
def decide_cases(
    cases: Annotated[list[Path], typer.Argument(metavar="CASES...", help="Files of cases, or folders of them.")],
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="PATH",
            help="Resource files to decide on, without a home; repeatable.",
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Decide cases on the policies in force, or on those of files; exit code 1 where one is not as it expects."""

    async def work(screen: Screen) -> Exits:
        from remit.control_plane.policies import brings_all, try_cases  # noqa: PLC0415 -- not for `--help`
        from remit.registry.files import read_files  # noqa: PLC0415 -- as above

        read = read_files(cases)
        if files or brings_all(read):
            found = try_cases(read, read_files(files) if files else ())
        else:
            async with connected(settings_of(home)) as api:
                found = await api.post("/policies/test", {"cases": _bodies(read)})
        screen.result(found, lambda: _tell_cases(screen, found))
        return Exits.FINE if found["ok"] else Exits.REFUSED

    run(work, as_json=as_json)


def _bodies(read: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "text": text} for name, text in read]


def _tell_cases(screen: Screen, found: dict[str, Any]) -> None:
    for case in found["cases"]:
        if case["ok"]:
            continue
        screen.say(f"not ok  {case['file']}:{case['line']}: {case['description']}")
        for fault in case["faults"]:
            screen.say(f"  {fault}")
        if case["decision"]:
            _tell_rules(screen, case["decision"])
    screen.say(f"{found['passed']} as expected, {found['failed']} not.")


@group.command()
def simulate(
    files: Annotated[
        list[Path],
        typer.Option("--file", "-f", metavar="PATH", help="Policies to try, or a folder of them; repeatable."),
    ],
    since: Annotated[str, typer.Option("--since", help="Only calls since then: 30d, or a date (UTC).")] = "",
    mission: Annotated[str, typer.Option("--mission", metavar="ID", help="Only this mission's calls.")] = "",
    alone: Annotated[
        bool, typer.Option("--alone", help="Without the policies in force that the files do not replace.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what would have been different on record under these policies, call by call; nothing is written."""

    async def work(screen: Screen) -> None:
        from remit.registry.files import read_files  # noqa: PLC0415 -- pydantic: not for `--help`

        body = {"files": _bodies(read_files(files)), "since": since, "mission": mission, "alone": alone}
        async with connected(settings_of(home)) as api:
            found = await api.post("/policies/simulate", body)
        screen.result(found, lambda: _tell_simulation(screen, found))

    run(work, as_json=as_json)


def _tell_simulation(screen: Screen, found: dict[str, Any]) -> None:
    for call in found["different_calls"]:
        after = call["after"]
        screen.say(f"{call['at']}  {call['agent']} {call['tool']}  [{call['entry']}]")
        screen.say(
            f"  was {call['before']['answer']} ({', '.join(call['before']['rules'])}), would be {after['answer']}:"
        )
        for told in after["spoken"]:
            screen.say(f"    {told['effect']} {told['rule']} of {told['policy'] or 'built in'}: {told['message']}")
    for reason, count in found["reasons"].items():
        screen.say(f"{count} not decided: {reason}")
    if found["left_off"]:
        screen.say(f"{found['left_off']} more are counted and not shown.")
    changes = ", ".join(f"{count} {change}" for change, count in found["changes"].items())
    screen.say(
        f"{found['calls']} calls: {found['same']} the same, {found['different']} different"
        f"{f' ({changes})' if changes else ''}, {found['undecided']} not decided."
    )


@group.command()
def explain(
    agent: Annotated[str, typer.Option("--agent", help="NAME or NAME@VERSION.")],
    tool: Annotated[str, typer.Option("--tool", help="SOURCE__TOOL.")],
    arguments: Annotated[
        list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help="An argument of the call; repeatable.")
    ] = None,
    principal: Annotated[
        str, typer.Option("--for", metavar="NAME", help="The person it acts for; you by default.")
    ] = "",
    skill: Annotated[str, typer.Option("--skill", help="The skill that it carries out.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what policy would answer to a call in a fresh mission, with every rule that spoke."""

    async def work(screen: Screen) -> None:
        given = assignments(arguments or [], {})
        async with connected(settings_of(home)) as api:
            body = {"agent": agent, "tool": tool, "arguments": given, "principal": principal, "skill": skill}
            decision = await api.post("/policies/explain", body)
        screen.result(decision, lambda: _tell(screen, decision))

    run(work, as_json=as_json)


def _tell(screen: Screen, decision: dict[str, Any]) -> None:
    verdict = decision["answer"]
    told = {"deny": "denied", "ask": "permitted once a person agrees", "permit": "permitted"}[verdict]
    screen.say(f"{verdict}: the call would be {told}.")
    if not decision["granted"]:
        screen.say("The agent was not given this tool: the door would refuse it before policy is asked.")
    _tell_rules(screen, decision)
    if decision["remedy"]:
        screen.say("What would permit it (nothing is applied by itself):")
        screen.say(indented(decision["remedy"]))


def _tell_rules(screen: Screen, decision: dict[str, Any]) -> None:
    """Every rule that spoke, with what it compared."""
    rows = [(s["effect"], s["rule"], s["policy"] or "built in", s["message"]) for s in decision["spoken"]]
    rows += [(f"shadow: {s['effect']}", s["rule"], s["policy"], s["message"]) for s in _in_shadow(decision)]
    screen.table(("effect", "rule", "policy", "says"), rows)
    if decision["shadow"]:
        screen.say(f"With the policies in shadow enforced too, the answer would be: {decision['shadow']['answer']}.")


def _in_shadow(decision: dict[str, Any]) -> list[dict[str, Any]]:
    return decision["shadow"]["spoken"] if decision["shadow"] else []
