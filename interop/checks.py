"""What must hold of a home before which an agent has run: everything is on record, and nothing went around the door."""

from collections.abc import Iterator
from typing import Any

from governed import AGENT, MODEL, Governed

_ACTOR = f"agent:{AGENT}@1.0.0"
_LLM = f"llm__{MODEL}"
#: US dollars per million tokens in and out, as the source declares them.
_PRICE_IN, _PRICE_OUT = 1, 2


def before_the_answer(at: Governed, fine: bool, said: str) -> list[str]:
    """What is wrong after the first run, in which one call was refused and one waits for a person."""
    wrong = list(_always(at, fine, said, runs=1))
    if [note.get("tool") for note in at.noted()] != ["find_invoice"]:
        wrong.append(f"not exactly the one look reached the tool server: {at.noted()}")
    if "approval_pending" not in said.partition(" THEN ")[2]:
        wrong.append("the model could not read that the payment waits for a person")
    waiting = [asked["title"] for asked in at.get("/approvals")]
    if waiting != ["office__pay_invoice"]:
        wrong.append(f"not exactly the payment waits for a person: {waiting}")
    return wrong


def after_the_answer(at: Governed, fine: bool, said: str) -> list[str]:
    """What is wrong after a second run, with a person's yes in between."""
    wrong = list(_always(at, fine, said, runs=2))
    if [note.get("tool") for note in at.noted()].count("pay_invoice") != 1:
        wrong.append(f"the payment was not made exactly once: {at.noted()}")
    if "paid" not in said.partition(" THEN ")[2]:
        wrong.append("the model could not read that the payment was made")
    verdict = at.get("/ledger/verify")
    if not verdict["ok"]:
        wrong.append(f"the ledger is not as it was sealed: {verdict}")
    return wrong


def _always(at: Governed, fine: bool, said: str, *, runs: int) -> Iterator[str]:
    if not fine:
        yield "the agent did not end well"
    if "Papierhaus" not in said.partition(" REFUSED ")[0]:
        yield "the model could not read what the tool answered"
    refused = said.partition(" REFUSED ")[2].partition(" THEN ")[0]
    if "policy_denied" not in refused or "kept for ten years" not in refused:
        yield "the model could not read that it was refused, and why"
    entries = at.entries()
    yield from _on_record(at, entries, runs)
    yield from _metered(at, entries)


def _on_record(at: Governed, entries: list[dict[str, Any]], runs: int) -> Iterator[str]:
    permits = [entry for entry in entries if entry["kind"] == "call.permitted"]
    asked = sum(entry["payload"]["tool"] == _LLM for entry in permits)
    if not asked == len(at.stub.log) == 4 * runs:
        yield f"{asked} turns of the model on record, {len(at.stub.log)} at the model, {4 * runs} expected"
    called = sum(entry["payload"]["tool"].startswith("office__") for entry in permits)
    if called != sum("tool" in note for note in at.noted()):
        yield f"{called} calls of tools on record, but at the tool server: {at.noted()}"
    if any("stranger" in note for note in at.noted()):
        yield "somebody without its key came to the tool server"
    refused = [entry["payload"]["tool"] for entry in entries if entry["kind"] == "call.refused"]
    if refused.count("office__delete_invoice") != runs:
        yield f"the refusals on record are {refused}"
    strange = {e["actor"] for e in entries if e["kind"].startswith("call.")} - {_ACTOR}
    if strange:
        yield f"calls are on record as those of {sorted(strange)}"
    (issued,) = [entry["payload"]["chain"][0] for entry in entries if entry["kind"] == "token.issued"]
    sessions = [f"principal:{e['payload']['principal']}" for e in entries if e["kind"] == "mission.submitted"]
    if sessions != [issued]:
        yield f"not one session for {issued} is on record, but for {sessions}"


def _metered(at: Governed, entries: list[dict[str, Any]]) -> Iterator[str]:
    done = [entry["payload"] for entry in entries if entry["kind"] == "call.done"]
    used = sum(payload["used"] for payload in done)
    worth = sum(payload["tokens"][0] * _PRICE_IN + payload["tokens"][1] * _PRICE_OUT for payload in done)
    told = at.get("/cost")["usd_micros"]
    if not 0 < used == worth == told:
        yield f"{used} micro-dollars on record, {worth} by tokens, {told} told"
