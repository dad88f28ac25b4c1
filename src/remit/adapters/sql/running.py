"""A call at work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from remit.adapters.sql.refused import Refused


@dataclass(slots=True)
class Running:
    """A call at work, so that it can be stopped from outside of its thread."""

    stopped: bool = False
    _stop: Callable[[], None] | None = None
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def stoppable(self, stop: Callable[[], None]) -> Iterator[None]:
        """While this lasts, `stop` is how it is ended."""
        with self._lock:
            if self.stopped:
                raise Refused("stopped", "the call was given up before it began")
            self._stop = stop
        try:
            yield
        finally:
            with self._lock:
                self._stop = None

    def stop(self) -> None:
        """End it; safe to call at any time, from any thread. It may block for some seconds."""
        with self._lock:
            self.stopped = True
            if self._stop is not None:
                self._stop()
