"""Version numbers as semver.org 2.0.0 orders them; build metadata is not taken, as it would make two numbers equal."""

import re
from dataclasses import dataclass
from functools import total_ordering

_SEMVER = re.compile(
    r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Semver:
    """A version number that can be compared (semver.org, item 11)."""

    core: tuple[int, int, int]
    #: The identifiers after the hyphen; empty for a release.
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Semver":
        """Read `1.2.3` or `1.2.3-rc.1`.

        Raises:
            ValueError: `text` is no version number.
        """
        found = _SEMVER.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text[:40]!r} is no version: expected MAJOR.MINOR.PATCH, such as '1.0.0' or '1.0.0-rc.1'"
            )
        major, minor, patch, pre = found.groups()
        return cls((int(major), int(minor), int(patch)), tuple(pre.split(".")) if pre else ())

    def __lt__(self, other: "Semver") -> bool:
        return self._rank() < other._rank()

    def _rank(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        identifiers = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in self.pre)
        return (self.core, not self.pre, identifiers)
