"""`python -m tests.simulation.digest SEED...` lives seeds and prints the digest of each one's whole record."""

import sys
from hashlib import sha256

from tests.simulation.scenario import Life, live


def digest_of(lived: Life) -> str:
    """A hash over the hashes of every entry, in the order in which they were written."""
    return sha256("".join(entry.hash for entry in lived.entries()).encode()).hexdigest()


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        print(seed, digest_of(live(seed)))
