"""One run of a step on its way onto the record: reading and sealing bodies, the claim, the facts, the ends."""

from collections.abc import Sequence
from typing import Any

from remit.clock import Clock
from remit.errors import RemitError
from remit.gateway import Door, RunTape, micros_of, step_stream
from remit.ids import Ids, StepId, StreamId
from remit.ledger import Commit, Draft, Entry, PutBlob, Write
from remit.missions import events
from remit.missions.active import ActiveMission
from remit.missions.callers import REMIT
from remit.missions.control import claim_fact
from remit.missions.event import Event
from remit.missions.labels import label_before
from remit.missions.reserve import holds_reserve, reserve_for
from remit.missions.state import StepState
from remit.planning import Step
from remit.state import Pointer
from remit.tools import Label


class Running:
    """One run of one step, with the ways to read bodies and to put its facts on record."""

    def __init__(
        self,
        door: Door,
        clock: Clock,
        ids: Ids,
        mission: ActiveMission,
        name: StepId,
        epoch: int,
        *,
        lease: str = "",
    ) -> None:
        self.door = door
        self.clock = clock
        self.ids = ids
        self.mission = mission
        self.name = name
        self.epoch = epoch
        #: Which lease that epoch counts; empty for the mission's own.
        self.lease = lease
        #: The step as it was when the run began, or as it stands since it was prepared.
        self.held: StepState = mission.state.steps[name]
        #: The run's number.
        self.number = self.held.runs + 1
        self.claimed = False
        #: Bodies that go on record with what refers to them.
        self.blobs: list[PutBlob] = []
        self.tape = RunTape(label=label_before(mission.state, mission.log, self.held), written=self._written)
        self.agent = ""

    @property
    def step(self) -> Step:
        """The step itself."""
        return self.held.step

    @property
    def now_us(self) -> int:
        """Now, in microseconds since 1970-01-01 UTC."""
        return micros_of(self.clock.now())

    @property
    def actor(self) -> str:
        """Who stands in the record as having done it."""
        return f"agent:{self.agent or REMIT}"

    # --- bodies

    async def read_body(self, cid: str) -> Any:
        """The value that is sealed under this name."""
        return await self.door.vault.open(Pointer(self.mission.id, cid))

    def seal(self, value: Any) -> tuple[str, PutBlob]:
        """A value's keyed name, and the write that stores it."""
        pointer, body = self.door.vault.seal(self.mission.id, value)
        return pointer.cid, body

    # --- what is proposed for the record

    def fact(self, what: str) -> str:
        """A fact's name, unique for this run."""
        return f"{what}/{self.name}/{self.held.attempt}/{self.number}"

    def draft(self, event: Event, *, fact: str | None = None, pins: Any = None) -> Draft:
        """An event as it is proposed for the record."""
        return Draft(
            self.mission.stream,
            event.kind,
            event.payload(),
            self.actor,
            self.now_us,
            event.version,
            fact=fact,
            pins=pins,
            closes=event.closes,
        )

    def claim_draft(self) -> Draft:
        """The run's claim."""
        reserve = reserve_for(self.door, self.held)
        event = events.StepStarted(self.name, self.held.attempt, self.number, self.epoch, self.agent, reserve)
        return self.draft(event, fact=claim_fact(self.name, self.held.attempt, self.number))

    def claimed_with(self) -> tuple[Write, ...]:
        """What becomes durable together with a claim: the money for undoing the step."""
        return holds_reserve(self.door.tenant, self.mission.state, reserve_for(self.door, self.held))

    def success(self, output: str, label: Label) -> Draft:
        """The step's good end."""
        event = events.StepSucceeded(
            self.name, self.held.attempt, self.number, output, label.trusted, label.confidentiality.value
        )
        pins = step_stream(self.mission.id, self.name, self.held.attempt)
        return self.draft(event, fact=self.fact("end"), pins=pins)

    # --- onto the record

    async def claim(self) -> Sequence[Entry]:
        """Claim the step for this process's epoch; returns the entries."""
        entries = await self._write([self.claim_draft()], [], fenced=True)
        self.claimed = True
        return entries

    async def succeed(self, output: Any) -> None:
        """End the step with this output."""
        cid, body = self.seal(output)
        await self.commit([self.success(cid, self.tape.label)], [body])

    async def write_fact(self, event: Event) -> None:
        """Put the end of this run on record."""
        await self.commit([self.draft(event, fact=self.fact("end"))], [])

    async def end_interrupted(self, cause: Exception) -> None:
        """Put on record that the run was cut off, and that the same attempt goes on later."""
        code = cause.code if isinstance(cause, RemitError) else "interrupted"
        event = events.StepInterrupted(self.name, self.held.attempt, self.number, code)
        await self.commit([self.draft(event, fact=self.fact("end"))], [], fenced=not self.claimed)

    def open_writes(self) -> list[str]:
        """Keys of the step's writes whose outcome is not known."""
        log = self.mission.log
        recorded = [(key, log.last(self.name, key)) for key in log.writes(self.name)]
        return [key for key, call in recorded if call is not None and call.done is None]

    async def commit(
        self, drafts: Sequence[Draft], writes: Sequence[Any], *, fenced: bool = False, new: StreamId | None = None
    ) -> None:
        """Put these on record, `fenced` where they are claims and intents; `new` is a stream that they begin."""
        await self._write(drafts, writes, fenced=fenced, new=new)

    async def _write(
        self, drafts: Sequence[Draft], writes: Sequence[Any], *, fenced: bool, new: StreamId | None = None
    ) -> Sequence[Entry]:
        claims = any(draft.kind == events.StepStarted.kind for draft in drafts)
        commit = Commit(
            tuple(drafts),
            (*writes, *self.claimed_with()) if claims else tuple(writes),
            expect=((new, 0),) if new is not None else (),
            epoch=self.epoch if fenced else None,
            lease=self.lease or self.door.lease_of(self.mission.id),
            open=(self.mission.stream,) if fenced else (),
        )
        entries = await self.door.journal.commit(commit)
        self.mission.apply(entries)
        return entries

    def _written(self, entries: Sequence[Entry]) -> None:
        self.claimed = self.claimed or bool(entries)
        self.mission.apply(entries)
