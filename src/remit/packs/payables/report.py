"""The report of a payables mission: every document and what became of it, wherever the mission stands."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from remit.packs.payables.amounts import amount_text
from remit.packs.payables.facts import INVOICE_FIELDS

_OPEN = {"pending", "ready", "running", "waiting", "blocked"}


def report(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Make the report from a mission as the control plane shows it, with what its steps read and wrote."""
    steps = {step["id"]: step for step in shown["steps"]}
    plan = (steps.get("plan", {}).get("output") or {}).get("documents", [])
    assessed = _assessments(steps)
    approvals = {asked["step"]: approval for approval, asked in shown["questions"].items()}
    documents = [_document(one, steps, assessed.get(one["file"]), approvals) for one in plan]
    paid: Counter[str] = Counter()
    sums: dict[str, Decimal] = {}
    for one in documents:
        if one["status"] == "paid":
            paid[one["payment"]["currency"]] += 1
            currency = one["payment"]["currency"]
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(one["payment"]["amount"])
    origins = Counter(one["origin"] for one in documents if one["type"] == "invoice")
    return {
        "title": "Payables",
        "mission": shown["id"],
        "status": shown["status"],
        "detail": shown["detail"] or shown["code"],
        "reader": shown["reader"],
        "documents": documents,
        "paid": [
            {"currency": currency, "amount": amount_text(sums[currency]), "count": count}
            for currency, count in sorted(paid.items())
        ],
        "refusals": [
            {"file": one["file"], "rules": one["rules"], "reason": " ".join(one["reasons"])}
            for one in documents
            if one["status"] in {"refused", "unreadable"}
        ],
        "waiting": _waiting(documents, shown["questions"]),
        "fields_by_origin": {
            origin: {
                "documents": count,
                "fields": sum(_found(one) for one in documents if one["type"] == "invoice" and one["origin"] == origin),
                "of": count * len(INVOICE_FIELDS),
            }
            for origin, count in sorted(origins.items())
        },
        "tokens": shown["tokens"],
        "cost_usd": amount_text(Decimal(shown["budget"]["used_usd_micros"]) / 1_000_000),
        "record": shown["ledger"],
    }


def _waiting(documents: list[dict[str, Any]], questions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every open question: those about documents, then those about other calls."""
    about = {one["approval"]: one for one in documents if one["approval"]}
    known = [
        {"approval": approval, "file": one["file"], "rules": one["rules"], "title": one["title"]}
        for approval, one in about.items()
    ]
    others = [
        {"approval": approval, "file": "", "rules": list(asked["rules"]), "title": asked["title"]}
        for approval, asked in questions.items()
        if approval not in about
    ]
    return known + others


def _assessments(steps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The newest assessment of each file: matching first, then what was looked at again."""
    found: dict[str, dict[str, Any]] = {}
    names = ["match", *sorted(name for name in steps if name.startswith("recheck-"))]
    for name in names:
        for assessment in (steps.get(name, {}).get("output") or {}).get("assessments", []):
            found[assessment["file"]] = assessment
    return found


def _document(
    planned: Mapping[str, Any],
    steps: Mapping[str, Any],
    assessment: Mapping[str, Any] | None,
    approvals: Mapping[str, str],
) -> dict[str, Any]:
    number = planned["step"].removeprefix("read-")
    read = steps.get(planned["step"], {})
    reading = read.get("output") or {}
    acting = steps.get(f"pay-{number}") or steps.get(f"ask-{number}") or {}
    status, rules, reasons = _outcome(read, assessment, acting, steps.get(f"recheck-{number}"))
    rules = [*(assessment["rules"] if assessment else []), *rules]
    reasons = [*(assessment["reasons"] if assessment else []), *reasons]
    paid = acting.get("given") if acting.get("kind") == "tool" else None
    return {
        "file": planned["file"],
        "type": reading.get("type", planned["type"]),
        "status": status,
        "rules": list(dict.fromkeys(rules)),
        "reasons": list(dict.fromkeys(reasons)),
        "title": assessment["title"] if assessment else planned["file"],
        "origin": reading.get("origin", "none"),
        "step": acting.get("id", planned["step"]),
        "approval": approvals.get(acting.get("id", ""), ""),
        "answered": {"verdict": acting.get("verdict", ""), "by": acting.get("answered_by", "")},
        "payment": paid or (assessment or {}).get("payment"),
        **{name: reading.get(name) for name in INVOICE_FIELDS},
    }


def _outcome(
    read: Mapping[str, Any],
    assessment: Mapping[str, Any] | None,
    acting: Mapping[str, Any],
    recheck: Mapping[str, Any] | None,
) -> tuple[str, list[str], list[str]]:
    """Status, and the rules and reasons that a step has added to the assessment's."""
    if assessment is None:
        lost = read.get("status") in {"failed", "refused"}
        return ("unreadable", read["rules"], _why(read)) if lost else ("waiting", [], [])
    if assessment["decision"] not in {"pay", "ask"}:
        return {"refuse": "refused"}.get(assessment["decision"], assessment["decision"]), [], []
    if acting.get("status") == "succeeded":
        return ("paid", [], _said(acting)) if acting["kind"] == "tool" else _after_yes(assessment, acting, recheck)
    status = "waiting" if acting.get("status", "pending") in _OPEN else "refused"
    return status, list(acting.get("rules", [])), _why(acting)


def _after_yes(
    assessment: Mapping[str, Any], question: Mapping[str, Any], recheck: Mapping[str, Any] | None
) -> tuple[str, list[str], list[str]]:
    """A question was answered with yes, and no payment came of it."""
    by = question.get("answered_by", "")
    if recheck is None:
        return "refused", ["settled_by_hand"], [f"{by} noted it as settled by hand; nothing was paid."]
    if recheck["status"] in _OPEN:
        return "waiting", [], []
    if recheck["status"] != "succeeded":
        return "refused", list(recheck["rules"]), _why(recheck)
    still = (
        "the vendor is still not in the ERP" if "vendor_unknown" in assessment["rules"] else "it still cannot be paid"
    )
    return "waiting", [], [f"{by} said yes, and {still}."]


def _said(step: Mapping[str, Any]) -> list[str]:
    """Who let a payment through, where somebody was asked."""
    word = {"approve": "Approved", "steer": "Changed and approved"}.get(step.get("verdict", ""))
    return [f"{word} by {step['answered_by']}."] if word else []


def _why(step: Mapping[str, Any]) -> list[str]:
    why = step.get("why")
    if isinstance(why, Mapping):
        return [f"{why.get('title', '')} {why.get('detail', '')}".strip()]
    return [f"Rejected: {why}"] if isinstance(why, str) and why else []


def _found(document: Mapping[str, Any]) -> int:
    return sum(document[name] is not None for name in INVOICE_FIELDS)
