"""Interoperation, from the command line: `frameworks` (where nothing is said), `conformance` or `servers`."""

import argparse
import sys

import conformance
import frameworks
import inspector
import servers


def main() -> int:
    """Run one of them, and leave with 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers()
    for part in (frameworks, inspector, conformance, servers):
        part.add_to(parts)
    given = parser.parse_args(sys.argv[1:] or ["frameworks"])
    return int(given.run(given))


if __name__ == "__main__":
    sys.exit(main())
