"""One run of a step, as those see it who carry out a part of it."""

from collections.abc import Sequence
from typing import Any, Protocol

from remit.clock import Clock
from remit.errors import RemitError
from remit.gateway import Door, RunTape
from remit.ids import StepId, StreamId
from remit.ledger import Draft, PutBlob
from remit.missions.active import ActiveMission
from remit.missions.event import Event
from remit.missions.state import StepState
from remit.planning import Step
from remit.tools import Label


class Running(Protocol):
    """A run, with the ways to read bodies and to put its facts on record."""

    door: Door
    clock: Clock
    mission: ActiveMission
    name: StepId
    #: The step as it was when the run began, or as it stands since it was prepared.
    held: StepState
    #: The run's number.
    number: int
    tape: RunTape

    @property
    def step(self) -> Step:
        """The step itself."""
        ...

    @property
    def now_us(self) -> int:
        """Now, in microseconds since 1970-01-01 UTC."""
        ...

    async def read_body(self, cid: str) -> Any:
        """The value that is sealed under this name."""
        ...

    def seal(self, value: Any) -> tuple[str, PutBlob]:
        """A value's keyed name, and the write that stores it."""
        ...

    def fact(self, what: str) -> str:
        """A fact's name, unique for this run."""
        ...

    def draft(self, event: Event, *, fact: str | None = None, pins: Any = None) -> Draft:
        """An event as it is proposed for the record."""
        ...

    def claim_draft(self) -> Draft:
        """The run's claim."""
        ...

    def success(self, output: str, label: Label) -> Draft:
        """The step's good end."""
        ...

    async def commit(
        self, drafts: Sequence[Draft], writes: Sequence[Any], *, fenced: bool = False, new: StreamId | None = None
    ) -> None:
        """Put these on record, `fenced` where they are claims and intents; `new` is a stream that they begin."""
        ...

    async def end_failed(self, error: RemitError) -> None:
        """Put on record that the run ended with this error."""
        ...
