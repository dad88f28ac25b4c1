"""Which steps of a mission are carried out next; the cost of each does not grow with the steps that wait."""

from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush

from remit.ids import StepId
from remit.missions.active import ActiveMission
from remit.missions.decide import RETRY_SECONDS_MAX
from remit.missions.state import StepState
from remit.missions.undo import may_run


class ReadyQueue:
    """The steps of one mission that may be claimed, next by name: maps have no order, and chance must not give one.

    A step that cannot begin yet is set aside: until an instant, or until the halts change.
    """

    def __init__(self, mission: ActiveMission) -> None:
        self._mission = mission
        mission.woken.clear()
        # What counts as running and has no task here was claimed before a crash: it goes on from its tape.
        self._begun = sorted(mission.state.running)
        self._names = list(mission.state.ready)
        heapify(self._names)
        #: By the instant at which they are due.
        self._resting: list[tuple[int, StepId]] = []
        self._halted: list[StepId] = []
        self._halts: object = None

    def put_back(self, name: StepId) -> None:
        """Look at a step again whose run is over."""
        state = self._mission.state
        if name in state.running:
            heappush(self._begun, name)
        elif name in state.ready:
            heappush(self._names, name)

    def take(
        self, places: int, now_us: int, *, busy: Collection[StepId], halts: object, halted: Callable[[StepId], bool]
    ) -> list[StepId]:
        """The next steps to carry out, at most so many."""
        self._look(now_us, halts)
        found: list[StepId] = []
        state = self._mission.state
        for heap, known in ((self._begun, state.running), (self._names, state.ready)):
            while heap and len(found) < places:
                name = heappop(heap)
                if name not in known or name in busy or name in found:
                    continue  # it stands elsewhere meanwhile, or twice
                if name not in state.running and not may_run(state, name):
                    continue  # never again: the mission undoes what was done
                held = state.steps[name]
                if wait_us(held, now_us):
                    heappush(self._resting, (held.not_before_us, name))
                elif halted(name):
                    self._halted.append(name)
                else:
                    found.append(name)
        return found

    def seconds_to_the_next(self, now_us: int) -> float | None:
        """How long until a step that rests is due again; None where none does."""
        state = self._mission.state
        while self._resting and not self._rests(*self._resting[0]):
            heappop(self._resting)
        if not self._resting:
            return None
        return wait_us(state.steps[self._resting[0][1]], now_us) / 1_000_000

    def _rests(self, at_us: int, name: StepId) -> bool:
        state = self._mission.state
        held = state.steps.get(name)
        return held is not None and name in state.ready and held.not_before_us == at_us and may_run(state, name)

    def _look(self, now_us: int, halts: object) -> None:
        for name in self._mission.woken:
            heappush(self._names, name)
        self._mission.woken.clear()
        if halts != self._halts:
            for name in self._halted:
                self.put_back(name)
            self._halted, self._halts = [], halts
        while (seconds := self.seconds_to_the_next(now_us)) is not None and seconds <= 0:
            heappush(self._names, heappop(self._resting)[1])


def wait_us(step: StepState, now_us: int) -> int:
    """How long until a step that failed in passing is due again; 0 where the clock was set back since."""
    retry = step.step.terms.retry
    longest = retry.longest_seconds if retry is not None else RETRY_SECONDS_MAX
    left_us = step.not_before_us - now_us
    return left_us if 0 < left_us <= longest * 1_000_000 else 0
