"""Data flow: a sink's role arguments must come from where they may come from.

The door computes where a value came from by its keyed hash; an agent cannot claim it. What a model wrote matches no
recorded field unless it copied one exactly, so an injected account or amount finds no origin.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from remit.errors import FlowRefused
from remit.gateway.call import Question
from remit.tools import Origin, Tool

#: Fields of one answer that are remembered; what lies beyond has no origin, and is asked about.
_FIELDS_MAX = 2_000
#: A part of an identifier that is written with blanks, such as `RE 2024 17`: a short mark, or something with a digit.
_ID_PART = r"(?:[A-Z]{1,4}|(?=[\w#./:-]*\d)[\w#./:-]{1,20})"
#: What a typed field may look like: short, and without the words that an instruction needs.
_FORMS = {
    "number": re.compile(r"[+-]?\d{1,18}([.,]\d{1,9})?([eE][+-]?\d{1,3})?"),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}([T ][\d:.+Z-]{1,30})?|\d{8}|\d{1,2}[./]\d{1,2}[./]\d{4}"),
    "id": re.compile(rf"[\w#][\w#./:-]{{0,63}}|{_ID_PART}(?: {_ID_PART}){{1,3}}"),
    "enum": re.compile(r"\w[\w-]{0,63}"),
}


@dataclass(frozen=True, slots=True)
class Known:
    """Where a value was seen: its origin, the call's entry stream and key, and the field."""

    origin: Origin
    source: str
    field: str


def check_flow(
    tool: Tool, arguments: Mapping[str, Any], known: Mapping[str, list[Known]], digest: Any
) -> list[Question]:
    """Questions for a person about role arguments whose values have no permitted origin.

    Raises:
        FlowRefused: the role is strict: not even a person may let another value through.
    """
    if not tool.tells:
        return []
    questions = []
    for role in tool.roles:
        if role.argument not in arguments or arguments[role.argument] is None:
            continue
        values = _values_of(arguments[role.argument])
        without = [text for text in values if not role.allows(text) and not _seen(known, digest(text)) & role.origins]
        if not without:
            continue
        seen = set().union(*(_seen(known, digest(text)) for text in without))
        allowed = ", ".join(sorted(role.origins)) or "nowhere"
        message = (
            f"{role.name}: the value of `{role.argument}` may come from {allowed}; "
            f"it came from {', '.join(sorted(seen)) or 'no recorded source'}."
        )
        if role.strict:
            raise FlowRefused(message, rule=f"flow_{role.name}")
        questions.append(Question(f"flow_{role.name}", message))
    return questions


def origins_of(
    arguments: Mapping[str, Any], known: Mapping[str, list[Known]], digest: Any
) -> Iterator[tuple[str, set[Origin]]]:
    """Each argument, and the origins that all of its values have on record."""
    for name, value in arguments.items():
        if value is not None:
            seen = [_seen(known, digest(text_of(leaf))) for _, leaf in leaves(value)]
            yield name, set.intersection(*seen) if seen else set()


def fields_seen(tool: Tool, content: Any) -> Iterator[tuple[Origin, str, str]]:
    """Origin, field and text of each value in an answer that a sink may later be given."""
    if tool.directory:
        for count, (path, value) in enumerate(leaves(content)):
            if count >= _FIELDS_MAX:
                return
            yield Origin.DIRECTORY, path, text_of(value)
    elif tool.extracts:
        for path in tool.extracts:
            for value in _at(content, path.split(".")):
                if is_typed(tool.extracts[path], value):
                    yield Origin.EXTRACTED, path, text_of(value)


def is_typed(kind: str, value: Any) -> bool:
    """True where a value has the form of its declared type: a sentence is no number, date, id or enum."""
    form = _FORMS.get(kind)
    return form is not None and not isinstance(value, bool) and form.fullmatch(text_of(value)) is not None


def _values_of(value: Any) -> list[str]:
    """What a role's argument names: each item of a list, or the value as a whole."""
    if isinstance(value, (list, tuple)) and not any(isinstance(item, (list, tuple, Mapping)) for item in value):
        return [text_of(item) for item in value]
    return [text_of(value)]


def _seen(known: Mapping[str, list[Known]], digest: str) -> set[Origin]:
    return {place.origin for place in known.get(digest, ())}


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar in a JSON value with its dotted path."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(content, (list, tuple)):
        for place, value in enumerate(content):
            yield from leaves(value, f"{path}.{place}" if path else str(place))
    elif content is not None and content != "":
        yield path, content


def text_of(value: Any) -> str:
    """The text by which values are compared: a number and its decimal text are the same."""
    return value if isinstance(value, str) else str(value)


def _at(content: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        if content is not None and not isinstance(content, (Mapping, list)):
            yield content
        return
    if path[0] == "*" and isinstance(content, list):
        for item in content:
            yield from _at(item, path[1:])
    elif isinstance(content, Mapping) and path[0] in content:
        yield from _at(content[path[0]], path[1:])
