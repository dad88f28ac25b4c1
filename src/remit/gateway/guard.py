"""Loop guards: deterministic stops for work that goes in circles.

R1 the same transition (action, result, progress) more than three times; R2 the same action more than eight times
without progress; R3 a cycle of hand-offs; R4 a skill called again for the same input below itself, or too deep. R5,
caps on turns and reflections, are rules of policy. Results and progress are in the key, so paging, edit-and-test
cycles and reviews that change something pass.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from remit.errors import LoopStopped

SAME_TRANSITION_MAX = 3
SAME_ACTION_MAX = 8
DEPTH_MAX = 8
_PERIOD_MAX = 8
_REPEATS = 3
#: A way with fewer hand-offs repeats nothing often enough.
HAND_OFFS_MIN = 2 * _REPEATS


@dataclass(frozen=True, slots=True)
class HandOff:
    """One agent's proposal of a step for a skill."""

    giver: str
    skill: str
    #: What the giver's step wrote or proposed: tool, keyed hash of the arguments, and the outcome where there is one.
    wrote: frozenset[tuple[str, str, str]] = frozenset()


class LoopGuard:
    """What one mission has repeated so far; rebuilt from the ledger, so that a crash resets nothing."""

    def __init__(self) -> None:
        #: Action to the progress at which it was last taken, and its results since then with their counts.
        self._actions: dict[str, tuple[str, Counter[str]]] = {}

    def check_action(self, action: str, progress: str) -> None:
        """Look before a call.

        Raises:
            LoopStopped: R1 or R2.
        """
        held = self._actions.get(action)
        if held is None or held[0] != progress:
            return
        results = held[1]
        if max(results.values()) >= SAME_TRANSITION_MAX:
            raise LoopStopped(
                f"The same call gave the same result {SAME_TRANSITION_MAX} times; a further one is not made.", rule="R1"
            )
        if results.total() >= SAME_ACTION_MAX:
            raise LoopStopped(
                f"The same call was made {SAME_ACTION_MAX} times without progress; a further one is not made.",
                rule="R2",
            )

    def record(self, action: str, result: str, progress: str) -> None:
        """Count a call that was made."""
        held = self._actions.get(action)
        if held is None or held[0] != progress:
            self._actions[action] = (progress, Counter((result,)))
        else:
            held[1][result] += 1


def check_hand_offs(chain: Sequence[HandOff]) -> None:
    """Look before an agent takes up what was handed to it; `chain` leads there from the mission's start.

    Neither the words of a hand-off nor the end of the step that made it count: two agents that keep rephrasing one
    thing to each other go in a circle. What they wrote meanwhile counts, so a review that changes something passes.

    Raises:
        LoopStopped: R3, the last hand-offs are three repeats of one pattern.
    """
    for period in range(2, _PERIOD_MAX + 1):
        tail = list(chain[-_REPEATS * period :])
        if len(tail) == _REPEATS * period and tail == tail[:period] * _REPEATS:
            raise LoopStopped(f"The last {len(tail)} hand-offs repeat a pattern of {period}.", rule="R3")


def check_recursion(ancestors: Sequence[tuple[str, str]], skill: str, goal: str) -> None:
    """Look before a skill is entered; `ancestors` are the (skill, goal) pairs above it.

    Raises:
        LoopStopped: R4.
    """
    if (skill, goal) in ancestors:
        raise LoopStopped(f"{skill} was asked for the same input below itself.", rule="R4")
    if len(ancestors) > DEPTH_MAX:
        raise LoopStopped(f"{skill} would be {len(ancestors)} hand-offs deep; {DEPTH_MAX} are allowed.", rule="R4")
