"""Something happened outside: the steps that wait for it go on, in one commit with the note that it was taken."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remit.clock import Clock
from remit.errors import InvalidInput, StreamMoved
from remit.gateway import Door, leaves, micros_of, text_of
from remit.ids import MissionId, StepId, StreamId
from remit.ledger import Commit, Draft, PutRecord, Records, Write
from remit.missions.active import ActiveMission
from remit.missions.decide import Occur, decide
from remit.missions.flow_events import EventOccurred
from remit.missions.parking import FORMS, LISTENING, match_of
from remit.missions.state import MissionState, StepState, StepStatus
from remit.planning import StepKind
from remit.state import Pointer
from remit.tools import Confidentiality

#: How often it is decided anew because a mission moved meanwhile.
_TRIES = 20
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,99}")
_ID_LETTERS_MAX = 500
#: Why an event is not taken that was taken before.
DUPLICATE = "duplicate"
#: What else goes into the commit that takes an event, given the missions that take it.
AlongEvent = Callable[[Sequence[MissionId]], tuple[tuple[Draft, ...], tuple[Write, ...]]]


@dataclass(frozen=True, slots=True)
class OutsideEvent:
    """Something that happened outside, as it was told."""

    #: Its source's own name for it: the same once more is the same event.
    id: str
    name: str
    #: `trigger/NAME`, or `principal:ID`.
    source: str
    body: Any
    #: The mission that it is for; None for every mission that waits for what it says.
    mission: MissionId | None = None
    #: Those of the body's values that count as a person's own, in the body's form: the source vouches for them.
    vouched: Mapping[str, Any] = field(default_factory=dict)
    #: True where these are all.
    trusted: bool = False
    confidentiality: Confidentiality = Confidentiality.INTERNAL


@dataclass(frozen=True, slots=True)
class Occurred:
    """What became of an event."""

    taken: bool
    #: The missions that go on.
    missions: tuple[MissionId, ...]
    #: Why it was not taken; empty where it was.
    reason: str


@dataclass(slots=True)
class _House:
    """What is needed to look an event's missions up."""

    door: Door
    records: Records
    clock: Clock


async def occur(
    door: Door, records: Records, clock: Clock, event: OutsideEvent, *, along: AlongEvent | None = None
) -> Occurred:
    """Let the missions go on that wait for the event; the same event again changes nothing.

    `along` gives what is to become durable together with it, or not at all. Whoever drives the missions in this process
    is to be nudged afterwards.

    Raises:
        InvalidInput: its name or id cannot be read.
        NotFound: it is for a mission that there is not.
        FactExists: a fact of `along` is on record already.
    """
    if not _NAME.fullmatch(event.name):
        raise InvalidInput("An event's name has small letters, digits, '.', '_' and '-', at most 100.")
    if not event.id or len(event.id) > _ID_LETTERS_MAX:
        raise InvalidInput(f"An event's id has 1 to {_ID_LETTERS_MAX} letters.")
    house = _House(door, records, clock)
    digest = door.vault.home_digest(["event", event.source, event.id])
    stream = StreamId(f"event/{digest}")
    for _ in range(_TRIES):
        if await door.journal.read(stream, limit=1):
            return Occurred(taken=False, missions=(), reason=DUPLICATE)
        waiting, reason = await _waiting(house, event)
        if not waiting:
            return Occurred(taken=False, missions=(), reason=reason)
        try:
            return await _take(house, event, digest, waiting, along)
        except StreamMoved:
            continue
    raise StreamMoved(f"The missions that wait for {event.name} kept moving; the event was not taken.")


