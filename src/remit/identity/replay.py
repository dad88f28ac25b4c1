"""Nonces that were used: a signed request is taken once."""

from collections import Counter
from heapq import heappop, heappush
from typing import Protocol

from remit.errors import ReplayWindowFull
from remit.ledger import Once

#: Nonces in memory at once, and of one key: a minute of 1,600 requests a second, a quarter of them from one agent.
_NONCES_MAX = 100_000
_OF_ONE_KEY_MAX = 25_000
#: A nonce stays noted for so much longer: the process that it is sent to again may have a clock that is behind.
_CLOCKS_US = 300_000_000


class Nonces(Protocol):
    """Remembers nonces until their signatures have expired; shared by all who take requests for one home."""

    async def claim(self, key: str, nonce: str, *, created_us: int, until_us: int, now_us: int) -> bool:
        """Note that this key used this nonce; False where it did before, or may have.

        Raises:
            ReplayWindowFull: no more nonces can be remembered; nothing that must be remembered is forgotten.
        """
        ...


class SharedNonces:
    """Nonces of a home that several processes serve: noted in its store before a request is taken.

    Each process bounds by itself how many it takes. Where the store cannot be reached, no request is taken.
    """

    def __init__(self, noted: Once) -> None:
        self._noted = noted
        self._own = NonceMemory(0)  # what was signed before this process began, another one may not have seen

    async def claim(self, key: str, nonce: str, *, created_us: int, until_us: int, now_us: int) -> bool:
        """Note a nonce, once for all processes."""
        if not await self._own.claim(key, nonce, created_us=created_us, until_us=until_us, now_us=now_us):
            return False
        return await self._noted.once("nonce", f"{key}/{nonce}", until_us=until_us + _CLOCKS_US, now_us=now_us)


class NonceMemory:
    """Nonces of one process, bounded in number and time.

    It forgets with its process: what was signed before the process began is refused, because it may have been taken.
    """

    def __init__(self, began_us: int, *, at_most: int = _NONCES_MAX, of_one_key: int = _OF_ONE_KEY_MAX) -> None:
        self._began_us = began_us - began_us % 1_000_000
        self._at_most = at_most
        self._of_one_key = of_one_key
        self._seen: set[tuple[str, str]] = set()
        self._by_end: list[tuple[int, tuple[str, str]]] = []
        self._counts: Counter[str] = Counter()

    async def claim(self, key: str, nonce: str, *, created_us: int, until_us: int, now_us: int) -> bool:
        """Note a nonce, once."""
        while self._by_end and self._by_end[0][0] < now_us:
            _, over = heappop(self._by_end)
            self._seen.discard(over)
            self._counts[over[0]] -= 1
            if not self._counts[over[0]]:
                del self._counts[over[0]]
        name = (key, nonce)
        if name in self._seen or created_us < self._began_us:
            return False
        if len(self._seen) >= self._at_most or self._counts[key] >= self._of_one_key:
            raise ReplayWindowFull
        self._seen.add(name)
        self._counts[key] += 1
        heappush(self._by_end, (until_us, name))
        return True

    def __len__(self) -> int:
        return len(self._seen)
