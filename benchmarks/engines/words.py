"""Text that compresses as text does, the same for everybody who asks for the same piece. Standard library only."""

import random

GOAL_BYTES, SLICE_BYTES, REFLECTION_BYTES = 2_000, 1_500, 600
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
_MADE = random.Random(1)
_WORDS = ["".join(_MADE.choices(_LETTERS, weights=range(26, 0, -1), k=_MADE.randint(2, 9))) for _ in range(4_000)]


def text(size: int, number: int) -> str:
    """A text of this many letters; another number gives another one."""
    chosen = random.Random(number)
    return " ".join(chosen.choices(_WORDS, k=size // 3))[:size]
