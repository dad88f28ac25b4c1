"""The agent that coordinates: it plans the reading, matches what was read, and proposes payments and questions.

It opens no document itself, so no document's text is in front of it: what it passes on are typed fields and codes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from remit.ids import StepId
from remit.missions import Ended, StepContext
from remit.packs.payables.facts import Finding, Reading
from remit.packs.payables.matching import Assessment, assess, may_be_paid_later, related

#: Type of document to the skill that reads it; whatever else there is goes to the invoice reader, which says what is
#: wrong with it.
_READERS = {"contract": "contract.read", "procedure": "procedure.read"}


async def run(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Carry out one of the coordinator's skills."""
    match context.skill:
        case "payables.plan":
            return await _plan(context, given)
        case "payables.match":
            return await _match(context, given)
        case _:
            return await _recheck(context, given)


async def _plan(context: StepContext, given: Mapping[str, Any]) -> Any:
    """One reading step for each document, all at once; then the matching."""
    folder = given["folder"]
    listed = await context.call("documents__list_documents", {"folder": folder})
    documents = [
        {"step": f"read-{number:03d}", "file": one["file"], "type": one["type"]}
        for number, one in enumerate(listed["documents"], 1)
    ]
    for one in documents:
        skill = _READERS.get(one["type"], "invoice.read")
        context.propose(one["step"], skill=skill, given={"folder": folder, "file": one["file"]})
    after = [one["step"] for one in documents]
    context.propose("match", skill="payables.match", given={"read": documents}, after=after)
    return {"documents": documents}


async def _match(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Match everything that was read, and propose what follows for each document."""
    readings = [_reading(one["file"], await context.output(StepId(one["step"]))) for one in given["read"]]
    assessments = await _assess(context, readings)
    numbers = {one["file"]: one["step"].removeprefix("read-") for one in given["read"]}
    for assessment in assessments:
        _propose(context, assessment, numbers[assessment.file], readings)
    return {"assessments": [assessment.to_json() for assessment in assessments]}


async def _recheck(context: StepContext, given: Mapping[str, Any]) -> Any:
    """A person said yes to a document for which no payment could be formed: can it be formed now?"""
    answer = await context.output(StepId(given["question"]))
    if answer.output is None:
        return {"assessments": []}
    readings = [Reading.from_json(reading) for reading in given["readings"]]
    assessments = await _assess(context, readings)
    (assessment,) = [one for one in assessments if one.file == given["file"]]
    if assessment.payment is not None and assessment.decision in {"pay", "ask"}:
        _propose_payment(context, assessment, given["number"])
    return {"assessments": [assessment.to_json()]}


async def _assess(context: StepContext, readings: Sequence[Reading]) -> tuple[Assessment, ...]:
    """Look up in the ERP whatever the readings name, then judge them together."""
    vendors: dict[str, Any] = {}
    orders: dict[str, Any] = {}
    payments: dict[str, Any] = {}
    #: The same question is asked once: a folder may hold many invoices of one seller.
    asked: dict[tuple[str, str], Any] = {}
    for reading in readings:
        if reading.type != "invoice":
            continue
        seller = (reading.seller_vat_id or "", reading.seller_name or "")
        if seller not in asked:
            asked[seller] = await context.call("erp__find_vendor", {"vat_id": seller[0], "name": seller[1]})
        vendors[reading.file] = asked[seller]
        if reading.order_number and reading.order_number not in orders:
            orders[reading.order_number] = await context.call("erp__find_order", {"number": reading.order_number})
        vendor = asked[seller].get("vendor")
        if vendor and reading.invoice_number:
            key = (vendor["id"], reading.invoice_number)
            if key not in asked:
                asked[key] = await context.call("erp__find_payment", {"vendor": key[0], "invoice": key[1]})
            payments[reading.file] = asked[key]
    return assess(readings, vendors, orders, payments)


def _propose(context: StepContext, assessment: Assessment, number: str, readings: Sequence[Reading]) -> None:
    if assessment.decision not in {"pay", "ask"}:
        return
    if assessment.payment is not None:
        _propose_payment(context, assessment, number)
        return
    question = f"ask-{number}"
    context.propose(question, given=assessment.case(), ask_rules=assessment.rules)
    (reading,) = [one for one in readings if one.file == assessment.file]
    if "vendor_unknown" in assessment.rules and may_be_paid_later(reading):
        at_hand = [one.to_json() for one in related(readings, reading)]
        again = {"question": question, "number": number, "file": reading.file, "readings": at_hand}
        context.propose(f"recheck-{number}", skill="payables.recheck", given=again, after=[question])


def _propose_payment(context: StepContext, assessment: Assessment, number: str) -> None:
    assert assessment.payment is not None
    context.propose(
        f"pay-{number}",
        tool="payments__pay",
        given=assessment.payment.to_json(),
        ask=assessment.case(),
        ask_rules=assessment.rules if assessment.decision == "ask" else (),
    )


def _reading(file: str, ended: Ended) -> Reading:
    if ended.output is not None:
        return Reading.from_json(ended.output)
    finding = Finding("unreadable", f"It could not be read: {', '.join(ended.rules) or ended.status}.", "refuse")
    return Reading(file, "", "unreadable", "none", findings=(finding,))
