"""What every event is: an entry's typed content, told as JSON and read back."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_origin

from remit.planning import Step


@dataclass(frozen=True, slots=True)
class Event:
    """An entry's typed content."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    closes: ClassVar[bool] = False

    def payload(self) -> dict[str, Any]:
        """The event as JSON."""
        names, lists = names_of(type(self))
        told = {name: getattr(self, name) for name in names}
        for name in lists:
            told[name] = [item.to_json() if isinstance(item, Step) else item for item in told[name]]
        return told

    @classmethod
    def upcast(cls, payload: Mapping[str, Any], version: int) -> Mapping[str, Any]:  # noqa: ARG003 -- for those that have changed
        """The payload of an older version as one of this version."""
        return payload


_NAMES: dict[type[Event], tuple[tuple[str, ...], tuple[str, ...]]] = {}


def names_of(event: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The event's fields, and those of them that are lists."""
    names = _NAMES.get(event)
    if names is None:
        known = fields(event)
        lists = tuple(field.name for field in known if get_origin(field.type) is tuple)
        names = _NAMES[event] = (tuple(field.name for field in known), lists)
    return names
