"""An event as it came, and the values that a trigger reads from it."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from remit.errors import InvalidEvent
from remit.registry import REFERENCE, Trigger

#: How deep lists and objects of an event may stand in each other.
LEVELS_MAX = 64
_ID_MAX = 500
#: What Remit itself says of an event; the rest is what the sender says.
_OWN = "event.at"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event before anybody looked at what it says."""

    #: As the form that it came in names it.
    id: str
    body: Any
    #: When it came, as ISO 8601 in UTC.
    at: str
    #: By names in small letters; only of requests and messages that have some.
    headers: Mapping[str, str]
    #: Of a stream's message; else empty.
    subject: str = ""

    def document(self) -> dict[str, Any]:
        """What a trigger's condition and references speak of, below `event`."""
        return {
            "id": self.id,
            "body": self.body,
            "headers": dict(self.headers),
            "subject": self.subject,
            "at": self.at,
        }


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mission's inputs, made of an event."""

    inputs: Mapping[str, Any]
    #: Those values that count as the principal's own words, by their place.
    vouched: Mapping[str, Any]
    #: True where these are all.
    trusted: bool


def read_body(body: bytes) -> Any:
    """The JSON value that these bytes are.

    Raises:
        InvalidEvent: they are none, or one that nobody means: too deep, or with numbers that cannot be kept.
    """
    try:
        value = orjson.loads(body)
    except ValueError:
        raise InvalidEvent("Its body is not JSON.") from None
    if _depth(value) > LEVELS_MAX:
        raise InvalidEvent(f"Lists and objects stand more than {LEVELS_MAX} deep in it.")
    return value


def event_id(trigger: Trigger, incoming: Incoming) -> str:
    """The id by which the event is taken once.

    Raises:
        InvalidEvent: there is none where the trigger looks for it.
    """
    found = value_at(incoming.document(), trigger.id) if trigger.id else incoming.id
    if isinstance(found, bool) or not isinstance(found, (str, int)) or not 0 < len(str(found)) <= _ID_MAX:
        place = trigger.id or "event.id"
        raise InvalidEvent(f"{place} holds no id: expected a text of at most {_ID_MAX} characters, or a whole number.")
    return str(found)


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a place such as `event.body.order.id`; a number names an item of a list.

    Raises:
        InvalidEvent: there is none.
    """
    value: Any = document
    for part in path.split(".")[1:]:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise InvalidEvent(f"The event has no {path}.")
    return value


def mapped(trigger: Trigger, incoming: Incoming) -> Mapped:
    """The inputs of the mission that the trigger begins.

    What the trigger's author wrote and what stands at `verified` places is vouched for.

    Raises:
        InvalidEvent: a value that it refers to is not there.
    """
    assert trigger.submit is not None
    mapping = _Mapping(trigger, incoming.document())
    inputs = {name: mapping.value(written, name) for name, written in trigger.submit.inputs.items()}
    return Mapped(inputs, mapping.vouched, mapping.trusted)


def vouched(trigger: Trigger, incoming: Incoming) -> dict[str, Any]:
    """The values of the event that count as somebody's own words, by their place; those that are there."""
    places = ("event.body",) if trigger.schedule is not None else trigger.verified
    found = {}
    for place in places:
        with contextlib.suppress(InvalidEvent):
            found[place] = value_at(incoming.document(), place)
    return found


class _Mapping:
    """One pass over the inputs as they are written."""

    def __init__(self, trigger: Trigger, document: Mapping[str, Any]) -> None:
        self._trigger = trigger
        self._document = document
        self.vouched: dict[str, Any] = {}
        self.trusted = True

    def value(self, written: Any, place: str) -> Any:
        if isinstance(written, Mapping):
            return {name: self.value(below, f"{place}.{name}") for name, below in written.items()}
        if isinstance(written, list):
            return [self.value(below, f"{place}.{number}") for number, below in enumerate(written)]
        if not isinstance(written, str) or not (paths := REFERENCE.findall(written)):
            self.vouched[place] = written
            return written
        paths = [path[0] if isinstance(path, tuple) else path for path in paths]
        if (alone := REFERENCE.fullmatch(written)) is not None:
            found = value_at(self._document, alone[1])
        else:
            found = REFERENCE.sub(lambda match: _text(value_at(self._document, match[1])), written)
        if all(map(self._is_verified, paths)):
            self.vouched[place] = found
        else:
            self.trusted = False
        return found

    def _is_verified(self, path: str) -> bool:
        if path == _OWN or self._trigger.schedule is not None:
            return True
        return any(path == place or path.startswith(f"{place}.") for place in self._trigger.verified)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= LEVELS_MAX:
        depth += 1
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        level = [node for node in below if isinstance(node, (dict, list))]
    return depth
