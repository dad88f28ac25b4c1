"""One call's way through the door: what the stages share. What each does stands in a file of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from remit.clock import Clock
from remit.gateway.call import Call, Caller
from remit.gateway.call_log import CallLog
from remit.gateway.controls import Controls
from remit.gateway.limits import Admission
from remit.gateway.live import Live
from remit.gateway.pins import PinWatch
from remit.gateway.redact import Redaction
from remit.gateway.transport import Transport, transport_of
from remit.identity import Behalf
from remit.ids import MissionId
from remit.ledger import HOME_LEASE, Draft, Entry, Journal, Write
from remit.policy import Decision, Request
from remit.state import Vault
from remit.tools import NOTHING_READ, Label, Tool

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class RunTape:
    """What one run of a step has used of its record."""

    consumed: set[str] = field(default_factory=set)
    #: The join of what the run has read, and of what it was given to begin with.
    label: Label = NOTHING_READ
    #: The claim of a step that is one call: it becomes durable together with the call's intent.
    claim: Draft | None = None
    #: Writes that belong to that claim.
    claimed_with: tuple[Write, ...] = ()
    #: The end of such a step, made from the result's name and label: durable together with the outcome.
    ending: Callable[[str, Label], Draft] | None = None
    #: Takes the mission's own entries that were written on the way.
    written: Callable[[Sequence[Entry]], None] = lambda _entries: None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door gives back."""

    content: Any
    label: Label
    #: True where it was answered from the record, and nothing was done.
    recorded: bool
    #: As the source put it; None where `content` says it all.
    raw: Mapping[str, Any] | None = None


async def unsigned(_above: Sequence[str]) -> tuple[str, ...]:
    """No hops: the work began here."""
    return ()


@dataclass(slots=True)
class DoorParts:
    """What the door needs; `controls` is replaced when people change something."""

    controls: Controls
    journal: Journal
    vault: Vault
    transports: Mapping[str, Transport]
    clock: Clock
    admission: Admission
    tenant: str
    #: Calls under way, so that a halt can cut them: task to who calls and what is called.
    under_way: dict[asyncio.Task[Any], tuple[Caller, Tool]] = field(default_factory=dict)
    #: Those that a halt has cut, until they have noticed.
    cut: set[asyncio.Task[Any]] = field(default_factory=set)
    pins: PinWatch = field(default_factory=PinWatch)
    #: Who listens to what models say as they say it.
    live: Live = field(default_factory=Live)
    #: Under which lease a mission is driven.
    lease_of: Callable[[MissionId], str] = lambda _mission: HOME_LEASE
    #: Under which lease agents outside work in a mission; another one where many processes serve one home.
    session_lease_of: Callable[[MissionId], str] = lambda _mission: HOME_LEASE
    #: Takes that lease away from whoever weighs a call under it now, and says which epoch holds; where it is another.
    fence_session: Callable[[MissionId], Awaitable[tuple[str, int]]] | None = None
    #: The name of this process among those that serve the home; empty where it is the only one.
    member: str = ""
    #: Refuses every call where this door may not be used now: one beside an agent, with policy that is too old.
    check_open: Callable[[], None] = field(default=lambda: None)
    #: False where nobody could answer: what needs a person is refused.
    asks_people: bool = True
    #: Gives the signed hops with which the work came to this home that stands under these skills.
    came_with: Callable[[Sequence[str]], Awaitable[tuple[str, ...]]] = unsigned
    #: Balances that were opened; a mission's own is opened when it is submitted, an agent's at its first call.
    opened: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Way:
    """One call's way through the door, and what the stages behind it have found."""

    door: DoorParts
    caller: Caller
    call: Call
    log: CallLog
    tape: RunTape
    progress: str
    key: str = ""
    arguments_digest: str = ""
    #: Where the stream of halts stood when the call was looked at; the intent expects it there.
    halts_at: int = 0
    #: What policy said to what, once it was asked.
    asked: tuple[Decision, Request] | None = None
    #: The approval or standing approval by which the call goes; empty where policy's own leave is enough.
    granted: str = ""
    #: True where a person is asked to add the tool to the mission's plan.
    outside_plan: bool = False
    #: True once the call stands on record: what comes of it is its outcome, not a refusal.
    on_record: bool = False
    #: What policy wants masked; None where it wants nothing.
    redaction: Redaction | None = None

    def name_call(self, tool: Tool) -> None:
        """Give the call the key under which it stands on record."""
        self.arguments_digest = self.digest(dict(self.call.arguments))
        self.key = self.digest([self.caller.step, tool.name, self.arguments_digest, self.call.occurrence])

    def digest(self, value: Any) -> str:
        """The value's keyed hash in this mission."""
        return self.door.vault.digest(self.caller.mission, value)

    def payee(self, payee: str | None) -> str:
        """The payee under which amounts are summed: a keyed hash, as it may be a person's name."""
        return self.digest(payee) if payee else ""

    @property
    def lease(self) -> str:
        """The lease that the caller's epoch counts."""
        return self.caller.lease or self.door.lease_of(self.caller.mission)

    def transport(self, tool: Tool) -> Transport | None:
        """What carries the call: the person's own where the source is called with what is theirs."""
        return transport_of(self.door.transports, tool.source, Behalf(self.caller.principal, self.caller.agent))

    def to_be_sent(self, tool: Tool) -> Call:
        """The call as its transport gets it: what policy wants masked leaves for no model, and comes in no pieces."""
        if self.redaction is None:
            return self.call
        arguments = self.redaction.of(self.call.arguments) if tool.model else self.call.arguments
        return replace(self.call, arguments=arguments, on_part=None, line=None)


def now_us(clock: Clock) -> int:
    """The clock's instant, in microseconds since 1970-01-01 UTC."""
    return micros_of(clock.now())


def micros_of(instant: datetime) -> int:
    """Microseconds since 1970-01-01 UTC."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
