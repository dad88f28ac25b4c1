"""A log that only grows, kept in segments of one, two, four ... entries like the bits of a counter.

A snapshot names at most log2(n)+1 segments, and each entry is written anew at most log2(n) times.
"""

from collections.abc import Sequence


def joined(counts: Sequence[int]) -> int:
    """How many of the last segments become one with the next entry; `counts` are their lengths, the oldest first."""
    taken, size = 0, 1
    for count in reversed(counts):
        if count != size:
            break
        size += count
        taken += 1
    return taken
