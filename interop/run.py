"""Interoperation, from the command line: `conformance` or `servers`."""

import argparse
import sys

import conformance
import servers


def main() -> int:
    """Run one of them, and leave with 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(required=True)
    for part in (conformance, servers):
        part.add_to(parts)
    given = parser.parse_args()
    return int(given.run(given))


if __name__ == "__main__":
    sys.exit(main())
