"""A mission that is being worked on: its folded state and its calls, kept in step with the ledger."""

import asyncio
from collections.abc import Collection, Sequence
from itertools import pairwise

from immutables import Map

from remit.errors import NotFound, StoreCorrupted
from remit.gateway import HAND_OFFS_MIN, CallLog, HandOff
from remit.ids import MissionId, StepId, StreamId
from remit.ledger import GENESIS, Entry, Journal
from remit.missions.control_events import StepsReopened
from remit.missions.events import StepSuspended
from remit.missions.evolve import evolve
from remit.missions.folds import ENTRIES_MIN, Fold, keep, recall
from remit.missions.state import MissionState, StepState
from remit.planning import Step, StepKind
from remit.state import Vault

_PAGE = 1000


def stream_of(mission: MissionId) -> StreamId:
    """The mission's own stream."""
    return StreamId(f"mission/{mission}")


class ActiveMission:
    """State and call log of one mission, advanced by entries as they are written."""

    def __init__(self, mission: MissionId) -> None:
        self.id = mission
        self.state = MissionState(mission)
        self.log = CallLog()
        #: Set by whoever knows that something was written elsewhere; work under way need not end first.
        self.nudged = asyncio.Event()
        #: The step that carries a call out after a person's answer, by the asking step and the call's key.
        self.answering: dict[tuple[StepId, str], StepId] = {}
        #: Missions of its steps that have ended and are not heard yet; None while all must be looked at.
        self.children_ended: set[str] | None = None
        #: Steps and the missions that they waited for when this was last looked at; None before.
        self.awaited: Map[StepId, str] | None = None
        #: Steps that became ready and were not looked at yet.
        self.woken: list[StepId] = []
        self._head = GENESIS
        #: Entries that arrived before the ones that stand ahead of them.
        self._early: dict[int, Entry] = {}
        self._taught = 0
        #: Calls whose entries stand up to here in the record are all folded.
        self._calls_upto = 0
        #: The version of the fold that was kept last.
        self._kept = 0

    @classmethod
    async def load(cls, mission: MissionId, journal: Journal, vault: Vault) -> "ActiveMission":
        """Fold a mission from the ledger.

        Raises:
            NotFound: there is no such mission.
            StoreCorrupted: an entry does not continue the one before it.
            StoreTooNew: a newer release wrote an entry that this one must not fold.
        """
        active = cls(mission)
        fold = await recall(mission, active.stream, journal, vault)
        if fold is not None:
            active._take(fold)
        await active.catch_up(journal)
        if active.state.version == 0:
            raise NotFound(f"There is no mission {mission}.")
        await vault.load_space(mission)
        await active.catch_up_calls(journal)
        return active

    async def keep(self, journal: Journal, vault: Vault, *, at_rest: bool) -> None:
        """Keep what is folded for whoever picks the mission up, once it has doubled; at rest, grown by a quarter."""
        grown = self._kept + self._kept // 4 if at_rest else 2 * self._kept
        if self.state.version < max(grown, ENTRIES_MIN) or self.state.version == self._kept:
            return
        await self.catch_up_calls(journal)
        if self.log.reserving or self.behind:
            return  # a call is on its way through the door: the next time will do
        fold = Fold(self.state, self.log, self.answering, self._head, self._taught, self._calls_upto)
        self._kept = self.state.version
        await keep(fold, self.id, journal, vault)

    def _take(self, fold: Fold) -> None:
        self.state, self.log, self.answering = fold.state, fold.log, fold.answering
        self._head, self._taught, self._calls_upto = fold.head, fold.taught, fold.calls_upto
        self._kept = fold.state.version

    @property
    def stream(self) -> StreamId:
        """The mission's own stream."""
        return stream_of(self.id)

    @property
    def progress(self) -> str:
        """A digest of what has been achieved: changes with every step that ends."""
        ended = len(self.state.steps) - self.state.open_steps
        return f"{ended}/{self.state.reopened}" if self.state.reopened else f"{ended}"

    @property
    def behind(self) -> bool:
        """True where somebody else has written between what was folded and what this process wrote since."""
        return bool(self._early)

    async def catch_up(self, journal: Journal) -> None:
        """Fold whatever others have written since."""
        while page := await journal.read(self.stream, after=self.state.version, limit=_PAGE):
            self.apply(page)
            if len(page) < _PAGE:
                return  # what came after this look is the next one's

    def apply(self, entries: Sequence[Entry]) -> None:
        """Fold entries of the mission's stream; entries of one commit may arrive before those of an earlier one."""
        for entry in entries:
            if entry.stream == self.stream and entry.seq > self.state.version:
                self._early[entry.seq] = entry
        while (entry_or_none := self._early.pop(self.state.version + 1, None)) is not None:
            self._fold(entry_or_none)

    def ancestors(self, step: StepId) -> list[tuple[str, str]]:
        """The (skill, input) pairs above a step, up the chain of proposals and the skills that led to the mission.

        The inputs of those before the mission are not known here; they count for the depth.
        """
        found = []
        above = self.state.steps[step].proposed_by
        while above is not None:
            held = self.state.steps[above]
            found.append((held.step.target, held.step.input))
            above = held.proposed_by
        submitted = self.state.submitted
        return found + [(link, "") for link in (submitted.ancestry if submitted else ())]

    def hand_offs(self, step: StepId) -> list[HandOff]:
        """How the step came to be asked for, from the mission's start: each hand-off with what its giver wrote.

        It follows from the record alone, so a restart forgets nothing.
        """
        steps = self.state.steps
        way = [steps[step]]
        while way[-1].proposed_by is not None:
            way.append(steps[way[-1].proposed_by])
        way.reverse()
        # What was written is looked up for ways only that are long enough to go in circles.
        wrote = self._wrote_by(way[:-1]) if len(way) > HAND_OFFS_MIN else {}
        return [
            HandOff(giver.agent.split("@", 1)[0], held.step.target, frozenset(wrote.get(giver.step.id, ())))
            for giver, held in pairwise(way)
        ]

    def _wrote_by(self, givers: Sequence[StepState]) -> dict[StepId, set[tuple[str, str, str]]]:
        """What each of these steps wrote by itself, and the calls that it proposed, made yet or not."""
        wrote = {giver.step.id: self.log.wrote(giver.step.id) for giver in givers}
        for held in self.state.steps.values():
            if held.proposed_by in wrote and held.step.kind is StepKind.TOOL:
                wrote[held.proposed_by].add((held.step.target, held.step.input, ""))
        return wrote

    def _fold(self, entry: Entry) -> None:
        if entry.prev != self._head:
            raise StoreCorrupted(f"{entry.ref} does not continue the entry before it.")
        self.state = evolve(self.state, entry)
        self.woken += self.state.woken
        self._head = entry.hash
        if entry.kind == StepSuspended.kind and entry.payload["call"]:
            (proposed,) = entry.payload["proposed"]
            name = proposed.id if isinstance(proposed, Step) else proposed["id"]
            self.answering[StepId(entry.payload["step"]), entry.payload["call"]] = StepId(name)
        if entry.kind == StepsReopened.kind:
            again = frozenset(entry.payload["steps"])
            self.answering = {call: child for call, child in self.answering.items() if self._answers(child, again)}
        values = self.state.person_values
        if len(values) > self._taught:
            self.log.learn_from_person(values[self._taught :], entry.ref)
            self._taught = len(values)

    def _answers(self, child: StepId, again: Collection[str]) -> bool:
        """False where a call that was not made is asked about anew, as its step is done again."""
        held = self.state.steps.get(child)
        return held is not None and (bool(held.output) or not held.status.ended or held.answers_step not in again)

    async def catch_up_calls(self, journal: Journal) -> None:
        """Fold calls that others have recorded; what is folded already stays as it is."""
        while page := await journal.read_prefix(f"step/{self.id}/", after_idx=self._calls_upto, limit=_PAGE):
            for entry in page:
                self.log.apply(entry)
            self._calls_upto = max(self._calls_upto, page[-1].idx)
            if len(page) < _PAGE:
                return
