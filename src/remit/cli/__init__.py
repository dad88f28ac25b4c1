"""The command line: parse, speak REST v1, print text or one JSON document.

Nothing heavier than the parser is imported before a command runs: what a command needs is imported in its runner.
"""

from remit.cli.main import main

__all__ = ["main"]
