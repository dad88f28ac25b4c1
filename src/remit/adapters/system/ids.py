"""Identifiers that sort by the time they were made and are short enough to type."""

import secrets
from threading import Lock

from remit.adapters.system.clock import SystemClock
from remit.clock import Clock

#: Crockford's base 32 in lower case: no letter that is read as a digit, and the order of the text is the order of time.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CHARACTERS = 13
#: Below the milliseconds stand 20 random bits: two processes meet in the same millisecond once in a million.
_RANDOM_BITS = 20


class SystemIds:
    """Makes `PREFIX-` and 13 characters: milliseconds since 1970 in the upper 45 bits, random ones below."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._last = 0
        self._lock = Lock()

    def new(self, prefix: str) -> str:
        """Return a fresh identifier; one process's never repeat nor go backwards, even when its clock does."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        drawn = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        with self._lock:
            self._last = max(self._last + 1, drawn)
            number = self._last
        return f"{prefix}-{_text(number)}"


def _text(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_CHARACTERS - 1), -1, -5))
