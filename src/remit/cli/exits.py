"""What each exit code of `remit` means, and which error ends with which."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from remit.errors import Fault, Misuse, Refusal, catalogue


class Exits(IntEnum):
    """Exit codes; they are promised like any other public name."""

    FINE = 0
    REFUSED = 1
    MISUSED = 2
    FAULT = 3
    UNVERIFIED = 4
    INTERRUPTED = 130
    UNREAD = 141


#: As `remit --help` shows it; the mark keeps its lines apart.
TABLE = """\b
Exit codes:
    0  done; what waits for people waits
    1  refused: the answer is no, or the mission failed or is halted
    2  misuse: mend the command, the file or the setting
    3  fault: Remit could not answer; the hint says what to do
    4  the ledger is not as it was sealed
  130  interrupted; missions go on where they stood
  141  whoever read the output went away, such as `head`"""

_FAMILIES = ((Refusal, Exits.REFUSED), (Misuse, Exits.MISUSED), (Fault, Exits.FAULT))


def exit_of(problem: Mapping[str, Any]) -> Exits:
    """The exit code for a problem: by its family; a code that this release does not know by its HTTP status."""
    error = catalogue().get(str(problem.get("code")))
    if error is not None:
        return next(code for family, code in _FAMILIES if issubclass(error, family))
    status = problem.get("status", 500)
    if status >= 500:
        return Exits.FAULT
    return Exits.MISUSED if status in {400, 401, 404, 405, 421, 422} else Exits.REFUSED
