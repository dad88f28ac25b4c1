"""Admission: how often and how many at once, for agents, tools, sources and the whole tenant; and a rest for a source
that does not answer.

What is over a rate is told when to come again; what finds no place waits in a queue that is fair by weight and bounded.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from remit.clock import Clock
from remit.errors import RateLimited, ToolUnavailable
from remit.gateway.fair import FairGate
from remit.registry import UNLIMITED, CallLimits
from remit.tools import Tool

#: Calls at once of a source that declares no number, and of the whole tenant.
CONCURRENT_MAX = 32
TENANT_CONCURRENT_MAX = 256
FAILURES_MAX = 5
REST_SECONDS = 30.0
_REST_SECONDS_MAX = 300.0
#: Counts that were idle for so long are forgotten.
_IDLE_SECONDS = 3600.0
_RATES_KEPT = 10_000
#: How often a place is asked for that another process has.
_PAUSE_SECONDS, _PAUSE_SECONDS_MAX = 0.02, 0.25


@dataclass(frozen=True, slots=True)
class Asks:
    """Who wants to call what."""

    tenant: str
    agent: str
    tool: Tool
    of_agent: CallLimits = UNLIMITED
    of_tool: CallLimits = UNLIMITED
    of_source: CallLimits = UNLIMITED


@dataclass(slots=True)
class _Breaker:
    """Closed, open after failures in a row, and half open: one call goes ahead to see."""

    failures: int = 0
    rests_until: float = 0.0
    rest_seconds: float = REST_SECONDS
    probing: bool = False

    def state(self, now: float) -> str:
        if self.failures < FAILURES_MAX:
            return "closed"
        # A rest that would last longer than it was set means that the clock was set back: it is over.
        resting = 0 < self.rests_until - now <= self.rest_seconds
        return "open" if resting or self.probing else "half-open"

    def check(self, source: str, now: float) -> bool:
        """True where this call is the one that goes ahead to see.

        Raises:
            ToolUnavailable: the source rests.
        """
        state = self.state(now)
        if state == "open":
            left = max(self.rests_until - now, 1.0)
            raise ToolUnavailable(
                f"{source} did not answer {self.failures} times; it is left alone for {left:.0f} s.",
                rule="breaker",
                retry_after_seconds=left,
            )
        self.probing = state == "half-open"
        return self.probing

    def answered(self) -> None:
        self.failures, self.rest_seconds, self.probing = 0, REST_SECONDS, False

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.failures > FAILURES_MAX and self.probing:
            self.rest_seconds = min(self.rest_seconds * 2, _REST_SECONDS_MAX)
        self.probing = False
        if self.failures >= FAILURES_MAX:
            self.rests_until = now + self.rest_seconds


class Others(Protocol):
    """The processes of the home with which this one shares what is declared of agents, tools and sources."""

    async def use(self, names: Collection[str]) -> None:
        """Tell them that calls count against these rates here, too.

        Raises:
            StoreUnreachable: they cannot be told.
        """
        ...

    def sharing(self, name: str) -> int:
        """Among how many processes a rate is divided now, this one included."""
        ...

    async def enter(self, name: str, places: int) -> bool:
        """Take one of so many places over all processes; False where none is free.

        Raises:
            StoreUnreachable: it cannot be known.
        """
        ...

    def leave(self, name: str) -> None:
        """Give the place back."""
        ...


@dataclass(slots=True)
class Admission:
    """The counts of one process. It decides by the clock that it is given, and keeps nothing when it ends.

    Where others serve the same home, a rate is divided among those that use it, and declared places are shared by all.
    """

    clock: Clock
    others: Others | None = None
    _breakers: dict[str, _Breaker] = field(default_factory=dict)
    _gates: dict[str, FairGate] = field(default_factory=dict)
    #: When each rate's next call would be on time (generic cell rate algorithm).
    _due: dict[str, float] = field(default_factory=dict)

    def admit(self, asks: Asks) -> "_Admitted":
        """A place at every gate, to be held (`async with`) while the call is made.

        Raises:
            RateLimited: agent, tool or source has had its calls for now.
            Overloaded: too many wait already.
            ToolUnavailable: the source has just failed to answer several times, and rests.
        """
        return _Admitted(self, asks)

    def answered(self, source: str) -> None:
        """The source answered, if only with an error of its own."""
        self.breaker(source).answered()

    def unreachable(self, source: str) -> None:
        """The source did not answer."""
        self.breaker(source).failed(self.now)

    def health(self) -> Mapping[str, dict[str, Any]]:
        """Per source: whether it is called, what failed in a row, and how many are there and wait."""
        shown = {}
        for source, breaker in sorted(self._breakers.items()):
            gate = self._gates.get(f"source {source}")
            shown[source] = {
                "state": breaker.state(self.now),
                "failures": breaker.failures,
                "under_way": gate.taken if gate else 0,
                "waiting": gate.waiting if gate else 0,
            }
        return shown

    @property
    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self.clock.now().timestamp()

    def breaker(self, source: str) -> _Breaker:
        """The source's own."""
        breaker = self._breakers.get(source)
        if breaker is None:
            breaker = self._breakers[source] = _Breaker()
        return breaker

    def gates_of(self, asks: Asks) -> list[tuple[FairGate, bool]]:
        """In one order for everybody, so that nobody waits in a circle; True for those that all processes share."""
        gates = []
        shared = self.others is not None
        if asks.of_agent.concurrent:
            gates.append((self._gate(f"agent {asks.agent}", asks.of_agent, asks.of_agent.concurrent), shared))
        if asks.of_tool.concurrent:
            gates.append((self._gate(f"tool {asks.tool.name}", asks.of_tool, asks.of_tool.concurrent), shared))
        of_source, declared = asks.of_source, bool(asks.of_source.concurrent)
        source = self._gate(f"source {asks.tool.source}", of_source, of_source.concurrent or CONCURRENT_MAX)
        gates.append((source, shared and declared))
        gates.append((self._gate(f"tenant {asks.tenant}", UNLIMITED, TENANT_CONCURRENT_MAX), False))
        return gates

    def _gate(self, name: str, limits: CallLimits, places: int) -> FairGate:
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gates[name] = FairGate(name, places, limits.queue)
        gate.places, gate.queue_max = places, limits.queue
        return gate

    async def tell_others(self, asks: Asks) -> None:
        """Tell the other processes which rates count here.

        Raises:
            StoreUnreachable: they cannot be told.
        """
        if self.others is not None and (names := [name for name, _ in self._rates(asks)]):
            await self.others.use(names)

    @staticmethod
    def _rates(asks: Asks) -> list[tuple[str, CallLimits]]:
        declared = (
            (f"agent {asks.agent}", asks.of_agent),
            (f"tool {asks.tool.name}", asks.of_tool),
            (f"source {asks.tool.source}", asks.of_source),
        )
        return [(name, limits) for name, limits in declared if limits.per_second]

    def check_rates(self, asks: Asks) -> None:
        """All rates or none: a call that one of them refuses counts for no other."""
        now, after = self.now, {}
        for name, limits in self._rates(asks):
            among = 1 if self.others is None else self.others.sharing(name)
            interval, burst = among / limits.per_second, max(limits.burst // among, 1)
            due = max(self._due.get(name, 0.0), now)
            early = due - now - interval * (burst - 1)
            # A clock that was set back must not keep anybody out for longer than the whole burst.
            if early > 1e-9 and due - now <= interval * (burst + 1):
                raise RateLimited(f"{name} has had its calls for now.", retry_after_seconds=early, rule="rate")
            after[name] = min(due, now + interval * burst) + interval
        self._due.update(after)
        if len(self._due) > _RATES_KEPT:
            self._due = {name: due for name, due in self._due.items() if due > now - _IDLE_SECONDS}


class _Admitted:
    """One call's places."""

    __slots__ = ("_admission", "_asks", "_began", "_breaker", "_held", "_probes", "_shared")

    def __init__(self, admission: Admission, asks: Asks) -> None:
        self._admission, self._asks = admission, asks
        self._held: list[FairGate] = []
        #: Names of places that all processes share.
        self._shared: list[str] = []
        self._breaker = admission.breaker(asks.tool.source)
        self._probes = False
        self._began = 0.0

    async def __aenter__(self) -> None:
        admission, asks = self._admission, self._asks
        await admission.tell_others(asks)
        admission.check_rates(asks)
        try:
            for gate, shared in admission.gates_of(asks):
                await gate.enter(asks.agent, asks.of_agent.weight)
                self._held.append(gate)
                if shared:
                    await self._enter_everywhere(gate)
            self._began = admission.now
            # Only now: whoever waited may find the source at rest.
            self._probes = self._breaker.check(asks.tool.source, self._began)
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        if self._probes:
            self._breaker.probing = False
        self._leave()

    async def _enter_everywhere(self, gate: FairGate) -> None:
        """Wait until one of the places is free over all processes; those behind wait at the gate of this one."""
        others, pause = self._admission.others, _PAUSE_SECONDS
        assert others is not None, "only then is a gate shared"
        entering = asyncio.ensure_future(others.enter(gate.name, gate.places))
        try:
            while not await asyncio.shield(entering):
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_SECONDS_MAX)
                entering = asyncio.ensure_future(others.enter(gate.name, gate.places))
        except asyncio.CancelledError:
            # A place may be on its way to somebody who has gone.
            entering.add_done_callback(lambda done: _give_back(others, gate.name, done))
            raise
        self._shared.append(gate.name)

    def _leave(self) -> None:
        kept = max(self._admission.now - self._began, 0.0) if self._began else 0.0
        if self._admission.others is not None:
            for name in self._shared:
                self._admission.others.leave(name)
        self._shared.clear()
        for gate in self._held:
            gate.leave(kept)
        self._held.clear()


def _give_back(others: Others, name: str, entered: asyncio.Future[bool]) -> None:
    if not entered.cancelled() and entered.exception() is None and entered.result():
        others.leave(name)
