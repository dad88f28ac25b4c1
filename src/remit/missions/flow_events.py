"""What happens to steps that are written in workflows: looked up, skipped, spread over a list, parked, woken.

The values themselves stand in sealed bodies; here are their names, their labels, and instants.
"""

from dataclasses import dataclass
from typing import ClassVar

from remit.missions.event import Event


@dataclass(frozen=True, slots=True)
class StepPrepared(Event):
    """The references in a step's recipe were looked up: what it works on is fixed."""

    kind: ClassVar[str] = "step.prepared"
    step: str
    attempt: int
    #: Keyed name of the sealed input.
    input: str
    #: The join of all that the input was made of.
    trusted: bool
    confidentiality: str
    #: Keyed hashes of texts that were put together from a person's values alone.
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepRuledOut(Event):
    """A step is not carried out: its condition does not hold, or one that it waits for did not end well."""

    kind: ClassVar[str] = "step.ruled_out"
    step: str
    #: when: its condition; after_failed: a step before it.
    rule: str
    #: The step before it that did not end well; empty for a condition.
    of: str = ""


@dataclass(frozen=True, slots=True)
class StepExpanded(Event):
    """A step's list was looked up: the `plan.proposed` before this entry holds one step for each item."""

    kind: ClassVar[str] = "step.expanded"
    step: str
    attempt: int
    run: int
    count: int
    #: The label of the list.
    trusted: bool
    confidentiality: str


@dataclass(frozen=True, slots=True)
class StepParked(Event):
    """A step waits for an instant, for something outside, or for a mission that it began; nothing runs meanwhile."""

    kind: ClassVar[str] = "step.parked"
    step: str
    attempt: int
    run: int
    #: When it waits no longer; 0 for no end of its own.
    until_us: int
    #: The mission that it began; empty for none.
    mission: str = ""
    #: Key of the record by which an outside event finds it; empty for none.
    listening: str = ""


@dataclass(frozen=True, slots=True)
class StepElapsed(Event):
    """An instant has passed: the timer's end, an event's timeout, or a step's deadline."""

    kind: ClassVar[str] = "step.elapsed"
    step: str
    #: timer, timeout or deadline.
    what: str


@dataclass(frozen=True, slots=True)
class EventOccurred(Event):
    """Something happened outside for which a step waits, or will wait."""

    kind: ClassVar[str] = "event.occurred"
    step: str
    #: Keyed hash of the event's source and id: an event counts once.
    event: str
    name: str
    #: Who told of it: `trigger/NAME`, or `principal:ID`.
    source: str
    #: Keyed name of the sealed body.
    output: str
    trusted: bool
    confidentiality: str
    #: Keyed hashes of the values that count as a person's own, as the source vouches for them.
    known: tuple[str, ...] = ()


ALL: tuple[type[Event], ...] = (StepPrepared, StepRuledOut, StepExpanded, StepParked, StepElapsed, EventOccurred)
