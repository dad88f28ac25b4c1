"""What leads to a mission's end where steps that took effect are undone first."""

from dataclasses import dataclass
from typing import ClassVar

from remit.missions.event import Event
from remit.planning import Step


@dataclass(frozen=True, slots=True)
class MissionStopping(Event):
    """It takes no new work: what took effect and can be undone is undone, and then it ends."""

    kind: ClassVar[str] = "mission.stopping"
    #: How it will end: cancelled or failed.
    outcome: str
    #: Who cancelled it; empty where it failed.
    by: str
    #: Why it failed; empty where it was cancelled.
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class UndoPlanned(Event):
    """Nothing runs any more: these steps undo what took effect, the last of it first."""

    kind: ClassVar[str] = "undo.planned"
    steps: tuple[Step, ...]
    #: The step that each of them undoes, in the same order.
    undoes: tuple[str, ...]


UNDO_EVENTS: tuple[type[Event], ...] = (MissionStopping, UndoPlanned)
