"""Steps that wait without running: for an instant, for something outside, for a mission that they begin.

What they wait for stands in the record; no task and no thread is kept for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from remit.errors import InvalidInput
from remit.gateway import micros_of, text_of
from remit.ids import StepId
from remit.ledger import PutRecord
from remit.missions import flow_events
from remit.missions.event import Event
from remit.missions.nested import begin
from remit.missions.running import Running
from remit.missions.state import MissionState, StepState
from remit.missions.written import Sight
from remit.planning import StepKind
from remit.state import Vault

KINDS = frozenset({StepKind.TIMER, StepKind.EVENT, StepKind.WORKFLOW})
#: Table of the store: event name, form and match to the mission and step that wait.
LISTENING = "listening"
#: Table of the store: event name to the fields by which missions tell their events from others'.
FORMS = "listening_form"
_SECOND_US = 1_000_000


async def park(run: Running, recipe: Mapping[str, Any], sight: Sight) -> None:
    """Claim the step and put on record what it waits for."""
    if run.step.kind is StepKind.TIMER:
        await _write(run, _timer_ends(run, recipe, sight))
    elif run.step.kind is StepKind.EVENT:
        await _listen(run, recipe, sight)
    else:
        await begin(run, recipe, sight)


async def _listen(run: Running, recipe: Mapping[str, Any], sight: Sight) -> None:
    match = {field: text_of(value) for field, value in sight.look_up.fill(recipe.get("match", {})).items()}
    name = run.step.target
    vault = run.door.vault
    form = form_of(vault, sorted(match))
    key = f"{name}/{form}/{match_of(vault, name, match)}/{run.mission.id}/{run.name}"
    told = {"mission": run.mission.id, "step": run.name}
    writes = [PutRecord(LISTENING, key, told), PutRecord(FORMS, f"{name}/{form}", {"fields": sorted(match)})]
    await _write(run, _ends(run), listening=key, writes=writes)


def unheard(state: MissionState, decided: Sequence[Event]) -> tuple[PutRecord, ...]:
    """Take the records away by which outside events found the steps that wait no longer."""
    if any(event.closes for event in decided):
        steps: Iterable[StepState] = state.steps.values()
    else:
        steps = [state.steps[StepId(event.step)] for event in decided if isinstance(event, flow_events.StepElapsed)]
    return tuple(PutRecord(LISTENING, held.listening, None) for held in steps if held.listening)


def form_of(vault: Vault, fields: Sequence[str]) -> str:
    """The keyed name of a set of fields."""
    return vault.home_digest(["event form", list(fields)])


def match_of(vault: Vault, name: str, match: Mapping[str, str]) -> str:
    """The keyed name of what an event must say in its fields to be waited for."""
    return vault.home_digest(["event match", name, dict(match)])


async def _write(run: Running, until_us: int, *, listening: str = "", writes: list[PutRecord] | None = None) -> None:
    parked = flow_events.StepParked(run.name, run.held.attempt, run.number, until_us, "", listening)
    drafts = [run.claim_draft(), run.draft(parked, fact=run.fact("end"))]
    await run.commit(drafts, writes or [], fenced=True)


def _ends(run: Running) -> int:
    """When the step waits no longer; 0 for as long as the mission."""
    seconds = run.step.terms.timeout_seconds
    return run.now_us + seconds * _SECOND_US if seconds else 0


def _timer_ends(run: Running, recipe: Mapping[str, Any], sight: Sight) -> int:
    if "until" not in recipe:
        return run.now_us + int(recipe["after_seconds"]) * _SECOND_US
    until = sight.look_up.fill(recipe["until"])
    try:
        instant = datetime.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        instant = None
    if instant is None:
        raise InvalidInput(f"`until` of step {run.name} is no instant, such as 2026-11-21T09:00:00Z.")
    # A day, or an hour without a zone, is one in UTC; what has passed already is due at once.
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max(micros_of(aware), 1)