async def _take(
    house: _House,
    event: OutsideEvent,
    digest: str,
    waiting: "Sequence[tuple[ActiveMission, StepState]]",
    along: AlongEvent | None,
) -> Occurred:
    door, now_us = house.door, micros_of(house.clock.now())
    drafts: list[Draft] = []
    writes: list[Write] = []
    expect: dict[StreamId, int] = {}
    for active, held in waiting:
        sealed, body = door.vault.seal(active.id, event.body)
        occurred = EventOccurred(
            held.step.id,
            digest,
            event.name,
            event.source,
            sealed.cid,
            event.trusted,
            event.confidentiality.value,
            tuple(sorted({door.vault.digest(active.id, text_of(value)) for _, value in leaves(event.vouched)})),
        )
        drafts += [
            Draft(active.stream, decided.kind, decided.payload(), event.source, now_us, decided.version)
            for decided in decide(active.state, Occur(occurred))
        ]
        writes.append(body)
        if held.listening:
            writes.append(PutRecord(LISTENING, held.listening, None))
        expect[active.stream] = active.state.version
    missions = tuple(dict.fromkeys(active.id for active, _ in waiting))
    taken = Draft(
        StreamId(f"event/{digest}"),
        "event.taken",
        {"name": event.name, "source": event.source, "missions": list(missions)},
        event.source,
        now_us,
        fact="taken",
    )
    also_drafts, also_writes = along(missions) if along else ((), ())
    expect[taken.stream] = 0
    await door.journal.commit(
        Commit((*also_drafts, taken, *drafts), (*writes, *also_writes), expect=tuple(expect.items()))
    )
    return Occurred(taken=True, missions=missions, reason="")


async def _waiting(house: _House, event: OutsideEvent) -> tuple[list[tuple[ActiveMission, StepState]], str]:
    """The missions and steps that wait for the event, or why none does."""
    found: dict[MissionId, list[StepId]] = {}
    fields: list[str] = []
    for form, told in await house.records.records(FORMS, f"{event.name}/"):
        fields += told["fields"]
        match = _match(event.body, told["fields"])
        if match is None:
            continue
        digest = match_of(house.door.vault, event.name, match)
        # An event for one mission does not walk all the others that wait for its like.
        addressed = f"{event.mission}/" if event.mission is not None else ""
        for _, listening in await house.records.records(LISTENING, f"{form}/{digest}/{addressed}"):
            found.setdefault(MissionId(listening["mission"]), []).append(StepId(listening["step"]))
    if event.mission is not None:
        found.setdefault(event.mission, [])
    waiting, reason = [], f"no mission waits for {event.name}"
    for mission, steps in sorted(found.items()):
        active = await ActiveMission.load(mission, house.door.journal, house.door.vault)
        if active.state.status.ended:
            reason = f"{mission} is {active.state.status}"
            continue
        parked = [active.state.steps[step] for step in sorted(steps) if _is_parked(active.state, step)]
        if not parked and event.mission == mission:
            parked = await _later(house, active, event.name)
            if not parked and _waits_for(active.state, event.name):
                differs = ", ".join(dict.fromkeys(fields))
                reason = f"the event {event.name} must say what {mission} waits for in: {differs}"
        waiting += [(active, held) for held in parked]
    return waiting, reason


def _is_parked(state: MissionState, step: StepId) -> bool:
    held = state.steps.get(step)
    return held is not None and held.status is StepStatus.PARKED


def _waits_for(state: MissionState, name: str) -> bool:
    return any(
        held.status is StepStatus.PARKED and held.step.kind is StepKind.EVENT and held.step.target == name
        for held in state.steps.values()
    )


async def _later(house: _House, active: ActiveMission, name: str) -> list[StepState]:
    """The first step that will wait for an event of this name, whatever it says: the event came before its turn."""
    steps = active.state.steps
    coming = sorted(
        step
        for step, held in steps.items()
        if held.step.kind is StepKind.EVENT
        and held.step.target == name
        and not held.step.terms.each
        and held.status in {StepStatus.PENDING, StepStatus.READY}
        and held.early is None
    )
    for step in coming:
        recipe = await house.door.vault.open(Pointer(active.id, steps[step].step.input))
        if not recipe.get("match"):
            return [steps[step]]
    return []


def _match(body: Any, fields: Sequence[str]) -> dict[str, str] | None:
    """What the event says in these fields; None where it lacks one."""
    match = {}
    for dotted in fields:
        value = body
        for part in dotted.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None or isinstance(value, (Mapping, list)):
            return None
        match[dotted] = text_of(value)
    return match
