"""A question to a person, as it is shown: what is proposed, why they are asked, the evidence, what each answer does."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remit.cli.screen import Screen, clean, one_line

#: Where evidence names itself, most telling first; everything else follows as it is.
_PLACES = ("document", "file", "source", "where", "page", "field", "xml_field")


def show_case(screen: Screen, approval: Mapping[str, Any]) -> None:
    """Print the whole case."""
    case = approval["case"]
    screen.say(str(case["title"]), style="bold")
    screen.say(f"  approval  {approval['id']}, step {approval['step']} of {approval['mission']}")
    if approval["reason"]:
        screen.say(f"  {approval['verdict']:<8}  {approval['reason']}, {approval['answered_at']}")
    elif approval["verdict"]:
        screen.say(f"  answered  {approval['verdict']} by {approval['answered_by']} at {approval['answered_at']}")
    else:
        by = ", ".join(name.removeprefix("role:") for name in approval["approvers"])
        screen.say(f"  answer    by {by}, until {approval['expires_at']}")
    if case.get("action"):
        screen.say(f"  action    {case['action']['tool']}")
        for name, value in case["action"]["arguments"].items():
            screen.say(f"              {name} = {one_line(value)}")
    for place, reason in enumerate(case.get("reasons", [])):
        screen.say(f"  {'why' if place == 0 else '':<8}  {_reason(reason)}")
    for place, evidence in enumerate(case.get("evidence", [])):
        screen.say(f"  {'evidence' if place == 0 else '':<8}  {_evidence(evidence)}")
    for place, (name, told) in enumerate(case.get("answers", {}).items()):
        screen.say(f"  {'answers' if place == 0 else '':<8}  {name}: {one_line(told)}")


def how_to_answer(approval: str, home: Path) -> str:
    """The command that shows a question and says how to answer it."""
    return command("show", approval, home)


def command(name: str, approval: str, home: Path) -> str:
    """The command that shows or answers this question, as it is typed."""
    values = " --set NAME=VALUE" if name == "steer" else ""
    return f"remit approvals {name} {approval}{values} --home {shlex.quote(str(home))}"


def _reason(reason: Any) -> str:
    if isinstance(reason, Mapping):
        return one_line(f"{reason.get('rule', '')}: {reason.get('message', '')}".strip(": "))
    return one_line(reason)


def _evidence(evidence: Any) -> str:
    if not isinstance(evidence, Mapping):
        return one_line(evidence)
    named = {name: value for name, value in evidence.items() if value is not None and value != ""}
    text = named.pop("text", None)
    if str(named.get("where", "")).startswith(str(named.get("source"))):
        del named["source"]  # `page 1` says already that it is a page
    places = [
        str(named.pop(name)) if name != "page" else f"page {named.pop(name)}" for name in _PLACES if name in named
    ]
    rest = [f"{name} {clean(value)}" for name, value in named.items()]
    told = ", ".join([*places, *rest])
    return one_line(f'{told}: "{text}"' if text is not None else told)
