"""Whose mission is driven next: fair by principal and priority, and bounded, so that a crowd delays nobody else."""

from collections import Counter
from collections.abc import Mapping
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

    @classmethod
    def of(cls, listed: Mapping[str, Any] | None) -> "Flow":
        """From the mission's place in the list of missions."""
        told = listed or {}
        return cls(str(told.get("principal", "")), str(told.get("priority", "normal")))

    @property
    def name(self) -> str:
        """Its name in the queue."""
        return f"{self.priority} {self.principal}"


@dataclass(slots=True)
class Turns:
    """Missions that want to be driven, and those that are."""

    places: int = PLACES
    _queue: FairQueue[MissionId] = field(default_factory=FairQueue)
    _flows: dict[MissionId, Flow] = field(default_factory=dict)
    _driven: dict[MissionId, Flow] = field(default_factory=dict)
    _of_principal: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    def waits(self, mission: MissionId) -> bool:
        """True where the mission stands in the queue."""
        return mission in self._flows

    def want(self, mission: MissionId, flow: Flow) -> None:
        """Let a mission stand in the queue, once."""
        if mission not in self._flows:
            self._flows[mission] = flow
            self._queue.push(flow.name, PRIORITIES[flow.priority], mission)

    def next(self) -> MissionId | None:
        """The mission whose turn it is, with a place from now on; None where no place is free for any that waits."""
        if len(self._driven) >= self.places:
            return None
        mission = self._queue.pop(self._may)
        if mission is not None:
            self.take(mission, self._flows.pop(mission))
        return mission

    def take(self, mission: MissionId, flow: Flow) -> None:
        """Give a mission a place out of turn: somebody waits for it."""
        self.leave(mission)
        if self._flows.pop(mission, None) is not None:
            self._queue.drop(mission)
        self._driven[mission] = flow
        self._of_principal[flow.principal] += 1

    def leave(self, mission: MissionId) -> None:
        """The mission rests or has ended."""
        flow = self._driven.pop(mission, None)
        if flow is None:
            return
        self._of_principal[flow.principal] -= 1
        if not self._of_principal[flow.principal]:
            del self._of_principal[flow.principal]
        if not self._driven and not len(self._queue):
            self._queue.forget()

    def _may(self, flow: str) -> bool:
        principal = flow.partition(" ")[2]
        return self._of_principal[principal] < max(1, int(self.places * SHARE_MAX))
