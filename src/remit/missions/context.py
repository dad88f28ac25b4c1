"""What an agent sees of Remit while it carries out a step."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from remit.errors import RemitError
from remit.gateway import Answer, Call
from remit.ids import StepId
from remit.missions.keeping import AgentMemory, WorkingState
from remit.planning import NO_TERMS, Step, StepKind, Terms
from remit.registry import as_text


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step that this one waited for has ended."""

    step: StepId
    status: str
    rules: tuple[str, ...]
    #: Its output; None where it did not succeed.
    output: Any
    #: Of a step that a person skipped: why.
    why: str = ""


class Agent(Protocol):
    """An agent's code: any async callable of this form."""

    async def __call__(self, context: "StepContext", given: Mapping[str, Any]) -> Any:
        """Carry out one step and return its output as JSON."""
        ...


@dataclass(slots=True)
class StepContext:
    """The agent's only way to the world; every effect goes through the door."""

    step: StepId
    skill: str
    #: When this attempt was first begun; the same again when it goes on after a crash.
    now: datetime
    #: What reads and judges in this mission: a model's name, or the words for none.
    reader: str
    _seed: str
    _enforce: Callable[[Call], Awaitable[Answer]]
    _read: Callable[[StepId], Awaitable[Ended]]
    _digest: Callable[[Any], str]
    _seal: Callable[[Any], str]
    _flag: Callable[[str, Mapping[str, Any]], Awaitable[None]]
    proposed: list[Step] = field(default_factory=list)
    _occurrences: dict[str, int] = field(default_factory=dict)
    #: In the order in which they began.
    _in_flight: dict[asyncio.Task[Answer], None] = field(default_factory=dict)
    #: What ended this run early, whether or not the agent noticed.
    stopped: BaseException | None = None
    #: The named prompts of the agent's version.
    prompts: Mapping[str, str] = field(default_factory=dict)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        """Call a tool through the door and return its content.

        Raises:
            Refusal, ToolFailed, ToolUnreachable: as the door says; an agent may handle them.
        """
        name = f"{tool}|{self._digest(dict(arguments))}"
        occurrence = self._occurrences.get(name, 0)
        self._occurrences[name] = occurrence + 1
        # A call that has begun is finished and recorded even where the agent is given up meanwhile.
        task = asyncio.ensure_future(self._enforce(Call(tool, arguments, occurrence)))
        self._in_flight[task] = None
        try:
            return (await asyncio.shield(task)).content
        except RemitError:
            raise
        except BaseException as stop:
            if self.stopped is None and not isinstance(stop, asyncio.CancelledError):
                self.stopped = stop
            raise
        finally:
            if task.done():
                self._in_flight.pop(task, None)

    @property
    def state(self) -> WorkingState:
        """What this step keeps over attempts, restarts and workers."""
        return WorkingState(self.call)

    @property
    def memory(self) -> AgentMemory:
        """What is kept beyond this step."""
        return AgentMemory(self.call)

    async def output(self, step: StepId) -> Ended:
        """How a step ended that this one waited for, and its output."""
        return await self._read(step)

    async def flag(self, rule: str, evidence: Mapping[str, Any]) -> None:
        """Put on record that something suspicious was read; the evidence stands sealed."""
        await self._flag(rule, evidence)

    def random(self) -> random.Random:
        """Random numbers that are the same again when this attempt goes on after a crash."""
        return random.Random(self._seed)  # noqa: S311 -- repeatable on purpose; never for secrets

    def propose(
        self,
        step: str,
        *,
        skill: str = "",
        tool: str = "",
        event: str = "",
        timer_seconds: int = 0,
        given: Mapping[str, Any] | None = None,
        after: Sequence[str] = (),
        ask: Mapping[str, Any] | None = None,
        ask_rules: Sequence[str] = (),
        attempts: int = 3,
        timeout_seconds: int = 0,
    ) -> None:
        """Propose a step for the mission's plan: a skill, a tool's call, a wait, or (with none) a question to a person.

        `ask` says why a person should look before a call is made, and what they should see. A wait is for an outside
        event that says what is `given`, or for a timer. After `timeout_seconds` an attempt counts as failed.
        """
        input_ = dict(given or {})
        kind = StepKind.SKILL if skill else StepKind.TOOL if tool else StepKind.QUESTION
        if event or timer_seconds:
            kind = StepKind.EVENT if event else StepKind.TIMER
            # Plain values: nothing that an agent read may turn into a reference.
            input_ = {"match": as_text(input_)} if event else {"after_seconds": timer_seconds}
        recipe = bool(event or timer_seconds)
        self.proposed.append(
            Step(
                StepId(step),
                kind,
                skill or tool or event,
                self._seal(input_),
                tuple(StepId(name) for name in after),
                self._seal(dict(ask)) if ask is not None else "",
                tuple(ask_rules),
                attempts,
                Terms(recipe=recipe, timeout_seconds=timeout_seconds) if recipe or timeout_seconds else NO_TERMS,
            )
        )

    async def settle_in_flight(self) -> None:
        """Wait for calls that the agent left behind, so that their outcomes are on record."""
        if self._in_flight:
            await asyncio.gather(*self._in_flight, return_exceptions=True)
