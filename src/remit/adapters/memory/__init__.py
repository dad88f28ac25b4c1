"""A store in memory: quick trials, evaluation and simulation. It forgets with the process."""

from remit.adapters.memory.keys import MemoryKeys
from remit.adapters.memory.store import MemoryStore

__all__ = ["MemoryKeys", "MemoryStore"]
