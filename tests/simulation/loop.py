"""A deterministic event loop: virtual time, and a seed that says which ready callback runs next."""

import asyncio
import heapq
from random import Random
from typing import Any

#: How often one coroutine may wait for something while it is being closed.
_AWAITS_MAX = 20


class Stuck(AssertionError):
    """Nothing is ready and no timer is set: somebody waits for what nobody will do."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs one ready callback at a time in an order drawn from the seed; time jumps to the next timer."""

    def __init__(self, random: Random, steps_max: int = 400_000) -> None:
        super().__init__()
        self._random = random
        self._now = 0.0
        self._left = steps_max

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def _run_once(self) -> None:
        self._left -= 1
        assert self._left > 0, "the simulation does not come to an end"
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)
        if not self._ready:
            if not self._scheduled:
                raise Stuck
            self._now = max(self._now, self._scheduled[0]._when)
        while self._scheduled and self._scheduled[0]._when <= self._now:
            self._ready.append(heapq.heappop(self._scheduled))
        if self._ready:
            self._ready.rotate(self._random.randrange(len(self._ready)))
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else is there to be woken."""


def run(random: Random, scenario: Any) -> Any:
    """Run a coroutine to its end; what crashed processes left behind is dropped without a word."""
    loop = SimulatedLoop(random)
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(scenario)
    finally:
        asyncio.set_event_loop(None)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # a crashed process does not tidy up
            _close(task.get_coro())
        loop._ready.clear()  # what was about to run may hold the last of it
        loop.close()


def _close(coroutine: Any) -> None:
    """End what a crashed process left standing, here and now: the garbage collector would do it in a later life."""
    for _ in range(_AWAITS_MAX):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # it waits for something once more on its way out
        return
