"""What differs between two documents, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from remit.resources import Path, dotted


class _Absent(Enum):
    """A field that is not there, which is not the same as one that is empty."""

    ABSENT = "absent"


_ABSENT = _Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that was added, removed or changed."""

    change: Literal["added", "removed", "changed"]
    #: Dotted path, such as `skills[0].name`.
    where: str
    #: None where it was added.
    before: Any
    #: None where it was removed.
    after: Any

    def __str__(self) -> str:
        if self.change == "added":
            return f"{self.where}: {_shown(self.after)} is new"
        if self.change == "removed":
            return f"{self.where}: {_shown(self.before)} is gone"
        return f"{self.where}: {_shown(self.before)} -> {_shown(self.after)}"


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[Difference]:
    """Every leaf that differs, in the order of the paths; list items are compared place by place."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key, _ABSENT), after.get(key, _ABSENT), (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            yield from differences(_item(before, place), _item(after, place), (*path, place))
    elif before is _ABSENT:
        yield Difference("added", dotted(path), None, after)
    elif after is _ABSENT:
        yield Difference("removed", dotted(path), before, None)
    elif before != after or type(before) is not type(after):
        yield Difference("changed", dotted(path), before, after)


def _item(items: list[Any], place: int) -> Any:
    return items[place] if place < len(items) else _ABSENT


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
