"""The port to whatever carries a call to its tool or model, and what comes back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable

from remit.identity import Behalf
from remit.ids import MissionId, PrincipalId, StepId, StreamId
from remit.ledger import Draft, Write
from remit.quantities import Money
from remit.registry import Survey
from remit.tools import NOTHING_READ, Label, Tool


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call really used; the settlement of its hold."""

    cost: Money | None = None
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Effects:
    """What a tool of Remit's own changes in the record: durable with the call's outcome, or not at all."""

    entries: tuple[Draft, ...] = ()
    writes: tuple[Write, ...] = ()
    #: Streams that must stand exactly here; where one has moved the call is carried out anew, on what is there now.
    expect: tuple[tuple[StreamId, int], ...] = ()
    #: Of what is answered: the label under which it was kept.
    label: Label = NOTHING_READ
    #: Place in the record up to which the step's own effects are part of a state that was read; 0 for none.
    upto: int = 0


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The normalised answer of a tool: content, or the tool's own error."""

    #: JSON: an object where the tool gives structured content, else `{"text": ...}`.
    content: Any
    #: The tool's own error, as it may be shown; None for success.
    error: str | None = None
    usage: Usage = Usage()
    #: The answer as it came, for a caller that speaks the source's own protocol (MCP: the result with its content
    #: blocks, or `{"error": ...}`); None where `content` says it all. Whoever changes `content` drops this.
    raw: Mapping[str, Any] | None = None
    #: The catalogue's code of `error`, and the rule that spoke; only for tools of Remit's own.
    code: str = ""
    rule: str = ""
    effects: Effects | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose call a tool of Remit's own answers."""

    tenant: str
    principal: PrincipalId
    mission: MissionId
    step: StepId
    #: `NAME@VERSION`.
    agent: str
    #: The stream of the step's attempt.
    stream: StreamId
    #: What the work has read so far.
    read: Label
    #: Place in the record of the step's last effect; 0 for none.
    upto: int
    at_us: int


class Line(Protocol):
    """The caller's end of a call: where a source's words and questions go before it has answered."""

    @property
    def owner(self) -> str:
        """Whom the line belongs to; no two owners share a session with the source, so that what it says to one, no
        other hears. Empty where progress is all that is wanted: then the session that all share will do.
        """
        ...

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the caller can be asked, as MCP's `ClientCapabilities`."""
        ...

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Have `tell` called, once, when the caller takes the call back; a write is carried out all the same."""
        ...

    async def told(self, method: str, params: Mapping[str, Any]) -> None:
        """Take a notification; one that cannot be handed on is dropped."""
        ...

    async def asked(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer a question: `{"result": ...}` or `{"error": {"code": ..., "message": ...}}`."""
        ...


@runtime_checkable
class Relay(Protocol):
    """A transport whose source speaks MCP: it can be given a line, and asked what the door has no tool for."""

    async def call_on(
        self, line: Line, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> ToolResult:
        """Call the tool once, as `call` does; what the source says and asks meanwhile goes to the line."""
        ...

    async def request(self, line: Line, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for a list, or set what a line is told: `{"result": ...}` or `{"error": ...}`.

        Raises:
            ToolUnreachable: as `call`.
        """
        ...

    async def offers(self) -> Mapping[str, Any]:
        """What the source said of itself when it was connected: `capabilities`, `serverInfo`, `instructions`."""
        ...

    async def hang_up(self, owner: str) -> None:
        """End the owner's session with the source; of all owners whose names begin so, where it ends with `|`."""
        ...


@runtime_checkable
class OnBehalf(Protocol):
    """A source that is called with what is one person's: each has a transport of their own."""

    def on_behalf_of(self, behalf: Behalf) -> "Transport":
        """The person's transport.

        Raises:
            ToolUnavailable: too many people use the source at once.
        """
        ...

    def everyone(self) -> Iterable["Transport"]:
        """The transports of all who used it lately, and Remit's own."""
        ...


@runtime_checkable
class Recording(Protocol):
    """A transport whose tools change nothing but Remit's own record."""

    async def record(self, asker: Asker, tool: Tool, arguments: Mapping[str, Any]) -> ToolResult:
        """Say what the call would write, and answer it; the door writes it together with the outcome."""
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A transport whose source has more than what was declared of it, and can be asked what."""

    async def survey(self) -> Survey:
        """What could be declared; reads it all, so it is for a person who declares and for no call.

        Raises:
            ToolUnavailable: the source cannot be reached or read.
        """
        ...


@runtime_checkable
class Priced(Protocol):
    """A transport whose calls cost money that depends on what is asked."""

    def worst_case(self, arguments: Mapping[str, Any]) -> Money:
        """The most that this call can cost, in US dollars.

        Raises:
            PriceUnknown: it cannot be said.
        """
        ...


@runtime_checkable
class Checking(Protocol):
    """A transport that knows more about arguments than a schema can say."""

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> None:
        """Look at arguments that fit the tool's schema, before anything is decided, held or sent.

        Raises:
            InvalidArguments: they cannot be meant, or ask for what would pass by the door.
        """
        ...


@runtime_checkable
class Offering(Protocol):
    """A transport whose source may come to offer something else than what was accepted."""

    async def offered(self, line: Line | None = None) -> Sequence[Mapping[str, Any]]:
        """As `Transport.definitions`, but asked only once while nothing changes; connects where need be.

        Of the session that would carry a call on this line. The same object is given back until it was asked again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Handed:
    """How a call came about: what is told, and signed, to whoever takes the work."""

    #: The skills above the call, the outermost first.
    ancestry: Sequence[str] = ()
    #: The hops with which the work came to this home, as the homes before have signed them.
    hops: Sequence[str] = ()
    #: `NAME@VERSION` of the agent that hands it on.
    agent: str = ""


@runtime_checkable
class Delegating(Protocol):
    """A transport whose tools are other agents' skills: work that is handed on knows where it comes from."""

    async def delegate(
        self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str, handed: Handed
    ) -> ToolResult:
        """Call the tool once, as `call` does, and tell whoever takes the work where it comes from."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A transport that can hand an answer over piece by piece, besides giving it whole at the end."""

    async def stream(
        self,
        tool: Tool,
        arguments: Mapping[str, Any],
        *,
        idempotency_key: str,
        on_part: Callable[[Any], None] | None,
    ) -> ToolResult:
        """Call the tool once; errors as `Transport.call`."""
        ...


class Transport(Protocol):
    """Carries calls to one source. It decides nothing: the door has decided before it is asked."""

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        """Call the tool once.

        Raises:
            ToolUnavailable: the source said that it cannot serve now, and did nothing.
            ToolUnreachable: the source could not be reached, or did not answer in form or in time; whether a write
                took effect is not known.
        """
        ...

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        """What the source offers now: `name`, `description` and `inputSchema` of each tool, its own names."""
        ...

    async def close(self) -> None:
        """Let go of processes and connections."""
        ...


def transport_of(transports: Mapping[str, Transport], source: str, behalf: Behalf) -> Transport | None:
    """What carries calls to a source for this person and agent; None where the source is not connected.

    Raises:
        ToolUnavailable: too many people use the source at once.
    """
    transport = transports.get(source)
    if transport is not None and _is_personal(type(transport)):
        return cast("OnBehalf", transport).on_behalf_of(behalf)
    return transport


@lru_cache(maxsize=64)
def _is_personal(transport: type) -> bool:
    return issubclass(transport, OnBehalf)
