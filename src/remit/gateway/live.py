"""Pieces of models' answers as they come, for whoever watches a mission now.

They are hints: nothing of them is on record, and what comes while nobody listens is gone. What a policy wants masked is
never told here, because its answer comes whole (see `Way.to_be_sent`).
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from remit.gateway.call import Caller
from remit.ids import MissionId

#: How many pieces wait for one listener; whoever does not keep up is told so, and begins anew.
PIECES_MAX = 2_000
_PIECE_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of one answer of a model."""

    step: str
    tool: str
    text: str


@dataclass(slots=True)
class Listener:
    """One watcher's place."""

    #: Called when there is something.
    wake: Callable[[], None]
    pieces: deque[Piece] = field(default_factory=deque)
    #: True once pieces were dropped.
    overrun: bool = False

    def tell(self, piece: Piece) -> None:
        """Keep the piece until it is asked for."""
        if len(self.pieces) >= PIECES_MAX:
            self.overrun = True
            self.pieces.clear()
        if not self.overrun:
            self.pieces.append(piece)
        self.wake()

    def drain(self) -> list[Piece]:
        """What came since the last time."""
        told = list(self.pieces)
        self.pieces.clear()
        return told


@dataclass(slots=True)
class Live:
    """Who listens in this process."""

    _listeners: dict[MissionId, list[Listener]] = field(default_factory=dict)

    @contextmanager
    def listening(self, mission: MissionId, wake: Callable[[], None]) -> Iterator[Listener]:
        """Hear what models say in this mission until the block ends."""
        listener = Listener(wake)
        self._listeners.setdefault(mission, []).append(listener)
        try:
            yield listener
        finally:
            there = self._listeners[mission]
            there.remove(listener)
            if not there:
                del self._listeners[mission]

    def heard(self, caller: Caller, tool: str, on_part: Callable[[Any], None] | None) -> Callable[[Any], None] | None:
        """What is to take the pieces of an answer: the caller, those who listen, both, or nobody."""
        if caller.mission not in self._listeners:
            return on_part

        def tell(part: Any) -> None:
            if on_part is not None:
                on_part(part)
            if text := text_of_part(part):
                piece = Piece(caller.step, tool, text[:_PIECE_MAX])
                for listener in self._listeners.get(caller.mission, ()):
                    listener.tell(piece)

        return tell


def text_of_part(part: Any) -> str:
    """The words in a piece: text itself, or a chunk of a completion or a response in OpenAI's forms."""
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return ""
    if part.get("type") == "response.output_text.delta":
        return str(part.get("delta") or "")
    choices = part.get("choices")
    words = []
    for choice in choices if isinstance(choices, list) else ():
        delta = choice.get("delta") if isinstance(choice, Mapping) else None
        content = delta.get("content") if isinstance(delta, Mapping) else None
        if isinstance(content, str):
            words.append(content)
    return "".join(words)
