"""What a server offers, kept until it connects anew, says that its tools changed, or a minute has passed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

#: Not every server says when its tools change.
ASKED_AGAIN_SECONDS = 60.0

_Definitions = Sequence[Mapping[str, Any]]


class Offered:
    """The newest list of tools; callers at the same time wait for one listing."""

    def __init__(self, ask: Callable[[], Awaitable[_Definitions]]) -> None:
        self._ask = ask
        self._asking = asyncio.Lock()
        self._held: tuple[object, float, _Definitions] | None = None

    async def current(self, state: Callable[[], object]) -> _Definitions:
        """The list; `state` gives the connection and how often the server said that its tools changed.

        Raises:
            ToolUnreachable: the server cannot be asked.
        """
        held = self._fresh(state())
        if held is not None:
            return held
        async with self._asking:
            held = self._fresh(state())
            if held is None:
                before = state()
                held = await self._ask()
                # What changed while it was listed is asked for again at the next call.
                self._held = (before, _now() + ASKED_AGAIN_SECONDS, held)
            return held

    def _fresh(self, state: object) -> _Definitions | None:
        held = self._held
        return held[2] if held is not None and held[0] == state and _now() < held[1] else None


def _now() -> float:
    return asyncio.get_running_loop().time()
