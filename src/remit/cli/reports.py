"""A mission's report on the screen: what became of each document, and of the money."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.cli.cases import how_to_answer
from remit.cli.screen import Screen
from remit.cli.views import money

#: Columns of a mission's steps that are there even where nothing stands in them.
_ALWAYS = frozenset({"step", "does", "status"})
#: Asks a workflow's own questions and makes its own calls; it uses no model.
_OWN_AGENT = "remit@"
#: How many steps that wait are told one by one.
_PARKED_MAX = 5


def show_report(screen: Screen, report: Mapping[str, Any], home: Path, mission: str) -> None:
    """Print the report; one that is not about documents shows the mission's steps."""
    screen.say()
    if "documents" in report:
        _documents(screen, report)
    else:
        show_mission(screen, report)
    waiting = report.get("waiting") or [
        {"approval": asked["id"], "file": asked["step"]} for asked in report.get("approvals", [])
    ]
    if waiting:
        screen.say()
        screen.say(f"{len(waiting)} wait for a person. To see a case and how to answer it:", style="yellow")
        for asked in waiting:
            screen.say(f"  {how_to_answer(asked['approval'], home)}   # {asked.get('file', '')}")
    at = shlex.quote(str(home))
    screen.say()
    screen.say(f"Record: {home}, mission {mission}")
    screen.say(f"  remit ledger show --mission {mission} --home {at}")
    screen.say(f"  remit ledger verify --home {at}")


def show_mission(screen: Screen, shown: Mapping[str, Any]) -> None:
    """A mission's head line and its steps."""
    head = f"Mission {shown['id']} ({shown['workflow']}): {shown['status']}"
    screen.say(f"{head} {shown['code']} {shown['detail']}".rstrip())
    if queued := shown.get("queued"):
        whose = f" of {queued['workflow']}" if queued["workflow"] else ""
        line = f"at most {queued['concurrent']} missions{whose} are driven at once, {queued['waiting']} wait"
        screen.say(f"waits for its turn: {line}", style="yellow")
    if any(step["agent"] and not step["agent"].startswith(_OWN_AGENT) for step in shown["steps"]):
        screen.say(f"read by: {shown['reader']}")
    if shown.get("undone"):
        screen.say(f"undone: {', '.join(shown['undone'])}")
    for left in shown.get("not_undone", []):
        screen.say(f"not undone: {left['step']} ({left['status']} {left['code']})".rstrip(" )") + ")", style="red")
    columns: dict[str, list[str]] = {
        "step": [s["id"] for s in shown["steps"]],
        "does": [s["target"] or s["kind"] for s in shown["steps"]],
        "status": [s["status"] for s in shown["steps"]],
        "until": [s["until"] for s in shown["steps"]],
        "agent": [s["agent"] for s in shown["steps"]],
        "rules": [", ".join(s["rules"]) or s["code"] for s in shown["steps"]],
    }
    told = [name for name in columns if name in _ALWAYS or any(columns[name])]
    screen.table(told, list(zip(*(columns[name] for name in told), strict=True)))
    _show_parked(screen, shown["id"], [step for step in shown["steps"] if step["status"] == "parked"])


def _show_parked(screen: Screen, mission: str, parked: Sequence[Mapping[str, Any]]) -> None:
    """What steps wait for that no person is asked about, and who moves them on."""
    for step in parked[:_PARKED_MAX]:
        until = f" until {step['until']}" if step["until"] else ""
        match step["kind"]:
            case "event":
                screen.say(f"{step['id']} waits for the event {step['target']}{until}. To say that it has happened:")
                screen.say(f"  remit triggers tell {mission} {step['target']} --id ID --body FILE")
            case "workflow":
                screen.say(f"{step['id']} waits for the mission {step['mission']}{until}.")
            case _:
                screen.say(f"{step['id']} waits{until}.")
    if len(parked) > _PARKED_MAX:
        screen.say(f"and {len(parked) - _PARKED_MAX} more wait.")
    if any(step["until"] for step in parked):
        screen.say(f"`remit serve` moves it on in time; without a server, `remit watch {mission}` does.")


def _documents(screen: Screen, report: Mapping[str, Any]) -> None:
    screen.say(f"{report.get('title', 'Report')}: {report.get('reader', '')}", style="bold")
    rows = [
        (d.get("file", ""), d.get("type", ""), _amount(d), d.get("status", ""), _because(d))
        for d in report["documents"]
    ]
    screen.table(("document", "type", "amount", "status", "why"), rows, right=("amount",))
    screen.say()
    paid = report.get("paid", [])
    count = sum(int(part.get("count", 0)) for part in paid)
    payments = f" in {count} payment{'s' * (count != 1)}" if count else ""
    screen.say(f"Paid: {money(paid)}{payments}", style="green" if paid else "")
    tokens = report.get("tokens") or {}
    spent = ", ".join(f"{value} {name}" for name, value in tokens.items()) or "none"
    screen.say(f"Tokens: {spent}; cost: {report.get('cost_usd', '0.00')} USD")
    if report.get("refusals"):
        screen.say()
        screen.say("Refused:", style="red")
        for refusal in report["refusals"]:
            screen.say(f"  {_refusal(refusal)}")
    if report.get("fields_by_origin"):
        screen.say()
        screen.say("Fields that were read:")
        for origin, told in report["fields_by_origin"].items():
            screen.say(f"  {origin}: {_share(told)}")


def _amount(document: Mapping[str, Any]) -> str:
    total = document.get("total", document.get("grand_total"))
    return f"{total} {document.get('currency') or ''}".strip() if total is not None else ""


def _because(document: Mapping[str, Any]) -> str:
    reasons = [str(r.get("message", r)) if isinstance(r, Mapping) else str(r) for r in document.get("reasons") or []]
    rules = ", ".join(document.get("rules") or [])
    told = " ".join(reason if reason.endswith(".") else f"{reason}." for reason in reasons)
    return f"{rules}: {told}" if rules and told else rules or told


def _refusal(refusal: Any) -> str:
    if not isinstance(refusal, Mapping):
        return str(refusal)
    what = refusal.get("file") or refusal.get("step") or refusal.get("tool") or ""
    rules = refusal.get("rule") or ", ".join(refusal.get("rules") or [])
    message = refusal.get("message") or refusal.get("detail") or ""
    return f"{what}: {rules}{f': {message}' if message else ''}"


def _share(told: Mapping[str, Any]) -> str:
    return f"{told['fields']} of {told['of']} fields in {told['documents']} documents"
