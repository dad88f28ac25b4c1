"""The simulation itself is tested: bugs are planted, and each must be caught."""

import pytest
from tests.simulation.planted import BUGS
from tests.simulation.scenario import live

from remit.errors import RemitError

#: Lives until a planted bug must have been caught.
_SEEDS_MAX = 100


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_planted_bug_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    life = BUGS[bug](monkeypatch)

    caught: BaseException | None = None
    for seed in range(_SEEDS_MAX):
        try:
            live(seed, life)
        except (AssertionError, LookupError, RemitError) as error:
            caught = error
            break

    assert caught is not None, f"not caught in {_SEEDS_MAX} lives: {bug}"
    print(str(caught)[:300])
