"""A source that is called with what is one person's: a transport for each person, so that nothing of theirs is shared.

Connections, sessions and tokens of one are never another's, whatever the source's protocol keeps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from remit.adapters.secrets import Secrets
from remit.clock import Clock
from remit.errors import CredentialMissing, PersonCredentialMissing, ToolUnavailable
from remit.gateway import ToolResult, Transport
from remit.identity import Behalf
from remit.tools import Tool

_PEOPLE_MAX = 1_000
#: No call takes longer, so what was not used for so long is not in use.
_IDLE_SECONDS = 2 * 3600.0


class PersonalTransport:
    """Makes a person's transport at their first call, and closes what nobody has used for long."""

    def __init__(self, own: Transport, make: Callable[[Behalf], Transport], clock: Clock) -> None:
        """Describe the source; nothing is connected yet.

        Args:
            own: what Remit asks with for itself, such as what the source offers.
            make: makes the transport for a person and an agent.
            clock: says how long one was not used.
        """
        self._own = own
        self._make = make
        self._clock = clock
        #: The longest unused first, with the second of its last use.
        self._people: dict[Behalf, tuple[Transport, float]] = {}
        self._leaving: list[Transport] = []

    @property
    def sandboxed(self) -> bool:
        """Whether the source's servers, where it has such, run behind walls: everybody's are started alike."""
        return bool(getattr(self._own, "sandboxed", True))

    def on_behalf_of(self, behalf: Behalf) -> Transport:
        """The transport that acts for this person.

        Raises:
            ToolUnavailable: too many people use the source at once.
        """
        now = self._clock.now().timestamp()
        kept = self._people.pop(behalf, None)
        if kept is None:
            self._make_room(now)
        transport = self._make(behalf) if kept is None else kept[0]
        self._people[behalf] = transport, now
        return transport

    def everyone(self) -> Iterator[Transport]:
        """The transports of all who used it lately, and Remit's own."""
        yield self._own
        for transport, _ in tuple(self._people.values()):
            yield transport

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        """Nobody's call goes out with Remit's own credential."""
        del arguments, idempotency_key
        raise PersonCredentialMissing(f"{tool.name} is called for a person, and for none by Remit itself.")

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        """What the source offers to Remit itself."""
        await self._close_left()
        return await self._own.definitions()

    async def close(self) -> None:
        """Let go of everybody's connections."""
        people, self._people = [transport for transport, _ in self._people.values()], {}
        self._leaving += [self._own, *people]
        await self._close_left()

    def _make_room(self, now: float) -> None:
        while self._people:
            behalf, (transport, used) = next(iter(self._people.items()))
            if now - used < _IDLE_SECONDS:
                break
            del self._people[behalf]
            self._leaving.append(transport)
        if len(self._people) >= _PEOPLE_MAX:
            raise ToolUnavailable("Too many people use this source at once.", rule="people_at_once")

    async def _close_left(self) -> None:
        while self._leaving:
            await self._leaving.pop().close()


class OwnSecret(Secrets):
    """One person's secret: where it is not there, it is this person who has none."""

    def __init__(self, person: str, secrets: Secrets) -> None:
        self._person = person
        self._secrets = secrets

    async def resolve(self, ref: str) -> str:
        try:
            return await self._secrets.resolve(ref)
        except CredentialMissing as missing:
            raise PersonCredentialMissing(f"{self._person} has no credential here: {missing.detail}") from None

    def refused(self, ref: str) -> None:
        self._secrets.refused(ref)
