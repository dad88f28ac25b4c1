"""Interoperation, from the command line: a part by its name; where none is named, all that need nothing given."""

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
    asked = [sys.argv[1:]] if sys.argv[1:] else [["frameworks"], ["inspector"], ["servers"]]
    given = [parser.parse_args(words) for words in asked]
    return max([int(each.run(each)) for each in given])


if __name__ == "__main__":
    sys.exit(main())
