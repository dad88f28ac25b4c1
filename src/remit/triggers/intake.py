"""What becomes of an event: its effect and its fate in one commit, once for each id."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import jsonschema_rs

from remit.clock import Clock
from remit.errors import FactExists, InvalidEvent, InvalidInput, Misuse, NobodyWaits, Refusal, RemitError
from remit.gateway import Door, micros_of
from remit.ids import Ids, MissionId, StreamId
from remit.ledger import Commit, Draft, PutRecord, Store, Write
from remit.missions import DUPLICATE, OutsideEvent, Provenance, Submission, occur, submit
from remit.registry import Trigger, condition
from remit.triggers.incoming import Incoming, Mapped, event_id, mapped, value_at, vouched

#: Table of the store: by trigger and keyed name of the id, what became of an event. The ledger holds it for ever.
EVENT_TABLE = "event"
_DAY_US = 86_400_000_000
_ID_SHOWN_MAX = 200
_CONDITIONS_MAX = 1000


class Fate(StrEnum):
    """What became of an event."""

    #: It had its effect.
    TAKEN = "taken"
    #: The trigger's condition was not true.
    IGNORED = "ignored"
    #: It was taken or ignored before.
    DUPLICATE = "duplicate"
    #: It could have no effect; the reason says why. Sent again, it is looked at again.
    REFUSED = "refused"
    #: A message of a stream that was refused too often; it is not tried again.
    SET_ASIDE = "set aside"


#: What a second event of the same id cannot change.
_FINAL = frozenset({Fate.TAKEN, Fate.IGNORED})


@dataclass(frozen=True, slots=True)
class Told:
    """An event's fate, for whoever brought it."""

    fate: Fate
    missions: tuple[str, ...] = ()
    #: Why it was refused.
    error: RemitError | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes the events of one home."""

    door: Door
    store: Store
    clock: Clock
    ids: Ids
    #: What reads and judges: a model's name, or the words for none.
    reader: str
    #: Held while one more of an event is counted.
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Compiled conditions, by their text.
    _conditions: dict[str, Any] = field(default_factory=dict)

    async def take(self, trigger: Trigger, incoming: Incoming, *, last_try: bool = False) -> Told:
        """Let the event have its effect, unless it had it before; `last_try` says that nobody brings it again.

        Raises:
            Fault: nothing is known to be written; bring it again.
        """
        came = _Came(self, trigger, incoming, incoming.id, last_try=last_try)
        try:
            came.name = event_id(trigger, incoming)
            return await came.taken()
        except FactExists:
            return await came.again()
        except (Refusal, Misuse) as error:
            return await came.refused(error)

    async def set_aside(self, trigger: Trigger, incoming: Incoming, error: RemitError) -> Told:
        """Put on record that the event cannot be read, now or ever."""
        return await _Came(self, trigger, incoming, incoming.id, last_try=True).refused(error)

    async def forget(self) -> int:
        """Take events off the list whose time there is over, and say how many; the ledger still knows them."""
        now_us = micros_of(self.clock.now())
        over = [key for key, told in await self.store.records(EVENT_TABLE) if told["until_us"] < now_us]
        if over:
            await self.store.commit(Commit((), tuple(PutRecord(EVENT_TABLE, key, None) for key in over)))
        return len(over)

    def condition(self, when: str) -> Any:
        """The compiled condition."""
        program = self._conditions.get(when)
        if program is None:
            if len(self._conditions) >= _CONDITIONS_MAX:
                self._conditions.clear()
            program = self._conditions[when] = condition(when)
        return program


class _Came:
    """One event on its way in."""

    def __init__(self, intake: Intake, trigger: Trigger, incoming: Incoming, name: str, *, last_try: bool) -> None:
        self._intake = intake
        self._trigger = trigger
        self._incoming = incoming
        self._last_try = last_try
        self.name = name

    async def taken(self) -> Told:
        before = await self._before()
        if before is not None and before["fate"] in _FINAL:
            return await self.again()
        if not self._applies():
            await self._commit(Fate.IGNORED)
            return Told(Fate.IGNORED)
        return await (self._submit() if self._trigger.submit is not None else self._deliver())

    async def again(self) -> Told:
        """It was here before: count it, and tell what became of it then."""
        async with self._intake.counting:
            row = await self._before() or self._row(Fate.TAKEN)
            counted = {**row, "duplicates": row["duplicates"] + 1}
            await self._intake.store.commit(Commit((), (PutRecord(EVENT_TABLE, self._key, counted),)))
        return Told(Fate.DUPLICATE, tuple(row["missions"]))

    async def refused(self, error: RemitError) -> Told:
        """Put on record why it had no effect: once for each reason, with the number of tries."""
        fate = Fate.SET_ASIDE if self._last_try else Fate.REFUSED
        before = await self._before()
        row = self._row(fate, error=error, tries=(before["tries"] if before else 0) + 1)
        write = PutRecord(EVENT_TABLE, self._key, row)
        payload = {"event": self._digest, "fate": fate.value, "code": error.code, "rule": error.rule}
        draft = self._draft("trigger.refused", payload, fact=f"{fate.value}/{self._digest}/{error.code}")
        try:
            await self._intake.store.commit(Commit((draft,), (write,)))
        except FactExists:
            await self._intake.store.commit(Commit((), (write,)))
        return Told(fate, error=error)

    # --- its effect

    def _applies(self) -> bool:
        when = self._trigger.when
        if not when:
            return True
        try:
            answer = self._intake.condition(when).eval(data={"event": self._incoming.document()}).value()
        except Exception as error:  # The C++ binding names no types; whatever it raises, the answer is not known.
            raise InvalidEvent("The trigger's condition cannot be told of it.", rule="event_condition") from error
        if not isinstance(answer, bool):
            # CEL gives its errors back as values.
            raise InvalidEvent("The trigger's condition cannot be told of it.", rule="event_condition")
        return answer

    async def _submit(self) -> Told:
        intake, trigger, wanted = self._intake, self._trigger, self._trigger.submit
        assert wanted is not None
        registry = intake.door.controls.registry
        person, workflow = registry.principal(wanted.principal), registry.workflow(wanted.workflow)
        given = mapped(trigger, self._incoming)
        _check_inputs(workflow.name, workflow.inputs, given)
        provenance = Provenance(
            trigger.source, given.vouched, trusted=given.trusted, confidentiality=trigger.confidentiality
        )
        submission = Submission(workflow, given.inputs, intake.reader, provenance, wanted.budget)
        mission = await submit(intake.door, intake.clock, intake.ids, person, submission, along=self._along)
        return Told(Fate.TAKEN, (mission,))

    async def _deliver(self) -> Told:
        intake, trigger, wanted = self._intake, self._trigger, self._trigger.deliver
        assert wanted is not None
        place = value_at(self._incoming.document(), wanted.mission) if wanted.mission else None
        if place is not None and not isinstance(place, str):
            raise InvalidEvent(f"{wanted.mission} names no mission.")
        event = OutsideEvent(
            self.name,
            wanted.event,
            trigger.source,
            self._incoming.body,
            None if place is None else MissionId(place),
            vouched(trigger, self._incoming),
            trusted="event.body" in trigger.verified or trigger.schedule is not None,
            confidentiality=trigger.confidentiality,
        )
        occurred = await occur(intake.door, intake.store, intake.clock, event, along=self._along_all)
        if occurred.taken:
            return Told(Fate.TAKEN, occurred.missions)
        if occurred.reason == DUPLICATE:
            return await self.again()
        raise NobodyWaits(f"{occurred.reason[:1].upper()}{occurred.reason[1:]}.")

    def _along(self, mission: MissionId) -> tuple[tuple[Draft, ...], tuple[Write, ...]]:
        return self._along_all((mission,))

    def _along_all(self, missions: Sequence[MissionId]) -> tuple[tuple[Draft, ...], tuple[Write, ...]]:
        draft, write = self._on_record(Fate.TAKEN, tuple(missions))
        return (draft,), (write,)

    async def _commit(self, fate: Fate) -> None:
        draft, write = self._on_record(fate, ())
        await self._intake.store.commit(Commit((draft,), (write,)))

    # --- its record

    def _on_record(self, fate: Fate, missions: tuple[str, ...]) -> tuple[Draft, PutRecord]:
        payload = {"event": self._digest, "fate": fate.value, "missions": list(missions)}
        draft = self._draft("trigger.taken", payload, fact=f"event/{self._digest}")
        return draft, PutRecord(EVENT_TABLE, self._key, self._row(fate, missions))

    def _draft(self, kind: str, payload: dict[str, Any], *, fact: str) -> Draft:
        return Draft(StreamId(self._trigger.source), kind, payload, "remit", self._now_us, fact=fact)

    def _row(
        self, fate: Fate, missions: tuple[str, ...] = (), *, error: RemitError | None = None, tries: int = 1
    ) -> dict[str, Any]:
        now_us = self._now_us
        return {
            "id": self.name[:_ID_SHOWN_MAX],
            "fate": fate.value,
            "at_us": now_us,
            "missions": list(missions),
            "code": error.code if error else "",
            "rule": error.rule if error else "",
            "reason": str(error) if error else "",
            "tries": tries,
            "duplicates": 0,
            "until_us": now_us + self._trigger.keep_days * _DAY_US,
        }

    async def _before(self) -> dict[str, Any] | None:
        return await self._intake.store.record(EVENT_TABLE, self._key)

    @property
    def _digest(self) -> str:
        return self._intake.door.vault.home_digest([self._trigger.name, self.name])

    @property
    def _key(self) -> str:
        return f"{self._trigger.name}/{self._digest}"

    @property
    def _now_us(self) -> int:
        return micros_of(self._intake.clock.now())


def _check_inputs(name: str, schema: Any, given: Mapped) -> None:
    """Say where inputs do not fit, without their values: an event's may be personal, and the reason is kept."""
    faults = jsonschema_rs.validator_for(dict(schema)).iter_errors(dict(given.inputs))
    places = sorted({".".join(map(str, fault.instance_path)) or "the top" for fault in faults})
    if places:
        raise InvalidInput(f"{name} takes other inputs at {', '.join(places)}.")
