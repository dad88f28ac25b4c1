"""Whose mission is driven next: fair by principal and priority, and bounded, so that a crowd delays nobody else."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from remit.gateway import FairQueue
from remit.ids import MissionId
from remit.missions import PRIORITIES

#: Missions that one process drives at once; those that wait for people or time take no place.
PLACES = 256
#: The part of the places that one principal's missions may have; the rest is there for others at once.
SHARE_MAX = 0.75


class Flow(NamedTuple):
    """Whose mission it is, and how urgent."""

    principal: str
    priority: str
    workflow: str = ""

    @classmethod
    def of(cls, listed: Mapping[str, Any] | None) -> "Flow":
        """From the mission's place in the list of missions."""
        told = listed or {}
        return cls(str(told.get("principal", "")), str(told.get("priority", "normal")), str(told.get("workflow", "")))

    @property
    def name(self) -> str:
        """Its name in the queue."""
        return f"{self.priority} {self.principal}"


class Queued(NamedTuple):
    """Why a mission that has work is not driven."""

    #: The workflow that drives no more at once; empty where this process drives no more.
    workflow: str
    #: How many are driven at once.
    concurrent: int
    #: How many stand in the same line.
    waiting: int

    def to_json(self) -> dict[str, str | int]:
        """As it is shown."""
        return self._asdict()


def _unbounded(_workflow: str) -> int:
    return 0


@dataclass(slots=True)
class Turns:
    """Missions that want to be driven, and those that are.

    Those of a workflow that drives no more at once stand in a line of their own, so that they keep nobody else back.
    """

    places: int = PLACES
    #: The most missions of a workflow that are driven at once; 0 for no bound.
    concurrent: Callable[[str], int] = _unbounded
    _queue: FairQueue[MissionId] = field(default_factory=FairQueue)
    _lines: dict[str, FairQueue[MissionId]] = field(default_factory=dict)
    _flows: dict[MissionId, Flow] = field(default_factory=dict)
    _driven: dict[MissionId, Flow] = field(default_factory=dict)
    _of_principal: Counter[str] = field(default_factory=Counter)
    #: Missions of each workflow that are driven or next in the queue.
    _of_workflow: Counter[str] = field(default_factory=Counter)
    _in_line: set[MissionId] = field(default_factory=set)

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._flows)

    def queued(self, mission: MissionId) -> Queued | None:
        """Why the mission is not driven though it wants to be; None where it does not."""
        flow = self._flows.get(mission)
        if flow is None:
            return None
        if mission in self._in_line:
            return Queued(flow.workflow, self.concurrent(flow.workflow), len(self._lines[flow.workflow]))
        return Queued("", self.places, len(self._queue))

    def full(self, workflow: str) -> bool:
        """True where no more missions of the workflow may be driven now."""
        most = self.concurrent(workflow)
        return bool(most) and self._of_workflow[workflow] >= most

    def waits(self, mission: MissionId) -> bool:
        """True where the mission stands in the queue."""
        return mission in self._flows

    def want(self, mission: MissionId, flow: Flow) -> None:
        """Let a mission stand in the queue, once."""
        if mission in self._flows:
            return
        self._flows[mission] = flow
        line = self._lines.setdefault(flow.workflow, FairQueue())
        line.push(flow.name, PRIORITIES[flow.priority], mission)
        self._in_line.add(mission)
        self._admit(flow.workflow)

    def next(self) -> MissionId | None:
        """The mission whose turn it is, with a place from now on; None where no place is free for any that waits."""
        if len(self._driven) >= self.places:
            return None
        for workflow in list(self._lines):  # a bound may have been raised
            self._admit(workflow)
        mission = self._queue.pop(self._may)
        if mission is not None:
            flow = self._flows.pop(mission)
            self._leave_workflow(flow.workflow)
            self.take(mission, flow)
        return mission

    def take(self, mission: MissionId, flow: Flow) -> None:
        """Give a mission a place out of turn: somebody waits for it."""
        self.leave(mission)
        if self._flows.pop(mission, None) is not None:
            self._drop(mission, flow.workflow)
        self._driven[mission] = flow
        self._of_principal[flow.principal] += 1
        self._of_workflow[flow.workflow] += 1

    def leave(self, mission: MissionId) -> None:
        """The mission rests or has ended."""
        flow = self._driven.pop(mission, None)
        if flow is None:
            return
        self._of_principal[flow.principal] -= 1
        if not self._of_principal[flow.principal]:
            del self._of_principal[flow.principal]
        self._leave_workflow(flow.workflow)
        if not self._driven and not self._flows:
            self._queue.forget()

    def _admit(self, workflow: str) -> None:
        """Let those go on into the queue whom their workflow's bound allows."""
        line = self._lines[workflow]
        while len(line) and not self.full(workflow):
            mission = line.pop()
            assert mission is not None, "the line is not empty"
            self._in_line.discard(mission)
            flow = self._flows[mission]
            self._of_workflow[workflow] += 1
            self._queue.push(flow.name, PRIORITIES[flow.priority], mission)
        if not len(line):
            del self._lines[workflow]

    def _drop(self, mission: MissionId, workflow: str) -> None:
        if mission not in self._in_line:
            self._queue.drop(mission)
            self._leave_workflow(workflow)
            return
        self._in_line.discard(mission)
        self._lines[workflow].drop(mission)
        if not len(self._lines[workflow]):
            del self._lines[workflow]

    def _leave_workflow(self, workflow: str) -> None:
        self._of_workflow[workflow] -= 1
        if not self._of_workflow[workflow]:
            del self._of_workflow[workflow]

    def _may(self, flow: str) -> bool:
        principal = flow.partition(" ")[2]
        return self._of_principal[principal] < max(1, int(self.places * SHARE_MAX))
