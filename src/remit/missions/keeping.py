"""What an agent keeps: its working state over attempts and workers, and notes beyond its step.

Both are tools of Remit's own. Each call goes through the door like every other: granted, permitted, on record, and
answered from the tape when an attempt goes on after a crash.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_Call = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class SavedState:
    """A working state as it was read."""

    #: The snapshot's number; 0 where nothing was saved yet.
    seq: int
    snap_hash: str
    goal: Any
    #: A slice for each tool or topic.
    tools: Mapping[str, Any]
    #: The log, the oldest first.
    reflections: Sequence[Any]
    #: `NAME@VERSION` of the agent that saved it.
    agent: str
    #: True where other policies apply by now than when it was saved: what was decided then may be decided anew.
    policy_changed: bool = False


@dataclass(frozen=True, slots=True)
class WorkingState:
    """The step's working state."""

    _call: _Call

    async def save(self, *, goal: Any = None, tools: Mapping[str, Any] | None = None, reflect: Any = None) -> int:
        """Keep what is given beside what stands there, and return the snapshot's number.

        Args:
            goal: JSON of at most 10,240 bytes.
            tools: slices by name, of which only those that differ are written; None takes one away.
            reflect: one more entry of the log.

        Raises:
            StateTooLarge, InvalidInput: nothing was written.
            Refusal: the door's.
        """
        given = {"goal": goal, "tools": tools, "reflect": reflect}
        saved = await self._call(
            "remit__state_save", {name: value for name, value in given.items() if value is not None}
        )
        return int(saved["seq"])

    async def load(self) -> SavedState:
        """What was saved last, in this attempt or an earlier one, by this worker or another."""
        return SavedState(**await self._call("remit__state_read", {}))

    async def point(self, to: str, tiers: Sequence[str], *, minutes: int = 15) -> str:
        """A pointer to this state, to hand to an agent, or to whichever offers a skill, in place of the history.

        Args:
            to: the agent or the skill.
            tiers: what it may read: `goal`, `reflections`, `tools` or `tool:NAME`.
            minutes: how long, 15 at most.

        Raises:
            InvalidInput: nothing was saved, or there is no such tier.
            NotFound: there is no such agent.
        """
        given = {"to": to, "tiers": list(tiers), "minutes": minutes}
        return str((await self._call("remit__state_point", given))["pointer"])

    async def read(self, pointer: str, tiers: Sequence[str] | None = None) -> SavedState:
        """What a pointer grants of another agent's state; the read is on record.

        Raises:
            StalePointer, PointerForged, PointerNotYours: nothing was read.
        """
        given = {"pointer": pointer, **({"tiers": list(tiers)} if tiers is not None else {})}
        return SavedState(**await self._call("remit__state_read", given))


@dataclass(frozen=True, slots=True)
class AgentMemory:
    """Notes in a scope: `mission` (shared by its agents), `agent`, `person` or `tenant`."""

    _call: _Call

    async def write(self, scope: str, key: str, value: Any, *, days: int | None = None) -> None:
        """Keep a note in place of the one under this key, for at most the scope's days.

        Raises:
            StateTooLarge, MemoryFull, MemoryTooWide: nothing was written.
        """
        given = {"scope": scope, "key": key, "value": value, **({"days": days} if days is not None else {})}
        await self._call("remit__memory_write", given)

    async def read(self, scope: str, key: str) -> Any:
        """The note's value, or None where there is none."""
        return (await self._call("remit__memory_read", {"scope": scope, "key": key}))["value"]

    async def search(self, scope: str, text: str = "", *, limit: int = 20) -> list[Mapping[str, Any]]:
        """Notes (`key`, `value`, `by`, `at`, `trusted`, `confidentiality`) that hold these words, the best first."""
        given = {"scope": scope, "limit": limit, **({"text": text} if text else {})}
        found: list[Mapping[str, Any]] = (await self._call("remit__memory_search", given))["notes"]
        return found

    async def forget(self, scope: str, key: str) -> None:
        """Take a note away.

        Raises:
            NotFound: there is none.
            LegalHold: nothing is erased there.
        """
        await self._call("remit__memory_forget", {"scope": scope, "key": key})
