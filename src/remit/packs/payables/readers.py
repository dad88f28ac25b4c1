"""The agents that read: one for each type of document.

They read by rules. Where the home has a language model, it reads what rules alone cannot be sure of: pages without
structured data, contracts and procedures. What a model says counts only where the page shows it, and never silently:
code compares, and a person is asked.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from remit.errors import BudgetExhausted, PolicyDenied, ToolFailed, ToolUnreachable
from remit.missions import StepContext
from remit.packs.payables.facts import Finding, Reading
from remit.packs.payables.model_reading import CONTRACT, INVOICE, PROCEDURE, Question, merge_contract, merge_invoice

#: How much of a document's text a model is shown.
_TEXT_MAX = 12_000
_OUTPUT_TOKENS_MAX = 1_000


async def read_invoice(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Read one invoice."""
    reading = await _read(context, given)
    if reading.origin != "xml" and reading.text and _has_model(context):
        answer = await _ask_model(context, INVOICE, reading)
        reading = _unusable(reading) if answer is None else merge_invoice(reading, answer)
    return _output(reading)


async def read_contract(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Read one contract."""
    reading = await _read(context, given)
    if reading.text and _has_model(context):
        answer = await _ask_model(context, CONTRACT, reading)
        reading = reading if answer is None else merge_contract(reading, answer)
    return _output(reading)


async def read_procedure(context: StepContext, given: Mapping[str, Any]) -> Any:
    """Read one operating procedure; a model's list of rules goes beside the parsed ones, for people."""
    reading = await _read(context, given)
    if reading.text and reading.procedure is not None and _has_model(context):
        answer = await _ask_model(context, PROCEDURE, reading)
        stated = [rule for rule in (answer or {}).get("rules", []) if isinstance(rule, str)]
        shown = " ".join(reading.text.split())
        said = tuple(rule for rule in stated if " ".join(rule.split()) in shown)
        rules = tuple(dict.fromkeys((*reading.procedure.rules, *said)))
        reading = replace(reading, procedure=replace(reading.procedure, rules=rules))
    return _output(reading)


async def _read(context: StepContext, given: Mapping[str, Any]) -> Reading:
    content = await context.call("documents__read_document", {"folder": given["folder"], "file": given["file"]})
    reading = Reading.from_json(content)
    for finding in reading.findings:
        if finding.rule == "injected_instruction":
            evidence = [{"source": one.source, "where": one.where, "text": one.text} for one in finding.evidence]
            await context.flag(finding.rule, {"file": reading.file, "evidence": evidence})
    return reading


def _has_model(context: StepContext) -> bool:
    return context.reader.startswith("model ")


async def _ask_model(context: StepContext, question: Question, reading: Reading) -> Mapping[str, Any] | None:
    """One question to the model; None where it gave no usable answer. The door holds, meters and records it."""
    asked = {
        "instructions": question.instructions,
        "prompt": f"Document {reading.file}:\n\n{reading.text[:_TEXT_MAX]}",
        "output_schema": question.schema,
        "output_name": question.name,
        "max_output_tokens": _OUTPUT_TOKENS_MAX,
    }
    try:
        content = await context.call("model__chat", asked)
    except (ToolFailed, ToolUnreachable, BudgetExhausted, PolicyDenied):
        # On record with its cause; the document goes on by rules alone, and to a person.
        return None
    output = content.get("output")
    return output if isinstance(output, dict) else None


def _unusable(reading: Reading) -> Reading:
    finding = Finding("model_unusable", "The language model gave no usable answer for this document.", "ask")
    return replace(reading, findings=(*reading.findings, finding))


def _output(reading: Reading) -> dict[str, Any]:
    """What is handed on: facts and evidence; the text of the pages stays behind."""
    return replace(reading, text="").to_json()
